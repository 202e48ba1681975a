import type { PlaceId } from '../../base/ids.ts';
import { pairKey, regionFact, type Facts, type RegionFact } from '../facts.ts';
import { distanceKm, type Point } from '../geo.ts';

/** A round trip in milliseconds with how it was found and how far off it may be. */
export interface Latency {
  readonly ms: number;
  /** `measured`: from a table or by the user. `triangulated`: through measured regions nearby. `distance`: from kilometres alone. */
  readonly method: 'measured' | 'triangulated' | 'distance';
  /** The true value is inside in about nine of ten cases; docs/guide/facts.md has the share by method. */
  readonly band: { readonly lowMs: number; readonly highMs: number };
  /** Which table, through which regions, or from how many kilometres. */
  readonly source: string;
}

/** Round trips between regions, and from people to regions. Symmetric; deterministic. */
export interface LatencyModel {
  /** Both must be in the facts: an unknown region is a bug of the caller. */
  regionToRegion(a: PlaceId, b: PlaceId): Latency;
  /** From a place on the globe (a population cluster, a city) to a region. `lastMileMs` is the access network's share, added as it is. */
  pointToRegion(point: Point, region: PlaceId, lastMileMs: number): Latency;
  /** Between two places on the globe, both in a data centre. */
  pointToPoint(a: Point, b: Point): Latency;
}

/** Added for a user's access network where nobody says otherwise: between fixed lines (10) and a mix with mobile ones (20). */
export const DEFAULT_LAST_MILE_MS = 15;

export function createLatencyModel(facts: Facts): LatencyModel {
  const measured = [...facts.regions.values()].filter((region) =>
    [...facts.regions.keys()].some((other) => other !== region.id && facts.rtts.has(pairKey(region.id, other))),
  );
  const estimate = (from: Point, to: RegionFact): Latency => triangulate(facts, measured, from, to);
  const between = (a: Point, b: Point): Latency => {
    const [near] = measured.toSorted((x, y) => distanceKm(b, x) - distanceKm(b, y));
    const km = distanceKm(a, b);
    if (near === undefined) return ofDistance(km);
    const part = estimate(a, near);
    return withMs(part, part.ms + stubMs(distanceKm(b, near)));
  };
  return {
    regionToRegion(a, b) {
      const from = regionFact(facts, a);
      const to = regionFact(facts, b);
      if (a === b) return { ms: 0.5, method: 'distance', band: { lowMs: 0.1, highMs: 2 }, source: 'same place' };
      const row = facts.rtts.get(pairKey(a, b));
      if (row !== undefined)
        return {
          ms: row.rttMs,
          method: 'measured',
          band: { lowMs: row.rttMs * 0.9, highMs: row.rttMs * 1.1 },
          source: row.source,
        };
      return a < b ? estimate(from, to) : estimate(to, from);
    },
    pointToRegion(point, region, lastMileMs) {
      const found = estimate(point, regionFact(facts, region));
      return withMs(found, found.ms + lastMileMs);
    },
    pointToPoint: between,
  };
}

const stubMs = (km: number): number => (15.97 * km) / 1000 + 7 * Math.min(1, km / 700);

function ofDistance(km: number): Latency {
  const ms = stubMs(km);
  const error = Math.max(15, 0.35 * ms);
  return {
    ms,
    method: 'distance',
    band: { lowMs: Math.max(0, ms - error), highMs: ms + error },
    source: `${Math.round(km)} km`,
  };
}

const withMs = (latency: Latency, ms: number): Latency => ({
  ...latency,
  ms,
  band: { lowMs: latency.band.lowMs + ms - latency.ms, highMs: latency.band.highMs + ms - latency.ms },
});

const NEIGHBOURS = 3;
const DIRECT_KM = 3_000;

function triangulate(facts: Facts, measured: readonly RegionFact[], from: Point, to: RegionFact): Latency {
  const km = distanceKm(from, to);
  let best: Latency | null = km < DIRECT_KM ? ofDistance(km) : null;
  const near = measured
    .filter((region) => region.id !== to.id && facts.rtts.has(pairKey(region.id, to.id)))
    .map((region) => ({ region, km: distanceKm(from, region) }))
    .toSorted((x, y) => x.km - y.km)
    .slice(0, NEIGHBOURS);
  for (const { region, km: stubKm } of near) {
    const ms = stubMs(stubKm) + (facts.rtts.get(pairKey(region.id, to.id))?.rttMs ?? 0);
    const error = Math.max(7, 0.1 * ms);
    if (best === null || ms < best.ms)
      best = {
        ms,
        method: 'triangulated',
        band: { lowMs: Math.max(0, ms - error), highMs: ms + error },
        source: `through ${region.id}`,
      };
  }
  return best ?? ofDistance(km);
}
