import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import type { World } from '../open.ts';
import { isAlive, type ProcessIdentity, type ProcessStat, readStat } from '../proc.ts';
import { noteStopping } from './journal.ts';
import { finderOf, finderOfOne, serverProcessesOf } from './processes.ts';
import { monotonicMs, type Seen } from './seen.ts';
import type { PauseSpec } from './spec.ts';
import { act } from './turn.ts';

const STOPPED_WITHIN_MS = 5_000;
const THAWED_WITHIN_MS = 2_000;

/**
 * Stops every process of a region, as a paused virtual machine: nothing is closed, nothing answers, and after the thaw all of it
 * goes on as if no time had passed. Forks race with the signal, so it looks again until nothing runs, twice. Each process is in
 * the journal before it is stopped: SIGSTOP has no expiry of its own.
 */
export const freeze = async (world: World, place: PlaceId | NodeId, id: string): Promise<Seen> =>
  standStill(world, place, await finderOf(world, place), id);

/** The same for one process alone, whatever is below it, or for PostgreSQL. */
export async function pause(world: World, spec: PauseSpec, id: string): Promise<Seen> {
  if ('postgresOf' in spec) {
    const { postgresOf } = spec;
    return standStill(world, `PostgreSQL of ${postgresOf}`, () => serverProcessesOf(world, postgresOf), id);
  }
  const find = await finderOfOne(world, spec.process);
  return standStill(world, spec.process, find, id);
}

async function standStill(world: World, place: string, find: () => readonly ProcessStat[], id: string): Promise<Seen> {
  const fromMs = monotonicMs();
  const stopped = new Set<number>();
  let effectiveMs = fromMs;
  for (let quiet = 0; quiet < 2; ) {
    const running = await act(world, id, () => {
      const found = find().filter((it) => isAlive(it) && !isStopped(it));
      if (found.length === 0) return found;
      noteStopping(world, id, found);
      for (const it of found) if (signalExactly(it, 'SIGSTOP')) stopped.add(it.pid);
      effectiveMs = monotonicMs();
      return found;
    });
    quiet = running.length === 0 ? quiet + 1 : 0;
    if (monotonicMs() - fromMs > STOPPED_WITHIN_MS)
      throw new FarshoreError('FSH_FAILED', `${running.length} processes of ${place} go on after SIGSTOP`);
    await sleep(5);
  }
  if (stopped.size === 0) throw new FarshoreError('FSH_FAILED', `${place} had no process to stop`);
  const evidence = `${stopped.size} processes stopped, none runs, looked at twice`;
  const times = { fromMs, effectiveMs, provenMs: monotonicMs() };
  return { ...times, processes: stopped.size, what: `${place} stands still`, evidence };
}

/** Lets all of them go on; returns those that still stand. */
export async function goOn(stopped: readonly ProcessIdentity[]): Promise<readonly string[]> {
  const endMs = monotonicMs() + THAWED_WITHIN_MS;
  for (;;) {
    // Children last: their parents' SIGCHLD then finds them running again.
    for (const it of stopped) signalExactly(it, 'SIGCONT');
    const left = stopped.filter((it) => isAlive(it) && isStopped(it));
    if (left.length === 0) return [];
    if (monotonicMs() > endMs) return left.map(({ pid }) => `process ${pid} is still stopped`);
    await sleep(20);
  }
}

export const isStopped = ({ pid }: ProcessIdentity): boolean => readStat(pid)?.state === 'T';

/** False when the process is gone: its number may belong to a stranger now. */
export function signalExactly(target: ProcessIdentity, signal: 'SIGSTOP' | 'SIGCONT'): boolean {
  if (readStat(target.pid)?.startTicks !== target.startTicks) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch {
    return false;
  }
}
