import { type ChildProcess, spawn } from 'node:child_process';
import { FarshoreError } from '../base/errors.ts';
import type { PlaceId } from '../base/ids.ts';
import { processesOfRegion } from './faults.ts';
import type { World } from './open.ts';
import { allProcesses, isAlive, type ProcessStat, readStat, withDescendants, workingDirectoryOf } from './proc.ts';

/** Everything of a region standing still. `undo` lets it go on, and may be called twice. */
export interface RegionFreeze {
  readonly fromMs: number;
  /** When nothing of the region ran any more, seen twice. */
  readonly provenMs: number;
  readonly stopped: number;
  undo(): Promise<void>;
}

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
const STOPPED_WITHIN_MS = 3_000;

/**
 * Stops what it reads and lets all of it go on when its input ends: also when the one who asked is killed (I13), since SIGSTOP
 * has no expiry of its own. Signals to a terminal's processes do not reach it.
 */
const WATCHDOG = `trap '' INT TERM HUP; all=''
while read -r pids; do kill -STOP $pids 2>/dev/null; all="$all $pids"; done
kill -CONT $all 2>/dev/null; exit 0`;

/**
 * Stops every process of a region, as a paused virtual machine: nothing is closed, nothing answers, and after `undo` all of it goes
 * on as if no time had passed. Forks race with the signal, so it looks again until nothing runs, twice.
 */
export const freezeRegion = (world: World, region: PlaceId): Promise<RegionFreeze> =>
  freeze(region, () => processesOfRegion(world, region));

/** PostgreSQL alone: its agent, keeper and gateway go on and answer, nothing is committed any more. */
export function freezePostgres(world: World, region: PlaceId): Promise<RegionFreeze> {
  const nodes = world.layout.places.find((place) => place.id === region)?.nodes ?? [];
  const dataDirs = new Set(nodes.flatMap((node) => node.dataDir ?? []));
  return freeze(`PostgreSQL of ${region}`, () => {
    const all = allProcesses();
    const roots = all.filter((it) => dataDirs.has(workingDirectoryOf(it.pid) ?? ''));
    return Promise.resolve(withDescendants(new Set(roots.map((it) => it.pid)), all));
  });
}

async function freeze(what: string, find: () => Promise<readonly ProcessStat[]>): Promise<RegionFreeze> {
  const fromMs = monotonicMs();
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  watchdog.stdin?.on('error', () => undefined);
  const undo = thawOnce(watchdog);
  try {
    const stopped = new Set<number>();
    for (let quiet = 0; quiet < 2; ) {
      const running = (await find()).filter(runs);
      if (running.length === 0) quiet++;
      else {
        quiet = 0;
        for (const { pid } of running) stopped.add(pid);
        watchdog.stdin?.write(`${running.map((it) => it.pid).join(' ')}\n`);
      }
      if (monotonicMs() - fromMs > STOPPED_WITHIN_MS)
        throw new FarshoreError('FSH_FAILED', `${running.length} processes of ${what} go on after SIGSTOP`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (stopped.size === 0) throw new FarshoreError('FSH_FAILED', `${what} had no process to stop`);
    return { fromMs, provenMs: monotonicMs(), stopped: stopped.size, undo };
  } catch (error) {
    await undo();
    throw error;
  }
}

const runs = (it: ProcessStat): boolean => isAlive(it) && readStat(it.pid)?.state !== 'T';

function thawOnce(watchdog: ChildProcess): () => Promise<void> {
  let thawed: Promise<void> | null = null;
  return () => {
    thawed ??= new Promise((resolve) => {
      if (watchdog.exitCode !== null) return resolve();
      watchdog.once('exit', () => resolve());
      watchdog.stdin?.end();
    });
    return thawed;
  };
}
