import { z } from 'zod';
import { placeId, type PlaceId } from '../base/ids.ts';
import { pairKey, type Facts, type MeasuredRtt } from './facts.ts';
import { hazardZone } from './packs.ts';
import { symmetric, type RttRow } from './verify/table.ts';

/** A table of the user's own, as imported: its rows win over the packs'. */
export interface OwnRtts {
  readonly rows: readonly RttRow[];
  /** Shown with each value: the file and what it says about itself. */
  readonly source: string;
  readonly asOf: string;
}

/** Is it a day of the calendar, or a month or a year: `2026-11-20`, `2026-11`, `2026`? */
export function isDate(text: string): boolean {
  const [, year, month = '01', day = '01'] = /^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$/.exec(text) ?? [];
  if (year === undefined) return false;
  const ms = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  // The 31st of a shorter month is taken for a day of the next one.
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(`${year}-${month}-${day}`);
}

/** The facts with the user's own round trips, which win. Where several tables have a pair, the one that is newest does. */
export function withOwnRtts(facts: Facts, tables: readonly OwnRtts[]): Facts {
  if (tables.length === 0) return facts;
  const rtts = new Map(facts.rtts);
  for (const { rows, source, asOf } of tables.toSorted((a, b) => (a.asOf < b.asOf ? -1 : a.asOf > b.asOf ? 1 : 0)))
    for (const { from, to, ms } of symmetric(rows)) {
      const own: MeasuredRtt = { rttMs: Math.round(ms * 10) / 10, source, asOf, origin: 'own' };
      rtts.set(pairKey(from, to), own);
    }
  return { ...facts, rtts };
}

/** What a user knows about a region and no free table has. What is left out is unknown, not absent. */
const ownRegion = z.strictObject({
  generalUsdPerHour: z.number().positive().optional(),
  memoryUsdPerHour: z.number().positive().optional(),
  storageUsdPerGiBMonth: z.number().positive().optional(),
  egressUsdPerGB: z.number().min(0).optional(),
  /** Every service that the region has, by the names that the deployment file uses. */
  services: z.array(z.string()).optional(),
  /** Regimes that the provider attests for the region: `HIPAA`, `PCI`. */
  compliance: z.array(z.string()).optional(),
  /** Internet exchanges, and private connections that can be ordered there. */
  exchanges: z.array(z.string()).optional(),
  privateConnect: z.array(z.string()).optional(),
  /** The provider's support plan that covers the region. */
  support: z.string().optional(),
});
export type OwnRegion = z.infer<typeof ownRegion>;

/** The user's `regions.json`: `{ "aws:mx-central-1": { "generalUsdPerHour": 0.45 } }`. */
export const ownRegions = z.record(z.string(), ownRegion);

/** The facts with what the user knows about regions. `unknown`: ids that name no region. */
export function withOwnRegions(
  facts: Facts,
  own: Readonly<Record<string, OwnRegion>>,
): { readonly facts: Facts; readonly unknown: readonly string[] } {
  const entries = Object.entries(own).map(([id, region]) => [placeId(id), region] as const);
  return {
    facts: { ...facts, own: new Map(entries) },
    unknown: entries.map(([id]) => id).filter((id) => !facts.regions.has(id)),
  };
}

/** What the user says that a region has; null: nobody said. */
export const servicesOf = (facts: Facts, region: PlaceId): ReadonlySet<string> | null =>
  setOf(facts.own.get(region)?.services);

/** Which of the services asked for a region is known not to have; empty where nobody said what it has. */
export function missingServices(facts: Facts, region: PlaceId, asked: readonly string[]): readonly string[] {
  const has = servicesOf(facts, region);
  return has === null ? [] : asked.filter((service) => !has.has(service));
}

/** The regimes that the user says a region is attested for (`HIPAA`, `PCI`); null: nobody said. */
export const complianceOf = (facts: Facts, region: PlaceId): ReadonlySet<string> | null =>
  setOf(facts.own.get(region)?.compliance);

const setOf = (list: readonly string[] | undefined): ReadonlySet<string> | null =>
  list === undefined ? null : new Set(list);

/** The user's `hazards.json`: `{ "zones": [...], "without": ["korea"] }`. A zone replaces the pack's of the same id. */
export const ownHazards = z.strictObject({
  zones: z.array(hazardZone).default([]),
  without: z.array(z.string()).default([]),
});

/** The facts with the user's own hazard zones. `unknown`: ids that name no zone or no region. */
export function withOwnHazards(
  facts: Facts,
  own: z.infer<typeof ownHazards>,
): { readonly facts: Facts; readonly unknown: readonly string[] } {
  const replaced = new Set([...own.without, ...own.zones.map(({ id }) => id)]);
  const hazards = [...facts.hazards.filter(({ id }) => !replaced.has(id)), ...own.zones];
  const members = own.zones.flatMap((zone) => zone.members.filter((member) => !member.endsWith('*')));
  const unknown = [
    ...own.without.filter((id) => !facts.hazards.some((zone) => zone.id === id)),
    ...members.filter((member) => !facts.regions.has(member as PlaceId)),
  ];
  return { facts: { ...facts, hazards }, unknown };
}
