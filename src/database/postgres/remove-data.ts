import { rename, rm } from 'node:fs/promises';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { Local } from './connections.ts';
import { isEmpty, makePrivate } from './files.ts';

/** Leaves an empty data directory. Whoever calls this has shown that nothing goes with the data that is not elsewhere (I7). */
export async function removeData({ config, keeper }: Local): Promise<Outcome<void>> {
  const { dataDir, runAs } = config;
  const reply = await keeper.call({ do: 'status' });
  if (!reply.ok || reply.status.postgres !== null) return refused('runs', 'stop PostgreSQL before its data is removed');
  if (await isEmpty(dataDir)) return done(undefined);
  const going = `${dataDir}.discarded`;
  await rm(going, { recursive: true, force: true });
  await rename(dataDir, going);
  await makePrivate(dataDir, runAs);
  // The name is free: how long the removal takes delays nobody.
  void rm(going, { recursive: true, force: true }).catch(() => undefined);
  return done(undefined);
}
