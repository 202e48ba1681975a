import type { PlaceId } from '../base/ids.ts';
import { assert } from '../base/result.ts';
import { carbonOf, carbonRangeOf, carbonText, governanceOf } from '../facts/countries.ts';
import { providerOf, regionFact, type Facts } from '../facts/facts.ts';
import { CONNECTION_TRIPS } from '../facts/latency/first-byte.ts';
import { servicesOf } from '../facts/own.ts';
import type { PlanRequest } from '../spec/planning.ts';
import { baseOf, type Base } from './build/base.ts';
import type { Built } from './build/build.ts';
import { checkPlan } from './check/check.ts';
import type { Progress } from './choose/choose.ts';
import { costOf } from './describe/cost.ts';
import { AVAILABILITY, availabilityOf, residencyOf, sharedFateOf } from './describe/fate.ts';
import { layoutOf, loadsOf, lossesOf, machinesOf, readsOf, writesOf, type Layout } from './describe/serve.ts';
import { explainInfeasible, type Infeasible } from './infeasible.ts';
import { othersOf } from './others.ts';
import { countriesOfUsers } from './people.ts';
import type { Alternative, Plan, PlannedRegion } from './plan.ts';
import type { Choice, Chosen } from './problem.ts';
import { robustnessOf } from './robust.ts';
import { solve } from './solve.ts';
import { witnessOf } from './witness.ts';
import { modeOf, rtoShortfall, strategyOf } from './strategy.ts';

export type PlanResult =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'infeasible'; readonly infeasible: Infeasible };

export interface PlanOptions {
  /** How many alternatives. */
  readonly top: number;
  readonly seed: number;
  /** Asked now and then once there is a plan: true ends the search with what it has found, and the gap to what it might. Default: never. */
  readonly isEnough?: (progress: Progress) => boolean;
}

/** The best regions for a request, checked by `check/`; or why there are none. With `regions` in the file: what they are like, and what would be better. */
export function planRegions(request: PlanRequest, facts: Facts, options: PlanOptions): PlanResult {
  const base = baseOf(request, facts);
  const { isEnough } = options;
  const patience = isEnough === undefined ? {} : { isEnough };
  const search = { top: options.top + 1, ...patience };
  const free = request.regions === null ? request : freed(request, request.regions);
  const { built, chosen } = solve(free, base, new Set(), search);
  if (request.regions !== null)
    return { kind: 'plan', plan: judge(request, base, chosen === null ? null : built, chosen) };
  const [best] = chosen?.top ?? [];
  if (chosen === null || best === undefined)
    return { kind: 'infeasible', infeasible: explainInfeasible(request, base, chosen?.proof.kind !== 'gap', patience) };
  const plan: Plan = {
    ...describe(request, base, built, best),
    ...listsOf(built, chosen, best),
    verdict: 'chosen',
    others: othersOf(request, base, built, best),
    robustness: robustnessOf(base, built, chosen.top, options.seed),
  };
  const wrong = checkPlan(plan, facts);
  assert(wrong.length === 0, `the checker refuses the chooser's plan: ${wrong.join('; ')}`);
  return { kind: 'plan', plan };
}

/** What the file could have chosen: as many regions, of the providers that it uses. */
export const freed = (request: PlanRequest, regions: readonly PlaceId[]): PlanRequest => ({
  ...request,
  regions: null,
  mode: request.mode === 'async' ? 'async' : null,
  providers: [...new Set(regions.map(providerOf))],
  sizes: { min: regions.length, max: Math.max(regions.length, Math.min(regions.length, 4)) },
});

function judge(request: PlanRequest, base: Base, free: Built | null, chosen: Chosen | null): Plan {
  const { built, chosen: own } = solve(request, base, new Set(['latency', 'worstLoss', 'budget']), {
    top: 1,
    mostSets: 1e5,
  });
  assert(own !== null, 'regions of a file are candidates');
  const [only] = own.top;
  assert(only !== undefined, 'regions of a file are a choice');
  const lists =
    free === null || chosen === null ? { alternatives: [], pareto: [], proof: null } : listsOf(free, chosen, null);
  const plan: Plan = {
    ...describe(request, base, built, only),
    ...lists,
    verdict: 'judged',
    others: (free?.rejected ?? []).map(({ region, constraint, why, admit }) => ({ region, constraint, why, admit })),
    robustness: null,
  };
  return { ...plan, violations: [...plan.violations, ...checkPlan(plan, base.facts)] };
}

function listsOf(built: Built, chosen: Chosen, best: Choice | null): Pick<Plan, 'alternatives' | 'pareto' | 'proof'> {
  const named = ({ regions, primary, costUsd, coverage, worst }: Choice): Alternative => ({
    regions: [primary, ...regions.filter((r) => r !== primary)].map((r) => built.ids[r] as PlaceId),
    usd: costUsd,
    coverage,
    worst,
  });
  return {
    alternatives: chosen.top.filter((choice) => choice !== best).map(named),
    pareto: chosen.pareto.map(named),
    proof: chosen.proof,
  };
}

type Described = Omit<Plan, 'alternatives' | 'pareto' | 'proof' | 'verdict' | 'others' | 'robustness'>;

function describe(request: PlanRequest, base: Base, { ids, voters, problem }: Built, choice: Choice): Described {
  const { facts } = base;
  const order = [
    choice.primary,
    choice.standby,
    ...choice.regions.filter((r) => r !== choice.primary && r !== choice.standby),
  ];
  const strategy = strategyOf(request);
  const shortfall = rtoShortfall(strategy, request.rtoMs);
  const mode = modeOf(request, order.length);
  const witness = witnessOf(request, base, voters, problem, choice.regions);
  const layout = layoutOf(request, base, { regions: order.map((r) => ids[r] as PlaceId), mode, strategy });
  return {
    schema: 'farshore.plan/v1',
    name: request.name,
    request,
    strategy,
    mode,
    regions: regionsOf(request, base, layout),
    reads: readsOf(request, base, layout),
    writes: writesOf(base, layout),
    losses: lossesOf(request, base, layout),
    cost: costOf(request, base, layout, witness),
    availability: availabilityOf(facts, layout),
    witness,
    residency: residencyOf(request, facts, layout.regions),
    sharedFate: sharedFateOf(facts, layout.regions),
    violations: shortfall === null ? [] : [shortfall],
    assumptions: assumptionsOf(request, facts, layout.regions),
    facts: facts.packs.map(({ name, asOf, sha256 }) => ({ pack: name, asOf, sha256 })),
    ownFacts: facts.ownSources,
  };
}

function regionsOf(request: PlanRequest, base: Base, layout: Layout): readonly PlannedRegion[] {
  const machines = machinesOf(request, base, layout);
  const loads = loadsOf(base, layout.serving);
  const [primary] = layout.regions as [PlaceId];
  return layout.regions.map((id, i) => {
    const fact = regionFact(base.facts, id);
    const rtt = base.rtt(primary, id);
    const confirms = layout.mode === 'sync' || (layout.mode === 'semi-sync' && i >= 1);
    const mayLead =
      i < 2 ||
      layout.mode === 'async' ||
      layout.regions.some((other) => other !== id && base.rtt(id, other).ms <= request.syncWithinMs);
    const [role, why] = roleOf(
      i,
      { isBackup: layout.strategy.name === 'backup and restore', confirms, mayLead },
      request,
    );
    return {
      id,
      place: fact.place,
      country: fact.country,
      role,
      roleWhy: why,
      serves: layout.serving.includes(id),
      share: loads.get(id) ?? 0,
      machines: machines.get(id) ?? 0,
      toPrimaryMs: i === 0 ? 0 : rtt.ms,
      toPrimaryMethod: rtt.method,
      governance: governanceOf(base.facts, id),
      carbonGrams: carbonOf(base.facts, id)?.gramsPerKwh ?? null,
      carbonRange: carbonRangeOf(base.facts, id),
      zones: fact.zones,
      optIn: fact.optIn,
    };
  });
}

interface Standing {
  readonly isBackup: boolean;
  readonly confirms: boolean;
  /** Is another region near enough to confirm its writes? */
  readonly mayLead: boolean;
}

function roleOf(
  place: number,
  { isBackup, confirms, mayLead }: Standing,
  request: PlanRequest,
): readonly [PlannedRegion['role'], string] {
  if (place === 0)
    return [
      'primary',
      request.model === 'active-passive'
        ? 'serves the users as the file asks for the least money; of equal ones a user’s write takes least here'
        : request.latency.some(({ metric }) => metric === 'ttfb') && request.firstByte.primaryTrips > 0
          ? 'requests that ask the primary are in time with it here, for the least money'
          : 'a user’s write takes least here, with the wait for the region that confirms it',
    ];
  if (isBackup) return ['backup', 'keeps backups only: RTO and RPO leave time to restore the last one'];
  if (!mayLead)
    return [
      'read',
      `reads only: no region of the plan is within ${request.syncWithinMs} ms of it, so as a primary it would break RPO 0`,
    ];
  if (place === 1)
    return confirms
      ? ['sync', 'confirms every commit, and takes over first']
      : ['async', 'takes over first; what it is behind by is the RPO'];
  return confirms
    ? ['sync', 'may confirm a commit when it is faster, and may take over']
    : ['async', 'follows, and may take over'];
}

function assumptionsOf(request: PlanRequest, facts: Facts, regions: readonly PlaceId[]): readonly string[] {
  const { load, lastMileMs, services } = request;
  const users = {
    file: 'as the file says',
    'internet users': 'by the internet users of the countries in the file',
    default: 'a default, by internet users: the file names none',
  }[request.usersFrom];
  return [
    `users: ${countriesOfUsers(request).size} countries, ${users}; in each country ${request.users.some(({ at }) => at !== undefined) ? 'where the file says, else ' : ''}spread as its internet users are`,
    ...leftOut(request),
    `${lastMileMs} ms last mile; round trips are of the network`,
    firstByteIn(request),
    `load: ${load.instances} machines, ${load.storageGib} GiB, ${load.egressGb} GB to users and ${load.changesGb} GB of changes a month`,
    'list prices on demand, no discount; a region with no price counts with the middle of its range',
    ...machinesPriced(request),
    `availability: a region is down ${AVAILABILITY.regionDown * 100} % of the year, what all share ${AVAILABILITY.sharedDown * 100} %, ${AVAILABILITY.failuresAYear} failovers a year`,
    ...(request.carbonGrams === null ? [] : carbonIn(request.carbonGrams, facts, regions)),
    ...(services.length === 0 ? [] : [servicesIn(services, facts, regions)]),
  ];
}

const MACHINES: ReadonlyMap<string, string> = new Map([
  ['aws', 'm6i.2xlarge'],
  ['azure', 'D8s_v5'],
  ['gcp', 'e2-standard-8'],
]);

/** The free price list of Google Cloud has E2 alone, which is a cheaper class than what the others are priced by. */
function machinesPriced({ providers }: PlanRequest): readonly string[] {
  if (!providers.includes('gcp') || providers.length === 1) return [];
  const each = providers.flatMap((provider) => MACHINES.get(provider) ?? []).join(', ');
  return [
    `machines are not of one class: ${each}; E2 shares its processors and costs about a third less, so prices across providers favour gcp. Your own prices go into regions.json (docs/guide/facts.md)`,
  ];
}

function leftOut({ usersFrom, usersLeftOut }: PlanRequest): readonly string[] {
  if (usersFrom !== 'default' || usersLeftOut.length === 0) return [];
  const each = usersLeftOut.map(
    ({ country, law }) => `${country} (${law ?? 'the latency model ends at the border of mainland China'})`,
  );
  return [`not among these users: ${each.join(', ')}; if they are yours, name them under \`users\``];
}

function firstByteIn({ firstByte: { connection, serverMs, primaryTrips } }: PlanRequest): string {
  const trips = CONNECTION_TRIPS[connection];
  const made = { tls: 'a new connection by TLS 1.3', tcp: 'a new connection in the clear', kept: 'a kept connection' };
  const asked = primaryTrips === 0 ? '' : `, and ${primaryTrips} between the region and the primary`;
  return `time to first byte: ${trips} round trip${trips === 1 ? '' : 's'} (${made[connection]}), ${serverMs} ms of the server${asked}`;
}

/** A cap holds where it is known to be broken; where nobody knows, that is said. */
function carbonIn(capGrams: number, facts: Facts, regions: readonly PlaceId[]): readonly string[] {
  const open = regions.flatMap((id) => {
    const carbon = carbonRangeOf(facts, id);
    return carbon === null || carbon.highGrams > capGrams ? [`${id} ${carbonText(carbon)}`] : [];
  });
  return open.length === 0
    ? []
    : [`carbon: whether ${capGrams} g CO2e/kWh is kept is not known in ${open.join(', ')}: no free data has it`];
}

/** A region whose services are known has them all: it would not be here otherwise. */
function servicesIn(services: readonly string[], facts: Facts, regions: readonly PlaceId[]): string {
  const unknown = regions.filter((id) => servicesOf(facts, id) === null);
  const asked = `services ${services.join(', ')}`;
  return unknown.length === 0
    ? `${asked}: as your regions.json says`
    : `${asked}: unknown in ${unknown.join(', ')}: no free data says where they exist, and your regions.json does not either`;
}
