import { formatDuration } from '../spec/duration.ts';
import type { PlanRequest } from '../spec/planning.ts';

export type StrategyName = 'active-active' | 'hot standby' | 'warm standby' | 'pilot light' | 'backup and restore';

/** How the loss of a region is met, and what that promises. Durations are predictions until a drill has measured them. */
export interface Strategy {
  readonly name: StrategyName;
  /** Machines that stand by, as a share of those that serve all users. */
  readonly standbyShare: number;
  readonly rtoMs: { readonly low: number; readonly high: number };
  /** It may always lose what was written in so long a time. 0: as little as the mode of replication loses. */
  readonly rpoMs: number;
  readonly why: string;
}

const MINUTE_MS = 60_000;
/** Detection, fence, position, promotion and the routes' change; docs/bench.md has what drills measure. */
const TAKEOVER_MS = { low: 3_000, high: 30_000 };

/** Twice a day a backup is made and copied to the other region. */
const BACKUP_EVERY_MS = 12 * 60 * MINUTE_MS;

/** The cheapest strategy that meets RTO and RPO; else the one that comes nearest. Serving in several regions needs none. */
export function strategyOf({ model, rtoMs, rpoMs, mode, load }: PlanRequest): Strategy {
  if (model !== 'active-passive')
    return {
      name: 'active-active',
      standbyShare: 1,
      rtoMs: TAKEOVER_MS,
      rpoMs: 0,
      why: 'every region serves; each is sized for its users and those of any one neighbour that is lost',
    };
  // At 100 MB a second, in whole minutes.
  const restoreMs = Math.ceil((load.storageGib * 1_024) / 100 / 60) * MINUTE_MS;
  const all: readonly Strategy[] = [
    {
      name: 'backup and restore',
      standbyShare: 0,
      rtoMs: { low: 60 * MINUTE_MS + restoreMs, high: 240 * MINUTE_MS + 2 * restoreMs },
      // The newest whole copy is as old as a backup's distance, and the copying of the next one.
      rpoMs: BACKUP_EVERY_MS + 2 * restoreMs,
      why: 'nothing runs in the second region: a backup goes there twice a day; machines are made and it is read back at 50 to 100 MB a second',
    },
    {
      name: 'pilot light',
      standbyShare: 0.1,
      rtoMs: { low: 15 * MINUTE_MS, high: 120 * MINUTE_MS },
      rpoMs: 0,
      why: 'the database follows on a small machine; the application is started and both are made large',
    },
    {
      name: 'warm standby',
      standbyShare: 0.4,
      rtoMs: { low: 5 * MINUTE_MS, high: 30 * MINUTE_MS },
      rpoMs: 0,
      why: 'a small copy runs and is made large',
    },
    {
      name: 'hot standby',
      standbyShare: 1,
      rtoMs: TAKEOVER_MS,
      rpoMs: 0,
      why: 'a full copy runs: nothing has to be made',
    },
  ];
  // Where nothing runs nobody confirms and nobody follows.
  const follows = mode === 'sync' || mode === 'semi-sync';
  const meets = (one: Strategy): boolean =>
    one.rtoMs.high <= rtoMs && one.rpoMs <= rpoMs && !(follows && one.standbyShare === 0);
  return all.find(meets) ?? (all[3] as Strategy);
}

/** What no strategy can promise, as a sentence that begins with RTO; null: it is promised. */
export const rtoShortfall = ({ name, rtoMs: { low, high } }: Strategy, asked: number): string | null =>
  high <= asked
    ? null
    : `RTO of ${formatDuration(asked)} not met: ${name} takes ${formatDuration(low)} to ${formatDuration(high)}, predicted; no strategy is faster`;

export type Mode = 'sync' | 'semi-sync' | 'async';

/** The mode that meets the RPO, or what the file says. Of two regions the other one confirms; of more, the fastest other one. */
export function modeOf({ mode, rpoMs }: PlanRequest, regions: number): Mode {
  if (mode !== null) return mode;
  return rpoMs > 0 ? 'async' : regions === 2 ? 'sync' : 'semi-sync';
}
