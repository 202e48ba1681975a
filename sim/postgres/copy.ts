import { type Outcome, done, refused } from '../../src/base/result.ts';
import { type Comparison, judge } from '../../src/database/postgres/compare.ts';
import type { Position, Progress, Salvage, Upstream } from '../../src/ports/database.ts';
import type { Process } from '../clock.ts';
import type { PgHost } from './host.ts';
import { historyOf, positionOf } from './look.ts';
import type { PgServer } from './server.ts';
import type { CrashPoint } from './statements.ts';
import { type DataDir, emptyDir } from './wal.ts';

/** A base backup of `from`, as an isolated standby that is not started; where it goes is the caller's. */
export async function receiveCopy(
  host: PgHost,
  caller: Process,
  from: Upstream,
  progress: Progress,
  signal: AbortSignal,
): Promise<Outcome<DataDir>> {
  const { links, place } = host;
  const upstream = host.hosts.get(from.node);
  if (upstream === undefined) return refused('FSH_FAILED', 'no such upstream');
  progress('copying');
  const leftMs = host.rng.between(300, 1_200);
  const server = upstream.running;
  for (let waitedMs = 0; waitedMs < leftMs; waitedMs += 100) {
    if (signal.aborted) return refused('aborted', 'the copy was aborted');
    const cut = links.isCut(place, upstream.place, 'replication') || links.isCut(upstream.place, place, 'replication');
    if (server === null || upstream.running !== server || !server.up || cut || server.process.frozen)
      return refused('FSH_FAILED', 'the connection to the upstream ended during the copy');
    await caller.sleep(100);
  }
  if (signal.aborted || server === null) return refused('aborted', 'the copy was aborted');
  return done({
    ...emptyDir(),
    systemId: server.dir.systemId,
    wal: [...server.dir.wal],
    history: server.dir.history,
    standbySignal: true,
  });
}

/** A primary keeps so many records of WAL for a standby that is away; a real one keeps a few hundred megabytes. */
const KEPT = 40;

export function compareHere(here: Position, upstream: PgServer, { dir }: PgHost): Comparison {
  const judged = judge(here, positionOf(upstream), historyOf(upstream));
  const isForgotten = upstream.end - dir.wal.length > KEPT;
  return judged.verdict === 'same-branch' && isForgotten ? { ...judged, verdict: 'behind' } : judged;
}

/** Killed between the two renames, the old data is put back: the model swaps in one step. */
export async function putCopy(
  host: PgHost,
  caller: Process,
  crashPoint: CrashPoint,
  copy: DataDir,
  grounds: Salvage | 'behind',
): Promise<Outcome<void>> {
  crashPoint('replace: before');
  if (grounds !== 'behind' && !host.asides.some(({ label }) => label === grounds.operation))
    return refused('not-saved', 'nothing was saved');
  await caller.sleep(host.rng.between(2, 60));
  host.kill();
  crashPoint('replace: stopped');
  host.onReplaced(host.dir, copy);
  host.dir = copy;
  crashPoint('replace: after');
  return done(undefined);
}
