import type { PlaceId } from '../../base/ids.ts';
import { pairKey, providerOf, regionFact, type Facts, type MeasuredRtt } from '../facts.ts';
import { distanceKm, lightRttMs, type Point } from '../geo.ts';
import { bandOf, measuredBand, type Band, type LatencyMethod } from './band.ts';
import { createBackbone, type Access } from './backbone.ts';
import { fitResiduals, type End, type Fit, type Residual } from './residuals.ts';

/** A round trip in milliseconds with how it was found and how far off it may be. */
export interface Latency {
  readonly ms: number;
  readonly method: LatencyMethod;
  /** The true value is inside in about nine of ten cases; docs/guide/facts.md has the share by method. */
  readonly band: Band;
  /** Which table, through which regions, or from how many kilometres. */
  readonly source: string;
}

/** Round trips between regions, and from people to regions. Symmetric; deterministic. */
export interface LatencyModel {
  /** Both must be in the facts: an unknown region is a bug of the caller. */
  regionToRegion(a: PlaceId, b: PlaceId): Latency;
  /** As `regionToRegion`, but as if the pair itself had not been measured. */
  estimate(a: PlaceId, b: PlaceId): Latency;
  /** From a place on the globe (a population cluster, a city) to a region. `lastMileMs` is the access network's share, added as it is. */
  pointToRegion(point: Point, region: PlaceId, lastMileMs: number): Latency;
  /** The same from many places, without how each was found. */
  pointsToRegion(points: readonly Point[], region: PlaceId, lastMileMs: number): LatencyColumn;
  /** What the fit found, to be given as `latencyFit` to the same facts again. */
  fit(): Fit;
  /** Between two places on the globe, both in a data centre. */
  pointToPoint(a: Point, b: Point): Latency;
}

/** Milliseconds and the ends of their bands, one for each place. */
export interface LatencyColumn {
  readonly ms: Float64Array;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** Added for a user's access network where nobody says otherwise: between fixed lines (10) and a mix with mobile ones (20). */
export const DEFAULT_LAST_MILE_MS = 15;

/** Milliseconds for 1000 km along the cables: median regression of the tables of AWS and Azure. Light in fibre needs 9.8. */
const MS_PER_1000_KM = 13.3;
/** The ends' own equipment: within one city, and what more of it there is over the first 1000 km. */
const CITY_MS = 1;
const ENDS_MS = 7;
/** What a way's length does not explain grows with the way, up to so many kilometres. */
const RESIDUAL_GROWS_KM = 6_000;
const RESIDUAL_GROWTH = 1.5;
/** Beyond a city it is at least a tenth of that. */
const RESIDUAL_LEAST = 0.1;
const CITY_KM = 300;
/** Nothing is faster than this times light in a straight fibre. */
const ABOVE_LIGHT = 1.05;
/**
 * A table of a provider that is so much older than the newest one is not taken at its word: five years on, a value is off by as much as an
 * estimate from new tables is (docs/guide/facts.md). Its rows count among the others then, less the older they are.
 */
const OLD_YEARS = 3;
/** Between two machines of one place. In-region pings of 20 GCP regions have a median of 0.28 ms; other providers are slower. */
const SAME_PLACE_MS = 0.5;

/** One end: a place with what the two parts of the model know about it. */
interface Place {
  readonly access: Access;
  readonly end: End;
  readonly anchor: PlaceId | null;
  readonly toAnchorKm: number;
  /** To the nearest measured region of each provider, in km. */
  readonly toProviderKm: ReadonlyMap<string, number>;
}

interface Fitted {
  readonly fit: Fit;
  place(point: Point): Place;
  between(a: Place, b: Place, network: string | null): Latency;
  estimate(a: Place, b: Place, network: string | null): Estimate;
}

type Estimate = Pick<Latency, 'ms' | 'method' | 'band'> & { readonly km: number };

const models = new WeakMap<Facts, LatencyModel>();

/** The model of these facts. Measured pairs need no fit; the first estimate fits it: at once for the packs alone, in about a second with the user's own rows. */
export function createLatencyModel(facts: Facts): LatencyModel {
  const found = models.get(facts) ?? newModel(facts);
  models.set(facts, found);
  return found;
}

function newModel(facts: Facts): LatencyModel {
  let fitted: Fitted | null = null;
  const fit = (): Fitted => (fitted ??= fitModel(facts));
  let newest: number | null = null;
  // The same object is asked about by the thousand: its name is made once.
  const known = new WeakMap<Point, Place>();
  const places = new Map<string, Place>();
  const placeAt = (point: Point): Place => {
    const before = known.get(point);
    if (before !== undefined) return before;
    const key = `${point.lat},${point.lon}`;
    const found = places.get(key) ?? fit().place(point);
    places.set(key, found);
    known.set(point, found);
    return found;
  };
  const estimate = (a: PlaceId, b: PlaceId): Latency => {
    const [from, to] = a < b ? [a, b] : [b, a];
    const network = providerOf(a) === providerOf(b) ? providerOf(a) : null;
    return fit().between(placeAt(regionFact(facts, from)), placeAt(regionFact(facts, to)), network);
  };
  return {
    estimate,
    regionToRegion(a, b) {
      regionFact(facts, a);
      regionFact(facts, b);
      if (a === b)
        return { ms: SAME_PLACE_MS, method: 'distance', band: { lowMs: 0.1, highMs: 2 }, source: 'same place' };
      const row = facts.rtts.get(pairKey(a, b));
      if (row === undefined) return estimate(a, b);
      newest ??= newestYear(facts);
      if (row.origin === 'own' || ageOf(row, newest) <= OLD_YEARS) return ofMeasured(row, newest);
      const found = estimate(a, b);
      return { ...found, source: `${row.source}: ${row.rttMs} ms, drawn to newer tables: ${found.source}` };
    },
    pointToRegion(point, region, lastMileMs) {
      const found = fit().between(placeAt(point), placeAt(regionFact(facts, region)), providerOf(region));
      return {
        ...found,
        ms: found.ms + lastMileMs,
        band: { lowMs: found.band.lowMs + lastMileMs, highMs: found.band.highMs + lastMileMs },
      };
    },
    pointsToRegion(points, region, lastMileMs) {
      const column = () => new Float64Array(points.length);
      const [ms, low, high] = [column(), column(), column()];
      const [to, network] = [placeAt(regionFact(facts, region)), providerOf(region)];
      for (const [p, point] of points.entries()) {
        const found = fit().estimate(placeAt(point), to, network);
        ms[p] = found.ms + lastMileMs;
        low[p] = found.band.lowMs + lastMileMs;
        high[p] = found.band.highMs + lastMileMs;
      }
      return { ms, low, high };
    },
    fit: () => fit().fit,
    pointToPoint: (a, b) => fit().between(placeAt(a), placeAt(b), null),
  };
}

const ofMeasured = (row: MeasuredRtt, newest: number): Latency => ({
  ms: row.rttMs,
  method: 'measured',
  band: measuredBand(row.rttMs, ageOf(row, newest)),
  source: row.source,
});

/** `2025-05-29` is 2025.4. */
function yearOf(asOf: string): number {
  const [year = '', month = '6', day = '15'] = asOf.split('-');
  return Number(year) + (Number(month) - 1) / 12 + (Number(day) - 1) / 365;
}

/** Of the packs: one row of the user's own, however new, makes no pack old. */
function newestYear(facts: Facts): number {
  let newest = 0;
  for (const { asOf, origin } of facts.rtts.values()) if (origin === 'pack') newest = Math.max(newest, yearOf(asOf));
  return newest;
}

/** Years that a row is older than the packs' newest; the user's own may be newer. */
const ageOf = (row: MeasuredRtt, newest: number): number => Math.max(0, newest - yearOf(row.asOf));

/** A measurement may be off by 2 ms and 3 %; a quarter more for each year that it is older than the newest, half for the user's own. */
function noiseOf(row: MeasuredRtt, newest: number): number {
  const trusted = row.origin === 'own' ? 0.5 : 1;
  return (2 + 0.03 * row.rttMs) * trusted * (1 + 0.25 * ageOf(row, newest));
}

function fitModel(facts: Facts): Fitted {
  const backbone = createBackbone(facts.backbone);
  const newest = newestYear(facts);
  const accesses = new Map<PlaceId, Access>();
  const accessOf = (id: PlaceId): Access => {
    const found = accesses.get(id) ?? backbone.access(regionFact(facts, id));
    accesses.set(id, found);
    return found;
  };
  const wayMs = (km: number): number => CITY_MS + (MS_PER_1000_KM * km) / 1_000 + ENDS_MS * Math.min(1, km / 1_000);
  const scaleOf = (km: number): number =>
    Math.max(
      RESIDUAL_LEAST * Math.min(1, 0.2 + km / CITY_KM),
      Math.min(1, (km / RESIDUAL_GROWS_KM) ** RESIDUAL_GROWTH),
    );
  const residuals: Residual[] = [];
  for (const [key, row] of facts.rtts) {
    const [a, b] = key.split('|') as [PlaceId, PlaceId];
    if (!facts.regions.has(a) || !facts.regions.has(b)) continue;
    const [from, to] = [accessOf(a), accessOf(b)];
    const km = backbone.km(from, to);
    residuals.push({
      key,
      a: from.point,
      b: to.point,
      ms: (row.rttMs - wayMs(km)) / scaleOf(km),
      network: providerOf(a) === providerOf(b) ? providerOf(a) : 'between providers',
      noiseMs: noiseOf(row, newest) / scaleOf(km),
    });
  }
  // What was found about a row of the packs says nothing about one of the user's own in its place.
  const known = new Map([...facts.latencyFit].filter(([key]) => facts.rtts.get(key)?.origin === 'pack'));
  const model = fitResiduals(residuals, known);
  const anchors = [...accesses].map(([id, { point }]) => ({ id, point, provider: providerOf(id) }));
  const ownKm = (end: Place, network: string | null): number => end.toProviderKm.get(network ?? '') ?? Infinity;
  const estimate = (a: Place, b: Place, network: string | null): Estimate => {
    const straightKm = distanceKm(a.access.point, b.access.point);
    const floorMs = Math.max(SAME_PLACE_MS, ABOVE_LIGHT * lightRttMs(straightKm));
    const km = backbone.km(a.access, b.access, straightKm);
    const likely = wayMs(km) + scaleOf(km) * model.at(a.end, b.end, network);
    const ms = Math.round(Math.max(floorMs, likely) * 10) / 10;
    const farthestKm = Math.max(a.toAnchorKm, b.toAnchorKm);
    return { ms, km, ...bandOf(ms, floorMs, farthestKm, Math.max(ownKm(a, network), ownKm(b, network))) };
  };
  return {
    fit: model.fit,
    estimate,
    place(point) {
      let toAnchorKm = Number.POSITIVE_INFINITY;
      let anchor: PlaceId | null = null;
      const toProviderKm = new Map<string, number>();
      for (const { id, point: at, provider } of anchors) {
        const km = distanceKm(point, at);
        if (km < toAnchorKm) [toAnchorKm, anchor] = [km, id];
        if (km < (toProviderKm.get(provider) ?? Infinity)) toProviderKm.set(provider, km);
      }
      return { access: backbone.access(point), end: model.end(point), anchor, toAnchorKm, toProviderKm };
    },
    between(a, b, network) {
      const { ms, km, method, band } = estimate(a, b, network);
      const source =
        method === 'triangulated'
          ? `from measured pairs near ${a.anchor} (${Math.round(a.toAnchorKm)} km) and ${b.anchor} (${Math.round(b.toAnchorKm)} km)`
          : `${Math.round(km)} km along cables; nothing measured within ${Math.round(Math.max(a.toAnchorKm, b.toAnchorKm))} km of an end`;
      return { ms, method, band, source };
    },
  };
}
