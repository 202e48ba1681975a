import type { PlaceId } from '../base/ids.ts';
import type { Facts } from '../facts/facts.ts';
import { sharedHazards } from '../facts/hazards.ts';
import { baseOf } from './build/base.ts';
import { rejectionOf } from './build/eligible.ts';
import type { Plan } from './plan.ts';

/**
 * A place for the vote that two regions cannot have between them: it holds no data. Allowed like the regions themselves, in no hard hazard zone of
 * any of them, as far from each as they from each other, and of those the one whose longest way to them is shortest. Null: there is none.
 */
export function witnessOf({ regions, request }: Plan, facts: Facts): PlaceId | null {
  const base = baseOf(request, facts);
  const ids = regions.map(({ id }) => id);
  const isApart = (place: PlaceId, region: PlaceId): boolean =>
    base.km(place, region) >= request.minSeparationKm &&
    !sharedHazards(facts, place, region).some(({ antiAffinity }) => antiAffinity === 'hard');
  const farthestMs = (place: PlaceId): number => Math.max(...ids.map((region) => base.rtt(place, region).ms));
  const [nearest] = base.ids
    .filter(
      (place) =>
        !ids.includes(place) &&
        rejectionOf(place, request, facts, new Set()) === null &&
        ids.every((region) => isApart(place, region)),
    )
    .map((place) => ({ place, ms: farthestMs(place) }))
    .toSorted((a, b) => a.ms - b.ms || (a.place < b.place ? -1 : 1));
  return nearest?.place ?? null;
}
