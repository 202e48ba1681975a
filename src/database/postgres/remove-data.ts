import { rename, rm } from 'node:fs/promises';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { Local } from './connections.ts';
import { isEmpty, makePrivate } from './files.ts';

export const discardedOf = (dataDir: string): string => `${dataDir}.discarded`;

export const clearDiscarded = (dataDir: string): Promise<void> =>
  rm(discardedOf(dataDir), { recursive: true, force: true });

/** Leaves an empty data directory. Whoever calls this has shown that nothing goes with the data that is not elsewhere (I7). */
export async function removeData({ config, keeper }: Local): Promise<Outcome<void>> {
  const { dataDir, runAs } = config;
  const reply = await keeper.call({ do: 'status' });
  if (!reply.ok || reply.status.postgres !== null) return refused('runs', 'stop PostgreSQL before its data is removed');
  if (await isEmpty(dataDir)) return done(undefined);
  await clearDiscarded(dataDir);
  await rename(dataDir, discardedOf(dataDir));
  await makePrivate(dataDir, runAs);
  // The name is free: how long the removal takes delays nobody.
  void clearDiscarded(dataDir).catch(() => undefined);
  return done(undefined);
}
