import { placeId, type PlaceId } from '../base/ids.ts';
import { err, ok, type Result } from '../base/result.ts';
import { CONTINENTS, countriesOf } from '../facts/continents.ts';
import type { Facts, MetroFact } from '../facts/facts.ts';
import { pointOfText, type Point } from '../facts/geo.ts';
import type { FirstByte } from '../facts/latency/first-byte.ts';
import { metroNamed } from '../facts/metros.ts';
import { residencyRulesOf } from '../facts/residency.ts';
import { byPosition, type Diagnostic, type Mark } from './diagnostic.ts';
import { draftOf, TIERS } from './draft.ts';
import { parseDuration } from './duration.ts';
import { toDiagnostic } from './finding.ts';
import { DEFAULT_SERVER_MS, planning } from './rules/planning.ts';
import { places } from './rules/places.ts';
import { contradictions } from './rules/request.ts';
import { residency } from './rules/residency.ts';
import { checkShape, valueAt } from './shape.ts';
import { openSource, type Path } from './source.ts';
import { deploymentFile } from './file-schema.ts';

/** What a file asks the planner for, every default filled in. */
export interface PlanRequest {
  readonly name: string;
  readonly model: 'active-passive' | 'active-active' | 'global';
  readonly tier: 'critical' | 'high' | 'medium' | 'low';
  readonly rtoMs: number;
  readonly rpoMs: number;
  /** Shares add up to 1. */
  readonly users: readonly UserShare[];
  /** Who decided where the users are: for the reader of the plan. */
  readonly usersFrom: 'file' | 'internet users' | 'default';
  /** Countries that would be among the users by default and are not: a law keeps their data at home (its id), or null: the latency model ends at their border. */
  readonly usersLeftOut: readonly { readonly country: string; readonly law: string | null }[];
  readonly latency: readonly LatencyObjective[];
  /** Are the objectives the file's, or only what is measured by default? */
  readonly hasLatency: boolean;
  readonly residency: readonly { readonly name: string; readonly jurisdiction: string }[];
  readonly data: readonly string[];
  readonly services: readonly string[];
  readonly providers: readonly string[];
  readonly pin: readonly PlaceId[];
  readonly ban: readonly string[];
  /** The regions that the file runs in; they are judged instead of chosen. Null: choose. */
  readonly regions: readonly PlaceId[] | null;
  /** Is a place for a third vote to be found, and paid for? Not when the file has its own sites. */
  readonly thirdVote: boolean;
  /** As the file says; null: whatever meets the RPO. */
  readonly mode: 'sync' | 'semi-sync' | 'async' | null;
  readonly sizes: { readonly min: number; readonly max: number };
  readonly budgetUsd: number | null;
  readonly minSeparationKm: number;
  readonly syncWithinMs: number;
  /** Share of users; null: no demand. */
  readonly worstShare: number | null;
  readonly hazards: 'avoid' | 'accept';
  readonly carbonGrams: number | null;
  readonly lastMileMs: number;
  readonly firstByte: FirstByte;
  readonly load: {
    readonly instances: number;
    readonly storageGib: number;
    readonly egressGb: number;
    readonly changesGb: number;
  };
  readonly supportShare: number;
}

/** Users of a country: at one place, or spread as its internet users are. */
export interface UserShare {
  readonly country: string;
  readonly share: number;
  readonly at?: Point;
  /** The big city that `at` is; without it a place by latitude and longitude. */
  readonly metro?: string;
}

export interface LatencyObjective {
  readonly withinMs: number;
  readonly share: number;
  readonly country: string | null;
  /** `rtt`: one round trip. `ttfb`: from nothing to the first byte of an answer, with what `firstByte` says. */
  readonly metric: 'rtt' | 'ttfb';
}

export interface ParsedRequest {
  readonly request: PlanRequest;
  /** Where the file says something, for messages about what cannot be met; null: it does not. */
  mark(path: Path): Mark | null;
}

/** Mission F4: what medium and low promise when the file names nothing else. */
const LOOSE_TIERS = {
  medium: { rtoMs: 7_200_000, rpoMs: 1_800_000 },
  low: { rtoMs: 57_600_000, rpoMs: 57_600_000 },
} as const;

export const DEFAULT_LATENCY: LatencyObjective = { withinMs: 100, share: 0, country: null, metric: 'rtt' };

/** Read the planning side of a deployment file; `regions` and `database` may be missing. */
export function parsePlanRequest(
  text: string,
  fileName: string,
  facts: Facts,
): Result<ParsedRequest, readonly Diagnostic[]> {
  const opened = openSource(text);
  if (!opened.ok) {
    const { message, mark } = opened.error;
    return err([{ severity: 'error', code: 'E1001', file: fileName, message, marks: [mark], help: [] }]);
  }
  const source = opened.value;
  const draft = draftOf(source.value);
  const findings = [
    ...checkShape(source.value),
    ...(draft.regions === null ? [] : places(draft, facts)),
    ...residency(draft, facts),
    ...planning(source.value, facts),
  ];
  const diagnostics = findings.map((finding) => toDiagnostic(finding, source, fileName)).toSorted(byPosition);
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) return err(errors);
  const request = requestOf(source.value, facts);
  const against = contradictions(request, source.value).map((finding) => toDiagnostic(finding, source, fileName));
  if (against.length > 0) return err(against.toSorted(byPosition));
  return ok({
    request,
    mark: (path) =>
      valueAt(source.value, path) === undefined ? null : source.mark({ path, part: 'value', label: null }),
  });
}

/** Only for a value that has its shape. */
function requestOf(value: unknown, facts: Facts): PlanRequest {
  const file = deploymentFile.parse(value);
  const plan = file.plan ?? {};
  const tier = file.tier ?? 'critical';
  const promise = tier === 'medium' || tier === 'low' ? LOOSE_TIERS[tier] : TIERS[tier];
  const ms = (written: string | undefined, fallback: number): number =>
    written === undefined ? fallback : (parseDuration(written) ?? fallback);
  const latency = (file.objectives?.latency ?? []).map((one) => ({
    withinMs: ms(one.within, 100),
    share: one.for / 100,
    country: one.country ?? null,
    metric: one.metric ?? 'rtt',
  }));
  const regions = valueAt(value, ['regions']) === undefined ? null : (file.regions ?? []).map(({ id }) => placeId(id));
  // A region that is pinned twice is one region.
  const pin = [...new Set(plan.pin ?? [])].map(placeId);
  const least = regions?.length ?? Math.max(plan.regions?.min ?? (file.model === 'global' ? 3 : 2), pin.length);
  const most = plan.regions?.max ?? (file.model === 'active-passive' || latency.length === 0 ? least : 4);
  const residencyRules = (file.residency ?? []).map(({ name, jurisdiction }) => ({ name, jurisdiction }));
  return {
    name: file.name,
    model: file.model,
    tier,
    rtoMs: ms(file.objectives?.rto, promise.rtoMs),
    rpoMs: ms(file.objectives?.rpo, promise.rpoMs),
    ...usersOf(file.users, residencyRules, { regions, data: plan.data ?? ['personal'] }, facts),
    latency: latency.length === 0 ? [DEFAULT_LATENCY] : latency,
    hasLatency: latency.length > 0,
    residency: residencyRules,
    data: plan.data ?? ['personal'],
    services: plan.services ?? [],
    providers: plan.providers ?? ['aws', 'azure', 'gcp'],
    pin,
    ban: plan.ban ?? [],
    regions,
    thirdVote: valueAt(value, ['sites']) === undefined,
    mode: file.database?.replication.mode ?? null,
    sizes: { min: least, max: Math.max(least, regions === null ? most : least) },
    budgetUsd: plan.budget ?? null,
    minSeparationKm: plan.minSeparation ?? 100,
    syncWithinMs: ms(plan.syncWithin, 40),
    worstShare: plan.worstLoss === undefined ? null : plan.worstLoss / 100,
    hazards: plan.hazards ?? 'avoid',
    carbonGrams: plan.carbon ?? null,
    lastMileMs: ms(plan.lastMile, 15),
    firstByte: {
      connection: plan.firstByte?.connection ?? 'tls',
      serverMs: ms(plan.firstByte?.server, DEFAULT_SERVER_MS),
      primaryTrips: plan.firstByte?.primaryTrips ?? 0,
    },
    load: {
      instances: plan.load?.instances ?? 4,
      storageGib: plan.load?.storage ?? 200,
      egressGb: plan.load?.egress ?? 2_000,
      changesGb: plan.load?.changes ?? 200,
    },
    supportShare: (plan.support ?? 0) / 100,
  };
}

/**
 * Without shares: the internet users of the countries. Without countries: of the places that the first residency rule names; else of the continents of
 * the file's regions; else of the world. Then countries whose law keeps the data at home, and mainland China, are left out: one deployment cannot serve them.
 */
function usersOf(
  written:
    | readonly {
        readonly country: string;
        readonly share?: number | undefined;
        readonly at?: string | undefined;
        readonly metro?: string | undefined;
      }[]
    | undefined,
  rules: PlanRequest['residency'],
  around: { readonly regions: readonly PlaceId[] | null; readonly data: readonly string[] },
  facts: Facts,
): Pick<PlanRequest, 'users' | 'usersFrom' | 'usersLeftOut'> {
  if (written?.[0]?.share !== undefined) {
    const total = written.reduce((sum, { share }) => sum + (share ?? 0), 0);
    return {
      users: written.map(({ country, share, at, metro }) => {
        const point = at === undefined ? null : pointOfText(at);
        const city = metro === undefined ? null : metroNamed(facts, country, metro);
        return {
          country,
          share: (share ?? 0) / total,
          ...(point === null ? {} : { at: point }),
          ...(city === null ? {} : placeOfMetro(city)),
        };
      }),
      usersFrom: 'file',
      usersLeftOut: [],
    };
  }
  const all = written === undefined ? defaultCountries(rules, around, facts) : written;
  const isUser = all.flatMap((one) => ('law' in one ? [] : [one.country]));
  const counts = new Map<string, number>();
  for (const { country, internetUsers } of facts.clusters)
    if (isUser.includes(country)) counts.set(country, (counts.get(country) ?? 0) + internetUsers);
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  // Of some small countries nobody counts the internet users: beside others they are nobody, among themselves alike.
  const shareOf = (count: number): number => (total > 0 ? count / total : 1 / counts.size);
  return {
    users: [...counts]
      .map(([country, count]) => ({ country, share: shareOf(count) }))
      .filter(({ share }) => share > 0)
      .toSorted((a, b) => b.share - a.share),
    usersFrom: written === undefined ? 'default' : 'internet users',
    usersLeftOut: all.flatMap((one) => ('law' in one ? [one] : [])),
  };
}

export const placeOfMetro = ({ name, lat, lon }: MetroFact): Required<Pick<UserShare, 'at' | 'metro'>> => ({
  at: { lat, lon },
  metro: name,
});

/** A country of the default, or one that is left out and why. */
type Default = { readonly country: string } | PlanRequest['usersLeftOut'][number];

function defaultCountries(
  [rule]: PlanRequest['residency'],
  { regions, data }: { readonly regions: readonly PlaceId[] | null; readonly data: readonly string[] },
  facts: Facts,
): readonly Default[] {
  if (rule !== undefined)
    return [...(facts.blocs.get(rule.jurisdiction)?.countries ?? [rule.jurisdiction])].map((country) => ({ country }));
  const homes = new Set((regions ?? []).map((id) => facts.regions.get(id)?.country ?? ''));
  const continents = CONTINENTS.map((continent) => countriesOf(facts, continent));
  const near = continents.filter((countries) => countries.some((country) => homes.has(country)));
  return (near.length > 0 ? near : continents).flat().map((country): Default => {
    const rules = data.flatMap((each) => residencyRulesOf(facts, country, each));
    const law = rules.find(({ kind }) => kind === 'hard');
    if (law !== undefined) return { country, law: law.id };
    return country === 'CN' ? { country, law: null } : { country };
  });
}
