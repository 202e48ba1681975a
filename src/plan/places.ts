import type { PlaceId } from '../base/ids.ts';
import type { Facts } from '../facts/facts.ts';
import { baseOf, type Base } from './build/base.ts';
import { measuredOf, serversOf } from './describe/serve.ts';
import type { People } from './people.ts';
import type { Plan } from './plan.ts';

/** One place with users, who serves it, and how fast: milliseconds with last mile by the metric of the first objective, and the ends of the error band. */
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
      plan,
      base,
      plan.regions.filter(({ serves }) => serves).map(({ id }) => id),
      plan.regions[0]?.id,
    ),
    afterWorst:
      worst === undefined
        ? null
        : { lost: worst.region, places: placesOf(plan, base, isPassive ? [worst.primary] : left, worst.primary) },
  };
}

function placesOf(
  { request }: Plan,
  base: Base,
  serving: readonly PlaceId[],
  primary: PlaceId | undefined,
): readonly ServedPlace[] {
  const servers = serversOf(base, serving);
  const served = { servers, primary: primary ?? (serving[0] as PlaceId) };
  const metric = request.latency[0]?.metric ?? 'rtt';
  const [ms, low, high] = (['ms', 'low', 'high'] as const).map((end) =>
    measuredOf(request, base, served, metric, end),
  ) as [Float64Array, Float64Array, Float64Array];
  return base.people.map((people, p) => ({
    ...people,
    region: servers[p] ?? (serving[0] as PlaceId),
    ms: ms[p] ?? 0,
    lowMs: low[p] ?? 0,
    highMs: high[p] ?? 0,
  }));
}

/** Share of the users of `places` within `limitMs`, 0 to 1, by one end of the band. */
export const shareWithin = (places: readonly ServedPlace[], end: 'ms' | 'lowMs' | 'highMs', limitMs: number): number =>
  places.reduce((sum, place) => sum + (place[end] <= limitMs ? place.share : 0), 0);
