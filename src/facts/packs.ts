import { z } from 'zod';

/** The packs' file names under `facts/`, without `.json`. */
export const PACKS = [
  'regions',
  'blocs',
  'rtt-aws',
  'rtt-azure',
  'rtt-gcp',
  'corrections',
  'coordinates-second',
  'prices',
  'transfer',
  'countries',
  'population',
  'metros',
  'carbon',
  'residency-rules',
  'hazards',
  'backbone',
  'latency-fit',
] as const;
export type PackName = (typeof PACKS)[number];

/** How far a row is to be trusted. `derived`: computed from confirmed rows by a script of `facts/build`. */
const confidence = z.enum(['confirmed', 'unconfirmed', 'derived']);
export type Confidence = z.infer<typeof confidence>;

/** What each pack says about itself; a row's own fields win. */
const header = {
  asOf: z.string().regex(/^\d{4}(-\d\d)?(-\d\d)?$/),
  source: z.string().min(10),
  licence: z.string().min(3),
  confidence: confidence.default('confirmed'),
  /** Why a pack older than three years is still used. */
  ageAccepted: z.string().optional(),
};
const pack = <T extends z.ZodRawShape>(name: string, shape: T) =>
  z.object({ pack: z.literal(`farshore.facts.${name}/v1`), ...header, ...shape });

const country = z.string().regex(/^[A-Z]{2}$/);
const latitude = z.number().min(-90).max(90);
const longitude = z.number().min(-180).max(180);
const usd = z.number().positive();
const usdOrRange = z.union([usd, z.tuple([usd, usd])]);
const group = z.object({ id: z.string(), name: z.string(), countries: z.array(country) });
const rtt = pack('rtt', {
  provider: z.string(),
  statistic: z.string().default('not stated'),
  rttMs: z.array(z.tuple([z.string(), z.string(), z.number().positive()])),
});
const correctionBase = { row: z.string(), why: z.string().min(10) };

/** What can take several regions at once. */
export const hazardZone = z.object({
  id: z.string(),
  kind: z.enum(['war', 'quake', 'storm', 'grid', 'control-plane']),
  name: z.string(),
  /** Region ids, or `aws:*` for all of a provider. */
  members: z.array(z.string()).min(1),
  /** The share of such events that take a second member when they take one. */
  correlation: z.number().min(0).max(1),
  /** `hard`: a plan must not put everything into it. `soft`: it is counted and shown. */
  antiAffinity: z.enum(['hard', 'soft']),
  citation: z.string().min(10),
  confidence,
});

/** The shape of each pack's text. */
export const packSchemas = {
  regions: pack('regions', {
    regions: z.array(
      z.object({
        id: z.string(),
        place: z.string(),
        country,
        lat: latitude,
        lon: longitude,
        zones: z.number().int().min(0).optional(),
        pair: z.string().optional(),
        optIn: z.boolean().default(false),
        confidence: confidence.optional(),
      }),
    ),
  }),
  blocs: pack('blocs', { blocs: z.array(group) }),
  'rtt-aws': rtt,
  'rtt-azure': rtt,
  'rtt-gcp': rtt,
  corrections: pack('corrections', {
    corrections: z.array(
      z.discriminatedUnion('field', [
        z.object({
          pack: z.enum(['regions', 'coordinates-second']),
          field: z.literal('coordinates'),
          from: z.tuple([latitude, longitude]),
          to: z.tuple([latitude, longitude]),
          ...correctionBase,
        }),
        z.object({
          pack: z.enum(['rtt-aws', 'rtt-azure', 'rtt-gcp']),
          field: z.literal('rttMs'),
          from: z.number().positive(),
          /** null: withdrawn, the pair counts as unmeasured. */
          to: z.null(),
          ...correctionBase,
        }),
      ]),
    ),
  }),
  'coordinates-second': pack('coordinates', {
    coordinates: z.array(z.tuple([z.string(), latitude, longitude, z.string()])),
  }),
  prices: pack('prices', {
    skus: z.array(
      z.object({
        sku: z.string(),
        class: z.enum(['general', 'memory', 'index', 'core']),
        vcpu: z.number().positive(),
        memoryGiB: z.number().min(0),
      }),
    ),
    /** Sku, region, US dollars an hour, date. */
    usdPerHour: z.array(z.tuple([z.string(), z.string(), usd, z.string()])),
  }),
  transfer: pack('transfer', {
    aws: z.array(
      z.object({
        region: z.string(),
        internet: usd,
        others: usd,
        except: z.array(z.tuple([z.string(), z.number().min(0)])),
      }),
    ),
    /** Provider, continent; US dollars per GB to the internet, within the continent, to another continent. */
    rules: z.array(z.tuple([z.string(), z.string(), usdOrRange, usdOrRange, usdOrRange])),
  }),
  countries: pack('countries', {
    countries: z.array(
      z.tuple([
        country,
        z.string(),
        z.string(),
        z.number().int().min(0),
        z.number().int().min(0),
        z.number().int(),
        z.number().min(0).max(1).nullable(),
      ]),
    ),
  }),
  population: pack('population', {
    /** Country, place, latitude, longitude, internet users. */
    clusters: z.array(z.tuple([country, z.string(), latitude, longitude, z.number().int().min(0)])),
  }),
  metros: pack('metros', {
    /** Country, city, latitude, longitude, people. */
    metros: z.array(z.tuple([country, z.string(), latitude, longitude, z.number().int().min(0)])),
  }),
  carbon: pack('carbon', {
    /** Region, grams of CO2 equivalent per kWh, share of carbon-free energy, date. */
    regions: z.array(z.tuple([z.string(), z.number().min(0), z.number().min(0).max(1).nullable(), z.string()])),
  }),
  'residency-rules': pack('residency-rules', {
    groups: z.array(group),
    rules: z.array(
      z.object({
        id: z.string(),
        /** A country, a bloc, a group, or `*`. */
        jurisdiction: z.string(),
        dataClasses: z.array(z.string()).min(1),
        /** `hard`: only in `allowed`. `copy`: a copy must be there. `conditional`: elsewhere with a legal basis. `none`: no rule of place. */
        kind: z.enum(['hard', 'copy', 'conditional', 'none']),
        allowed: z.array(z.string()).optional(),
        effect: z.string(),
        citation: z.string(),
        evidence: z.string().optional(),
        confidence,
      }),
    ),
  }),
  hazards: pack('hazards', {
    zones: z.array(hazardZone),
  }),
  backbone: pack('backbone', {
    /** Name, latitude, longitude. */
    hubs: z.array(z.tuple([z.string(), latitude, longitude])),
    /** Two hubs, and how much longer than the great circle the way counts. */
    edges: z.array(z.union([z.tuple([z.string(), z.string()]), z.tuple([z.string(), z.string(), z.number().min(1)])])),
  }),
  'latency-fit': pack('latency-fit', {
    /** Pair, weight, trust: what `fitResiduals` finds in the other packs. */
    pairs: z.array(z.tuple([z.string(), z.number(), z.number().min(0).max(1)])),
  }),
} as const satisfies Record<PackName, z.ZodType>;

export type PackOf<N extends PackName> = z.infer<(typeof packSchemas)[N]>;
export type PackTexts = Readonly<Record<PackName, string>>;

/** The packs are part of this program: a text that does not fit its schema is a broken installation, and throws. */
export function parsePack<N extends PackName>(name: N, text: string): PackOf<N> {
  return packSchemas[name].parse(JSON.parse(text)) as PackOf<N>;
}
