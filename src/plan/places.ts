import type { PlaceId } from '../base/ids.ts';
import type { Facts } from '../facts/facts.ts';
import { baseOf, type Base } from './build/base.ts';
import { serversOf } from './describe/serve.ts';
import type { People } from './people.ts';
import type { Plan } from './plan.ts';

/** One place with users, who serves it, and how fast: milliseconds with last mile, and the ends of the error band. */
export interface ServedPlace extends People {
  readonly region: PlaceId;
  readonly ms: number;
  readonly lowMs: number;
  readonly highMs: number;
}

export interface ServedPlaces {
  readonly now: readonly ServedPlace[];
  /** After the loss of the region whose loss hurts most, by users in time. */
  readonly afterWorst: { readonly lost: PlaceId; readonly places: readonly ServedPlace[] } | null;
}

/** Where the users of a plan are served, for a map and a curve: what the plan's own figures were summed up from. */
export function servedPlaces(plan: Plan, facts: Facts): ServedPlaces {
  const base = baseOf(plan.request, facts);
  const isPassive = plan.request.model === 'active-passive';
  const [worst] = plan.losses.toSorted((a, b) => a.coverage - b.coverage || b.p95Ms - a.p95Ms);
  const left = plan.regions.map(({ id }) => id).filter((id) => id !== worst?.region);
  return {
    now: placesOf(
      base,
      plan.regions.filter(({ serves }) => serves).map(({ id }) => id),
    ),
    afterWorst:
      worst === undefined ? null : { lost: worst.region, places: placesOf(base, isPassive ? [worst.primary] : left) },
  };
}

function placesOf(base: Base, serving: readonly PlaceId[]): readonly ServedPlace[] {
  const servers = serversOf(base, serving);
  return base.people.map((people, p) => {
    const region = servers[p] ?? (serving[0] as PlaceId);
    const { low, high } = base.bands(region);
    return { ...people, region, ms: base.column(region)[p] ?? 0, lowMs: low[p] ?? 0, highMs: high[p] ?? 0 };
  });
}

/** Share of the users of `places` within `limitMs`, 0 to 1, by one end of the band. */
export const shareWithin = (places: readonly ServedPlace[], end: 'ms' | 'lowMs' | 'highMs', limitMs: number): number =>
  places.reduce((sum, place) => sum + (place[end] <= limitMs ? place.share : 0), 0);
