import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import type { World } from '../../world/open.ts';
import { drillRegions } from '../drill-world.ts';
import type { Start } from '../trial/preflight.ts';
import type { Expected, Scenario } from '../trial/scenario.ts';
import { breakAndMend } from './break-and-mend.ts';
import type { FaultSpec } from '../../world/faults/spec.ts';
import { inject } from './inject.ts';

/**
 * `full`: one region against all others. `pair`: two regions do not see each other, everybody else sees both. `one-way`: one
 * cannot open connections to the other. `store`: the primary's region cannot reach the store. `replication`: nobody can confirm.
 */
export const CUTS = ['full', 'pair', 'one-way', 'store', 'replication'] as const;
export type Cut = (typeof CUTS)[number];

/** The majority's side serves, the other refuses or waits, nobody acknowledges twice, and all is whole after the heal. */
export const partition = (how: Cut, region: PlaceId | null): Scenario => ({
  name: 'partition',
  fault: `cut ${how}`,
  region,
  planned: false,
  ways: false,
  expect: (start, world) => expectFor(how, start, world),
  act: (stage) => breakAndMend(stage, () => inject(stage.world, specOf(how, stage.start, stage.world), stage.holder)),
});

function expectFor(how: Cut, start: Start, world: World): Expected {
  const regions = drillRegions(world.layout).map((it) => it.id);
  const without = (id: PlaceId) => regions.filter((it) => it !== id);
  const wasPrimary = start.region === start.primary.region;
  switch (how) {
    case 'full':
      return {
        hit: start.region,
        primary: wasPrimary ? 'move' : 'stay',
        served: without(start.region),
        detection: 'silent',
      };
    // The store and everybody else see the primary: moving it would be a false alarm.
    case 'pair':
    case 'one-way':
      return { hit: farEnd(start, world), primary: 'stay', served: without(farEnd(start, world)), detection: 'silent' };
    // I8: losing the store never stops a healthy primary.
    case 'store':
      return { hit: start.region, primary: 'stay', served: regions, detection: 'silent' };
    // Alone after an eviction, or waiting until somebody else takes over: `whenAlone` decides.
    case 'replication':
      return { hit: start.region, primary: 'either', served: regions, detection: 'wedged' };
  }
}

function specOf(how: Cut, start: Start, world: World): FaultSpec {
  if (how === 'full' || how === 'store' || how === 'replication') return { kind: 'cut', how, place: start.region };
  return { kind: 'cut', how, from: farEnd(start, world), to: start.primary.region };
}

/** The other end of a cut between two: the region that was asked for, or the first standby's. Its users lose the primary. */
function farEnd(start: Start, { layout }: World): PlaceId {
  if (start.region !== start.primary.region) return start.region;
  const other = drillRegions(layout).find((it) => it.id !== start.primary.region);
  if (other === undefined) throw new FarshoreError('FSH_REFUSED', 'a partition between two regions needs a second one');
  return other.id;
}
