import type { PlaceId } from '../../base/ids.ts';
import { knobsOf } from '../../spec/meaning.ts';
import type { FaultSpec } from '../../world/faults/spec.ts';
import type { World } from '../../world/open.ts';
import { drillRegions } from '../drill-world.ts';
import type { Detection } from '../predict.ts';
import type { Start } from '../trial/preflight.ts';
import type { Expected, Scenario, Stage } from '../trial/scenario.ts';
import { breakAndMend } from './break-and-mend.ts';
import { inject } from './inject.ts';

/**
 * How a region may be lost. `blackhole`: it lives on, cut off from everybody; its own users go on asking it. `freeze`: all of it
 * stands still and goes on later as if no time had passed. `wedge`: its commits hang; everything else answers. `slow-disk`: no
 * flush ends within `wedgedAfter`. `disk-full`: what its PostgreSQL writes gets ENOSPC, so it stops and cannot start again.
 */
const LOSSES = {
  crash: 'broken',
  blackhole: 'silent',
  freeze: 'silent',
  wedge: 'wedged',
  'slow-disk': 'wedged',
  'disk-full': 'wedged',
} as const satisfies Readonly<Record<string, Detection>>;

export type Loss = keyof typeof LOSSES;
export const LOSS_NAMES = Object.keys(LOSSES) as readonly Loss[];

/** The loss of a region: everything of it at once. */
export const regionFailover = (fault: Loss, region: PlaceId | null): Scenario => ({
  name: 'region-failover',
  fault,
  region,
  planned: false,
  ways: true,
  expect: (start, world) => expectMove(start, world, LOSSES[fault]),
  act: (stage) => breakAndMend(stage, () => inject(stage.world, specOf(fault, stage), stage.holder)),
});

/** A disk that ends a commit now and then is no loss: this much longer than what is tolerated. */
const SLOWER_MS = 2_000;

function specOf(kind: Loss, { start, deployment }: Stage): FaultSpec {
  const place = start.region;
  if (kind !== 'slow-disk') return { kind, place };
  return { kind, place, delayMs: knobsOf(deployment).wedgedAfterMs + SLOWER_MS };
}

/** Its users cannot be served while they are cut off from everybody: those of all other regions must be. */
function expectMove(start: Start, { layout }: World, detection: Detection): Expected {
  const served = drillRegions(layout)
    .map((it) => it.id)
    .filter((id) => id !== start.region);
  const wasPrimary = start.region === start.primary.region;
  return { hit: start.region, primary: wasPrimary ? 'move' : 'stay', served, detection };
}
