import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { Local } from './connections.ts';
import { exists, isEmpty, makePrivate, syncPath } from './files.ts';

const DISCARDED = 'discarded';

/** Removes what was thrown away beside `dataDir` and is not gone yet, also by a process that was ended meanwhile. */
export async function clearDiscarded(dataDir: string): Promise<void> {
  const folder = dirname(dataDir);
  const prefix = `${basename(dataDir)}.${DISCARDED}-`;
  const left = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(prefix));
  for (const name of left) await rm(join(folder, name), { recursive: true, force: true });
}

/** Frees the name of `folder`, which may be removed; how long the removal takes delays nobody. */
export async function throwAway(folder: string, dataDir: string): Promise<void> {
  for (let n = 1; ; n++) {
    const away = `${dataDir}.${DISCARDED}-${n}`;
    if (await exists(away)) continue;
    await rename(folder, away);
    break;
  }
  await syncPath(dirname(dataDir));
  void clearDiscarded(dataDir).catch(() => undefined);
}

/** Leaves an empty data directory. Whoever calls this has shown that nothing goes with the data that is not elsewhere (I7). */
export async function removeData({ config, keeper }: Local): Promise<Outcome<void>> {
  const { dataDir, runAs } = config;
  const reply = await keeper.call({ do: 'status' });
  if (!reply.ok || reply.status.postgres !== null) return refused('runs', 'stop PostgreSQL before its data is removed');
  if (await isEmpty(dataDir)) return done(undefined);
  await throwAway(dataDir, dataDir);
  await makePrivate(dataDir, runAs);
  return done(undefined);
}
