import type { PlaceId } from '../../base/ids.ts';
import type { Facts } from '../../facts/facts.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { baseOf, type Base } from '../build/base.ts';
import type { Choice } from '../problem.ts';
import { solve } from '../solve.ts';
import { limitText } from '../limit.ts';

/** What each thing that a file asks for costs: the best plan when it is asked one notch less. */
export interface Prices {
  readonly schema: 'farshore.plan-relax/v1';
  readonly name: string;
  readonly now: Outcome;
  /** What saves most first. */
  readonly notches: readonly Notch[];
}

export interface Outcome {
  readonly regions: readonly PlaceId[];
  /** US dollars a month. */
  readonly usd: number;
  /** Share of users within the first objective. */
  readonly coverage: number;
  /** What a user's write takes on average, the commit's wait for another region included. */
  readonly writeMs: number;
  /** Every set was looked at; false: the search was bounded, a better one may exist. */
  readonly proven: boolean;
}

export interface Notch {
  readonly asks: string;
  readonly relaxed: string;
  readonly outcome: Outcome;
  /** US dollars a month; 0: this demand costs nothing at this notch. */
  readonly savedUsd: number;
}

interface Step {
  readonly asks: string;
  readonly relaxed: string;
  readonly request: PlanRequest;
}

/** Looks are bounded: beyond so many sets the outcome is the best found. */
const MOST_SETS = 5_000_000;

/** Prices of the demands of a file for which there is a plan. Null: there is none (`explainInfeasible` says why). */
export function pricesOf(request: PlanRequest, facts: Facts): Prices | null {
  const base = baseOf(request, facts);
  const now = outcomeOf(request, base);
  if (now === null) return null;
  const notches = stepsOf(request, facts).flatMap(({ asks, relaxed, request: looser }): Notch[] => {
    const outcome = outcomeOf(looser, base);
    return outcome === null ? [] : [{ asks, relaxed, outcome, savedUsd: now.usd - outcome.usd }];
  });
  return {
    schema: 'farshore.plan-relax/v1',
    name: request.name,
    now,
    notches: notches.toSorted((a, b) => b.savedUsd - a.savedUsd || b.outcome.coverage - a.outcome.coverage),
  };
}

function outcomeOf(request: PlanRequest, base: Base): Outcome | null {
  const { built, chosen: found } = solve(request, base, new Set(), { top: 1, mostSets: MOST_SETS });
  const [best] = found?.top ?? [];
  if (found === null || best === undefined) return null;
  return {
    regions: named(best, built.ids),
    usd: best.costUsd,
    coverage: best.coverage,
    writeMs: Math.round(10 * best.writeMs) / 10,
    proven: found.proof.kind === 'optimal',
  };
}

const named = ({ primary, regions }: Choice, ids: readonly PlaceId[]): readonly PlaceId[] =>
  [primary, ...regions.filter((r) => r !== primary)].flatMap((r) => ids[r] ?? []);

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
const minutes = (ms: number): string => (ms < 60_000 ? `${ms / 1_000} s` : `${Math.round(ms / 60_000)} min`);

/** One notch of each demand that the file makes: of the users, of safety, of the law, of the choice. */
function stepsOf(request: PlanRequest, facts: Facts): readonly Step[] {
  // Regions that the file names stay: only what they are to do has a price then.
  if (request.regions !== null) return safetySteps(request);
  return [...latencySteps(request), ...safetySteps(request), ...legalSteps(request, facts), ...choiceSteps(request)];
}

function latencySteps(request: PlanRequest): readonly Step[] {
  if (!request.hasLatency) return [];
  return request.latency.flatMap((objective, o): Step[] => {
    const { withinMs, share, country } = objective;
    const asks = `${percent(share)} of ${country ?? 'all'} users ${limitText(objective)}`;
    const changed = (by: Partial<typeof objective>): PlanRequest => ({
      ...request,
      latency: request.latency.map((one, i) => (i === o ? { ...one, ...by } : one)),
    });
    const longer = Math.ceil(withinMs * 1.1 - 1e-9);
    const fewer = Math.max(0, Math.round((share - 0.05) * 1_000) / 1_000);
    return [
      { asks, relaxed: limitText({ ...objective, withinMs: longer }), request: changed({ withinMs: longer }) },
      { asks, relaxed: `for ${percent(fewer)}`, request: changed({ share: fewer }) },
    ];
  });
}

function safetySteps(request: PlanRequest): readonly Step[] {
  const { worstShare, rpoMs, mode, syncWithinMs, minSeparationKm, hazards, sizes, rtoMs, model } = request;
  const isFree = request.regions === null;
  const steps: Step[] = [];
  const add = (asks: string, relaxed: string, by: Partial<PlanRequest>): void =>
    void steps.push({ asks, relaxed, request: { ...request, ...by } });
  if (worstShare !== null && isFree)
    add(`${percent(worstShare)} of users in time after any loss`, percent(Math.max(0, worstShare - 0.05)), {
      worstShare: Math.max(0, worstShare - 0.05),
    });
  if (rpoMs === 0 && mode !== 'async') {
    add('RPO 0', 'RPO 1 min: nobody waits for another region', { rpoMs: 60_000, mode: null });
    if (isFree)
      add(`a commit waits at most ${syncWithinMs} ms`, `${syncWithinMs + 10} ms`, { syncWithinMs: syncWithinMs + 10 });
  }
  const slower = [30 * 60_000, 120 * 60_000, 24 * 3_600_000].find((ms) => ms > rtoMs);
  if (model === 'active-passive' && slower !== undefined)
    add(`RTO ${minutes(rtoMs)}`, `RTO ${minutes(slower)}: a smaller standby`, { rtoMs: slower });
  if (minSeparationKm > 0 && isFree)
    add(`regions ${minSeparationKm} km apart`, `${Math.round(minSeparationKm * 0.75)} km`, {
      minSeparationKm: Math.round(minSeparationKm * 0.75),
    });
  if (hazards === 'avoid' && isFree) add('no two regions of one fate', 'plan.hazards: accept', { hazards: 'accept' });
  if (sizes.min > 2 && isFree)
    add(`at least ${sizes.min} regions`, `${sizes.min - 1}`, { sizes: { ...sizes, min: sizes.min - 1 } });
  return steps;
}

function legalSteps(request: PlanRequest, facts: Facts): readonly Step[] {
  const steps: Step[] = [];
  for (const rule of request.residency) {
    const wider = [...facts.blocs.values()].find(
      (bloc) => bloc.id !== rule.jurisdiction && holds(facts, bloc.countries, rule.jurisdiction),
    );
    const others = request.residency.filter((one) => one !== rule);
    const residency = wider === undefined ? others : [...others, { ...rule, jurisdiction: wider.id }];
    steps.push({
      asks: `"${rule.name}": all data in ${rule.jurisdiction}`,
      relaxed: wider === undefined ? 'anywhere that the law allows' : `in ${wider.id}`,
      request: { ...request, residency },
    });
  }
  return steps;
}

const holds = (facts: Facts, countries: ReadonlySet<string>, jurisdiction: string): boolean =>
  [...(facts.blocs.get(jurisdiction)?.countries ?? [jurisdiction])].every((country) => countries.has(country));

function choiceSteps(request: PlanRequest): readonly Step[] {
  const { providers, ban, pin, carbonGrams, budgetUsd, sizes } = request;
  const steps: Step[] = [];
  const add = (asks: string, relaxed: string, by: Partial<PlanRequest>): void =>
    void steps.push({ asks, relaxed, request: { ...request, ...by } });
  for (const provider of ['aws', 'azure', 'gcp'])
    if (!providers.includes(provider))
      add(`only ${providers.join(', ')}`, `${provider} too`, { providers: [...providers, provider] });
  for (const pattern of ban) add(`no ${pattern}`, 'allowed', { ban: ban.filter((one) => one !== pattern) });
  for (const region of pin) add(`${region} must be in`, 'may be', { pin: pin.filter((one) => one !== region) });
  if (carbonGrams !== null)
    add(`at most ${carbonGrams} g CO2e/kWh`, `${Math.ceil(carbonGrams * 1.1)} g`, {
      carbonGrams: Math.ceil(carbonGrams * 1.1),
    });
  if (budgetUsd !== null)
    add(`at most $${budgetUsd} a month`, `$${Math.ceil(budgetUsd * 1.1)}`, { budgetUsd: Math.ceil(budgetUsd * 1.1) });
  // With `sync` a commit waits for the farthest of three, and sets are weighed by the nearest.
  if (request.mode !== 'sync')
    add(`at most ${sizes.max} regions`, `${sizes.max + 1}`, { sizes: { ...sizes, max: sizes.max + 1 } });
  return steps;
}
