import { z } from 'zod';
import { placeId, type PlaceId } from '../base/ids.ts';

/** A place that a provider runs a region in. Coordinates are of the city, in degrees. */
export interface RegionFact {
  readonly id: PlaceId;
  readonly place: string;
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  readonly lat: number;
  readonly lon: number;
}

/** Countries that one law covers: `EU`, `EEA`. */
export interface BlocFact {
  readonly id: string;
  readonly name: string;
  readonly countries: ReadonlySet<string>;
}

/** The data packs, indexed. Made by `parseFacts`; read through the functions beside it. */
export interface Facts {
  readonly regions: ReadonlyMap<PlaceId, RegionFact>;
  readonly blocs: ReadonlyMap<string, BlocFact>;
  /** By `pairKey`. */
  readonly rtts: ReadonlyMap<string, { readonly rttMs: number; readonly source: string }>;
}

/** The packs' file names under `facts/`, in the order that `parseFacts` takes their texts. */
export const PACKS = ['regions', 'blocs', 'rtt-aws', 'rtt-azure', 'rtt-gcp'] as const;
export type PackName = (typeof PACKS)[number];

const regionsPack = z.object({
  pack: z.literal('farshore.facts.regions/v1'),
  regions: z.array(
    z.object({
      id: z.string(),
      place: z.string(),
      country: z.string().length(2),
      lat: z.number().min(-90).max(90),
      lon: z.number().min(-180).max(180),
    }),
  ),
});

const blocsPack = z.object({
  pack: z.literal('farshore.facts.blocs/v1'),
  blocs: z.array(z.object({ id: z.string(), name: z.string(), countries: z.array(z.string().length(2)) })),
});

const rttPack = z.object({
  pack: z.literal('farshore.facts.rtt/v1'),
  provider: z.string(),
  asOf: z.string(),
  source: z.string(),
  rttMs: z.array(z.tuple([z.string(), z.string(), z.number().positive()])),
});

/** Round trips are kept once per pair, whatever the direction. */
export const pairKey = (a: PlaceId, b: PlaceId): string => (a < b ? `${a}|${b}` : `${b}|${a}`);

/**
 * Index the texts of the data packs. The packs are part of this program: a text that does not
 * fit its schema is a broken installation, and throws.
 */
export function parseFacts(texts: Readonly<Record<PackName, string>>): Facts {
  const regions = regionsPack.parse(JSON.parse(texts.regions)).regions;
  const blocs = blocsPack.parse(JSON.parse(texts.blocs)).blocs;
  const rtts = new Map<string, { rttMs: number; source: string }>();
  for (const name of ['rtt-aws', 'rtt-azure', 'rtt-gcp'] as const) {
    const pack = rttPack.parse(JSON.parse(texts[name]));
    for (const [a, b, rttMs] of pack.rttMs) {
      const key = pairKey(placeId(`${pack.provider}:${a}`), placeId(`${pack.provider}:${b}`));
      rtts.set(key, { rttMs, source: `facts/${name}.json (${pack.asOf})` });
    }
  }
  return {
    regions: new Map(regions.map((region) => [placeId(region.id), { ...region, id: placeId(region.id) }])),
    blocs: new Map(blocs.map((bloc) => [bloc.id, { ...bloc, countries: new Set(bloc.countries) }])),
    rtts,
  };
}
