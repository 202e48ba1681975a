import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { crashRegion, processesOfRegion } from '../../world/faults.ts';
import type { World } from '../../world/open.ts';
import { drillRegions } from '../drill-world.ts';
import type { Start } from '../trial/preflight.ts';
import type { Expected, Scenario, Stage } from '../trial/scenario.ts';
import { breakAndMend, type Broken } from './break-and-mend.ts';

/** The loss of a region: everything of it at once, by `fault`. */
export const regionFailover = (fault: 'crash', region: PlaceId | null): Scenario => ({
  name: 'region-failover',
  fault,
  region,
  planned: false,
  expect: expectMove,
  act: (stage) => breakAndMend(stage, () => crash(stage)),
});

function expectMove(start: Start, { layout }: World): Expected {
  const served = drillRegions(layout)
    .map((it) => it.id)
    .filter((id) => id !== start.region);
  const wasPrimary = start.region === start.primary.region;
  return { primary: wasPrimary ? 'move' : 'stay', served, detection: 'broken' };
}

/** Kills, and looks again by itself: nothing of the region is left. From there the clock runs. */
async function crash({ world, start, holder }: Stage): Promise<Broken> {
  const before = await processesOfRegion(world, start.region);
  const fault = await crashRegion(world, start.region, holder);
  const left = await processesOfRegion(world, start.region);
  if (left.length > 0) {
    await fault.undo();
    throw new FarshoreError('FSH_FAILED', `${left.length} processes of the region are still alive`);
  }
  // PostgreSQL ends its own children when the first of them is gone, so fewer are killed than were there.
  const evidence = `${before.length} processes before, ${fault.killed.length} of them killed by us, none left`;
  const what = `${start.region} is gone`;
  const times = { fromMs: fault.killedFromMs, effectiveMs: fault.killedUntilMs };
  return { ...times, processes: before.length, what, evidence, undo: () => fault.undo() };
}
