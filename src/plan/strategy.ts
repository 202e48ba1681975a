import type { PlanRequest } from '../spec/planning.ts';

export type StrategyName = 'active-active' | 'hot standby' | 'warm standby' | 'pilot light' | 'backup and restore';

/** How the loss of a region is met, and what that promises. Durations are predictions until a drill has measured them. */
export interface Strategy {
  readonly name: StrategyName;
  /** Machines that stand by, as a share of those that serve all users. */
  readonly standbyShare: number;
  readonly rtoMs: { readonly low: number; readonly high: number };
  readonly why: string;
}

const MINUTE_MS = 60_000;
/** Detection, fence, position, promotion and the routes' change; docs/bench.md has what drills measure. */
const TAKEOVER_MS = { low: 3_000, high: 30_000 };

/** The cheapest strategy that meets the RTO; serving in several regions needs none. */
export function strategyOf({ model, rtoMs, load }: PlanRequest): Strategy {
  if (model !== 'active-passive')
    return {
      name: 'active-active',
      standbyShare: 1,
      rtoMs: TAKEOVER_MS,
      why: 'every region serves; each is sized for its users and those of any one neighbour that is lost',
    };
  const restoreMs = ((load.storageGib * 1_024) / 100) * 1_000;
  const all: readonly Strategy[] = [
    {
      name: 'backup and restore',
      standbyShare: 0,
      rtoMs: { low: 60 * MINUTE_MS + restoreMs, high: 240 * MINUTE_MS + 2 * restoreMs },
      why: 'nothing runs in the second region; machines are made and the backup is read back at 50 to 100 MB a second',
    },
    {
      name: 'pilot light',
      standbyShare: 0.1,
      rtoMs: { low: 15 * MINUTE_MS, high: 120 * MINUTE_MS },
      why: 'the database follows on a small machine; the application is started and both are made large',
    },
    {
      name: 'warm standby',
      standbyShare: 0.4,
      rtoMs: { low: 5 * MINUTE_MS, high: 30 * MINUTE_MS },
      why: 'a small copy runs and is made large',
    },
    { name: 'hot standby', standbyShare: 1, rtoMs: TAKEOVER_MS, why: 'a full copy runs: nothing has to be made' },
  ];
  return all.find((one) => one.rtoMs.high <= rtoMs) ?? (all[3] as Strategy);
}

export type Mode = 'sync' | 'semi-sync' | 'async';

/** The mode that meets the RPO, or what the file says. Of two regions the other one confirms; of more, the fastest other one. */
export function modeOf({ mode, rpoMs }: PlanRequest, regions: number): Mode {
  if (mode !== null) return mode;
  return rpoMs > 0 ? 'async' : regions === 2 ? 'sync' : 'semi-sync';
}
