import { placeId, type PlaceId } from '../base/ids.ts';
import { assert } from '../base/result.ts';
import type { Point } from './geo.ts';
import type { Fit } from './latency/residuals.ts';
import type { OwnRegion } from './own.ts';
import { PACKS, parsePack, type Confidence, type PackName, type PackOf, type PackTexts } from './packs.ts';

/** A place that a provider runs a region in. Coordinates are of the city, in degrees. */
export interface RegionFact extends Point {
  readonly id: PlaceId;
  readonly place: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  /** Availability zones; 0: the region has none. null: unknown. */
  readonly zones: number | null;
  /** The provider's own pair for recovery, where it has one. */
  readonly pair: PlaceId | null;
  /** Must be enabled for an account before anything can run there: not on the day of the failover. */
  readonly optIn: boolean;
  readonly confidence: Confidence;
  /** What the source said before it was corrected, and why. */
  readonly corrected: { readonly lat: number; readonly lon: number; readonly why: string } | null;
}

/** Countries that one law covers: `EU`, `EEA`. */
export interface BlocFact {
  readonly id: string;
  readonly name: string;
  readonly countries: ReadonlySet<string>;
}

export interface CountryFact {
  readonly iso2: string;
  readonly name: string;
  /** Part of the world as the United Nations name it: `Southern Asia`. */
  readonly area: string;
  readonly population: number;
  readonly internetUsers: number;
  readonly shareYear: number;
  /** Worldwide Governance Indicators 2022, mean of six, 0 (worst) to 1; null: unknown. */
  readonly governance: number | null;
}

/** Internet users of a country around one place. */
export interface PopulationCluster extends Point {
  readonly country: string;
  readonly place: string;
  readonly internetUsers: number;
}

/** A big city with what is around it. */
export interface MetroFact extends Point {
  readonly country: string;
  readonly name: string;
  /** Of the city itself: enough to tell big from small. */
  readonly people: number;
}

/** One measured round trip. Symmetric: kept once per pair. */
export interface MeasuredRtt {
  readonly rttMs: number;
  readonly source: string;
  /** `2025-05-29`, or less of it. */
  readonly asOf: string;
  /** `pack`: shipped. `own`: measured or imported by the user; wins. */
  readonly origin: 'pack' | 'own';
}

export interface PackInfo {
  readonly name: PackName;
  readonly asOf: string;
  readonly source: string;
  readonly licence: string;
  readonly confidence: Confidence;
  /** Why it is still used though it is old; null: nobody said. */
  readonly ageAccepted: string | null;
  /** Of the file; null: it was not read from one. */
  readonly sha256: string | null;
}

/** A file of the user's own facts. Two of one name and date need not be the same: the checksum tells. */
export interface OwnSource {
  readonly file: string;
  /** Of round trips; null: the file has no date. */
  readonly asOf: string | null;
  readonly sha256: string;
}

/** The data packs, indexed. Made by `parseFacts`; read through the functions beside it. */
export interface Facts {
  readonly regions: ReadonlyMap<PlaceId, RegionFact>;
  readonly blocs: ReadonlyMap<string, BlocFact>;
  /** Where a second source places the regions, corrected. */
  readonly secondCoordinates: ReadonlyMap<PlaceId, Point>;
  /** By `pairKey`. */
  readonly rtts: ReadonlyMap<string, MeasuredRtt>;
  readonly countries: ReadonlyMap<string, CountryFact>;
  readonly clusters: readonly PopulationCluster[];
  /** By country, the bigger first. */
  readonly metros: readonly MetroFact[];
  readonly prices: PackOf<'prices'>;
  readonly transfer: PackOf<'transfer'>;
  readonly carbon: ReadonlyMap<PlaceId, PackOf<'carbon'>['regions'][number]>;
  readonly residency: Pick<PackOf<'residency-rules'>, 'groups' | 'rules'>;
  readonly hazards: PackOf<'hazards'>['zones'];
  /** Where cables go: the latency model's ways. */
  readonly backbone: Pick<PackOf<'backbone'>, 'hubs' | 'edges'>;
  /** What the latency model found in the packs' round trips; empty: it starts from nothing. */
  readonly latencyFit: Fit;
  /** What the user knows about regions, over the packs. */
  readonly own: ReadonlyMap<PlaceId, OwnRegion>;
  /** The files that the user's own facts are from, by name. */
  readonly ownSources: readonly OwnSource[];
  /** Rows of the packs that are not used as their source has them. */
  readonly corrections: PackOf<'corrections'>['corrections'];
  readonly packs: readonly PackInfo[];
}

/** Round trips are kept once per pair, whatever the direction. */
export const pairKey = (a: PlaceId, b: PlaceId): string => (a < b ? `${a}|${b}` : `${b}|${a}`);

export const providerOf = (region: PlaceId): string => region.slice(0, region.indexOf(':'));

/** The fact about a region that the caller knows to exist; an unknown one is a bug of the caller. */
export function regionFact(facts: Pick<Facts, 'regions'>, id: PlaceId): RegionFact {
  const found = facts.regions.get(id);
  assert(found !== undefined, `no facts about ${id}`);
  return found;
}

type Corrections = PackOf<'corrections'>['corrections'];

/** Index the texts of the data packs. Throws on a text that does not fit: the installation is broken. */
export function parseFacts(texts: PackTexts): Facts {
  const packs = Object.fromEntries(PACKS.map((name) => [name, parsePack(name, texts[name])])) as {
    [N in PackName]: PackOf<N>;
  };
  const { corrections } = packs.corrections;
  return {
    regions: indexRegions(packs.regions, corrections),
    blocs: new Map(packs.blocs.blocs.map((bloc) => [bloc.id, { ...bloc, countries: new Set(bloc.countries) }])),
    rtts: indexRtts([packs['rtt-aws'], packs['rtt-azure'], packs['rtt-gcp']], corrections),
    secondCoordinates: new Map(
      packs['coordinates-second'].coordinates.map(([id, lat, lon]) => {
        const corrected = correctedPoint(corrections, 'coordinates-second', { id, lat, lon });
        return [placeId(id), corrected?.to ?? { lat, lon }];
      }),
    ),
    countries: new Map(
      packs.countries.countries.map(([iso2, name, area, population, internetUsers, shareYear, governance]) => [
        iso2,
        { iso2, name, area, population, internetUsers, shareYear, governance },
      ]),
    ),
    clusters: packs.population.clusters.map(([country, place, lat, lon, internetUsers]) => ({
      country,
      place,
      lat,
      lon,
      internetUsers,
    })),
    metros: packs.metros.metros.map(([country, name, lat, lon, people]) => ({ country, name, lat, lon, people })),
    prices: packs.prices,
    transfer: packs.transfer,
    carbon: new Map(packs.carbon.regions.map((row) => [placeId(row[0]), row])),
    residency: packs['residency-rules'],
    hazards: packs.hazards.zones,
    backbone: packs.backbone,
    latencyFit: new Map(packs['latency-fit'].pairs.map(([key, weight, trust]) => [key, { weight, trust }])),
    own: new Map(),
    ownSources: [],
    corrections,
    packs: PACKS.map((name) => {
      const { asOf, source, licence, confidence, ageAccepted = null } = packs[name];
      return { name, asOf, source, licence, confidence, ageAccepted, sha256: null };
    }),
  };
}

/** What is used instead of the source's coordinates, if the corrections say so. */
function correctedPoint(
  corrections: Corrections,
  pack: 'regions' | 'coordinates-second',
  row: Point & { readonly id: string },
): { readonly to: Point; readonly why: string } | null {
  const found = corrections.find((candidate) => candidate.pack === pack && candidate.row === row.id);
  if (found?.field !== 'coordinates') return null;
  assert(
    found.from[0] === row.lat && found.from[1] === row.lon,
    `the correction of ${row.id} does not fit what it corrects`,
  );
  return { to: { lat: found.to[0], lon: found.to[1] }, why: found.why };
}

function indexRegions(pack: PackOf<'regions'>, corrections: Corrections): Map<PlaceId, RegionFact> {
  const regions = new Map<PlaceId, RegionFact>();
  for (const row of pack.regions) {
    const correction = correctedPoint(corrections, 'regions', row);
    regions.set(placeId(row.id), {
      id: placeId(row.id),
      place: row.place,
      country: row.country,
      lat: correction?.to.lat ?? row.lat,
      lon: correction?.to.lon ?? row.lon,
      zones: row.zones ?? null,
      pair: row.pair === undefined ? null : placeId(row.pair),
      optIn: row.optIn,
      confidence: row.confidence ?? pack.confidence,
      corrected: correction === null ? null : { lat: row.lat, lon: row.lon, why: correction.why },
    });
  }
  return regions;
}

function indexRtts(packs: readonly PackOf<'rtt-aws'>[], corrections: Corrections): Map<string, MeasuredRtt> {
  const rtts = new Map<string, MeasuredRtt>();
  for (const pack of packs) {
    const source = `facts/rtt-${pack.provider}.json (${pack.asOf})`;
    for (const [a, b, rttMs] of pack.rttMs) {
      const key = pairKey(placeId(`${pack.provider}:${a}`), placeId(`${pack.provider}:${b}`));
      rtts.set(key, { rttMs, source, asOf: pack.asOf, origin: 'pack' });
    }
  }
  for (const correction of corrections) {
    if (correction.field !== 'rttMs') continue;
    assert(
      rtts.get(correction.row)?.rttMs === correction.from,
      `the correction of ${correction.row} does not fit what it corrects`,
    );
    rtts.delete(correction.row);
  }
  return rtts;
}
