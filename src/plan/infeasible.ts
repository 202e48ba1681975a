import type { PlaceId } from '../base/ids.ts';
import { carbonRangeOf } from '../facts/countries.ts';
import { providerOf, regionFact } from '../facts/facts.ts';
import { sharedHazards } from '../facts/hazards.ts';
import { missingServices } from '../facts/own.ts';
import { residencyRulesOf } from '../facts/residency.ts';
import type { PlanRequest } from '../spec/planning.ts';
import { matchesRegion } from '../spec/rules/planning.ts';
import type { Base } from './build/base.ts';
import { build } from './build/build.ts';
import { CONSTRAINTS, type Constraint, type Rejection } from './constraints.ts';
import { countriesOfUsers } from './people.ts';
import type { Choice } from './problem.ts';
import { solve } from './solve.ts';
import { limitText } from './limit.ts';

/** Nothing satisfies the file: what is in conflict, and the cheapest ways out. */
export interface Infeasible {
  readonly schema: 'farshore.plan-infeasible/v1';
  readonly name: string;
  /** Without any one of these there is a plan, each with its sentence; or, when no single change is enough, two such sets after one another. */
  readonly conflict: readonly { readonly constraint: Constraint | 'regions'; readonly says: string }[];
  /** Each one alone is enough; cheapest first. */
  readonly relaxations: readonly Relaxation[];
  readonly advice: readonly string[];
  readonly rejected: readonly Rejection[];
}

export interface Relaxation {
  readonly constraint: Constraint;
  readonly change: string;
  readonly regions: readonly PlaceId[];
  readonly usd: number;
  readonly coverage: number;
}

interface Way {
  readonly ids: readonly PlaceId[];
  readonly choice: Choice;
}

/** Looks are bounded: a way out that needs a longer search is not found. */
const MOST_SETS = 2_000_000;

export function explainInfeasible(request: PlanRequest, base: Base): Infeasible {
  const active = CONSTRAINTS.filter((constraint) => isActive(request, constraint));
  const without = (left: readonly Constraint[], changed: PlanRequest = request): Way | null => {
    const { built, chosen } = solve(changed, base, new Set(left), { top: 1, mostSets: MOST_SETS });
    const [choice] = chosen?.top ?? [];
    return chosen === null || choice === undefined
      ? null
      : { ids: choice.regions.map((r) => built.ids[r] as PlaceId), choice };
  };
  const strict = build(request, base, new Set());
  const rejected = Array.isArray(strict) ? strict : strict.rejected;
  const first = conflictOf(active, without);
  const single = active.flatMap((constraint) => {
    const way = without([constraint]);
    return way === null ? [] : relaxationsOf(request, base, constraint, way, without);
  });
  const rest = active.filter((constraint) => !first.includes(constraint));
  const isOne = single.length > 0 || without(first) !== null;
  const second = isOne ? [] : conflictOf(rest, (left) => without([...first, ...left]));
  const conflict = [...first, ...second];
  const relaxations = single.length > 0 ? single : twoAtOnce(request, base, [first, second], without);
  return {
    schema: 'farshore.plan-infeasible/v1',
    name: request.name,
    conflict: [
      ...conflict.map((constraint) => ({ constraint, says: says(request, constraint) })),
      {
        constraint: 'regions' as const,
        says: `${request.sizes.min}${request.sizes.max > request.sizes.min ? ` to ${request.sizes.max}` : ''} regions are needed to survive the loss of one`,
      },
    ],
    relaxations: relaxations.toSorted((a, b) => a.usd - b.usd),
    advice: conflict.includes('residency')
      ? ['or accept recovery inside one region: several nodes in its zones outlive a zone, not the region (`nodes: 2`)']
      : [],
    rejected,
  };
}

/** Two conflicts that have nothing to do with each other: a change for each. */
function twoAtOnce(
  request: PlanRequest,
  base: Base,
  [first, second]: readonly [readonly Constraint[], readonly Constraint[]],
  without: Without,
): readonly Relaxation[] {
  return first.flatMap((a) =>
    second.flatMap((b): readonly Relaxation[] => {
      const way = without([a, b]);
      if (way === null) return [];
      const changeOf = (one: Constraint): string => {
        const [found] = relaxationsOf(request, base, one, way, (left, changed) => without([...left, a, b], changed));
        return found?.change ?? one;
      };
      const { costUsd: usd, coverage } = way.choice;
      return [{ constraint: a, change: `${changeOf(a)}, and ${changeOf(b)}`, regions: way.ids, usd, coverage }];
    }),
  );
}

/** A smallest set of constraints that cannot be met together: each is dropped that is not needed for that. */
function conflictOf(
  active: readonly Constraint[],
  without: (left: readonly Constraint[]) => Way | null,
): readonly Constraint[] {
  let conflict = [...active];
  for (const constraint of [
    'pin',
    'carbon',
    'hazards',
    'minSeparation',
    'ban',
    'services',
    'law',
    'syncWithin',
    'worstLoss',
    'providers',
    'residency',
    'budget',
    'latency',
  ] as const) {
    if (!conflict.includes(constraint)) continue;
    const fewer = conflict.filter((other) => other !== constraint);
    if (without(active.filter((other) => !fewer.includes(other))) === null) conflict = fewer;
  }
  return conflict;
}

function isActive(request: PlanRequest, constraint: Constraint): boolean {
  switch (constraint) {
    case 'latency':
      return request.hasLatency;
    case 'worstLoss':
      return request.worstShare !== null;
    case 'budget':
      return request.budgetUsd !== null;
    case 'syncWithin':
      return request.rpoMs === 0 && request.mode !== 'async';
    case 'minSeparation':
      return request.minSeparationKm > 0;
    case 'hazards':
      return request.hazards === 'avoid';
    case 'residency':
      return request.residency.length > 0;
    case 'law':
      return request.data.length > 0;
    case 'providers':
      return request.providers.length < 3;
    case 'ban':
      return request.ban.length > 0;
    case 'pin':
      return request.pin.length > 0;
    case 'services':
      return request.services.length > 0;
    case 'carbon':
      return request.carbonGrams !== null;
  }
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

function says(request: PlanRequest, constraint: Constraint): string {
  const latency = request.latency.map(
    (one) => `${percent(one.share)} of ${one.country ?? 'all'} users ${limitText(one)}`,
  );
  switch (constraint) {
    case 'latency':
      return latency.join(', ');
    case 'worstLoss':
      return `${percent(request.worstShare ?? 0)} of users in time after the loss of any region`;
    case 'budget':
      return `at most $${request.budgetUsd} a month`;
    case 'syncWithin':
      return `RPO 0 with a commit that waits at most ${request.syncWithinMs} ms for another region`;
    case 'minSeparation':
      return `regions at least ${request.minSeparationKm} km apart`;
    case 'hazards':
      return 'no two regions of one war zone, fault or grid';
    case 'residency':
      return request.residency
        .map(({ name, jurisdiction }) => `"${name}" keeps all data in ${jurisdiction}`)
        .join(', ');
    case 'law':
      return `the law about ${request.data.join(', ')} data of the users' countries`;
    case 'providers':
      return `only ${request.providers.join(', ')}`;
    case 'ban':
      return `banned: ${request.ban.join(', ')}`;
    case 'pin':
      return `pinned: ${request.pin.join(', ')}`;
    case 'services':
      return `regions that have ${request.services.join(', ')}`;
    case 'carbon':
      return `at most ${request.carbonGrams} g CO2e/kWh`;
  }
}

type Without = (left: readonly Constraint[], changed?: PlanRequest) => Way | null;

function relaxationsOf(
  request: PlanRequest,
  base: Base,
  constraint: Constraint,
  way: Way,
  without: Without,
): readonly Relaxation[] {
  const one = (change: string, { ids, choice }: Way = way): Relaxation => ({
    constraint,
    change,
    regions: ids,
    usd: choice.costUsd,
    coverage: choice.coverage,
  });
  const { facts } = base;
  switch (constraint) {
    case 'latency':
      return latencyWays(request, way, without, one);
    case 'worstLoss':
      return [
        one(
          `plan.worstLoss: ${Math.floor(way.choice.worst * 1000) / 10} instead of ${(request.worstShare ?? 0) * 100}`,
        ),
      ];
    case 'budget': {
      const more = Math.ceil(way.choice.costUsd - (request.budgetUsd ?? 0));
      return [one(`$${more} a month more than the budget of $${request.budgetUsd}`)];
    }
    case 'syncWithin':
      return shorterWait(request, base, way, without, one);
    case 'minSeparation': {
      const apart = way.ids.flatMap((a, i) => way.ids.slice(i + 1).map((b) => base.km(a, b)));
      return [one(`plan.minSeparation: ${Math.floor(Math.min(...apart))} instead of ${request.minSeparationKm}`)];
    }
    case 'hazards': {
      const [a, b] = way.ids as [PlaceId, PlaceId];
      const zone = sharedHazards(facts, a, b).find(({ antiAffinity }) => antiAffinity === 'hard');
      return [one(`plan.hazards: accept${zone === undefined ? '' : ` (${zone.name})`}`)];
    }
    case 'residency':
      return widerLaw(request, base, way, without, one);
    case 'law': {
      const hard = [...countriesOfUsers(request).keys()].flatMap((country) =>
        request.data.some((data) => residencyRulesOf(facts, country, data).some(({ kind }) => kind === 'hard'))
          ? [country]
          : [],
      );
      return [one(`leave the users of ${hard.join(', ')} out, or serve them by a deployment of their own`)];
    }
    case 'providers': {
      const added = [...new Set(way.ids.map(providerOf))].filter((provider) => !request.providers.includes(provider));
      return [one(`allow ${added.join(' and ')} too`)];
    }
    case 'ban': {
      const lifted = request.ban.filter((pattern) => way.ids.some((id) => matchesRegion(pattern, id)));
      return [one(`lift the ban of ${lifted.join(', ')}`)];
    }
    case 'pin': {
      const lifted = request.pin.filter((id) => !way.ids.includes(id));
      return [one(`lift the pin of ${lifted.join(' and ')}`)];
    }
    case 'services': {
      const missing = [...new Set(way.ids.flatMap((id) => missingServices(facts, id, request.services)))];
      return [one(`do without ${missing.join(', ')} in some region`)];
    }
    case 'carbon': {
      const most = Math.max(...way.ids.map((id) => carbonRangeOf(facts, id)?.lowGrams ?? 0));
      return [one(`plan.carbon: ${Math.ceil(most)} instead of ${request.carbonGrams}`)];
    }
  }
}

type One = (change: string, way?: Way) => Relaxation;

/** Two ways: the same share in more time, or fewer users in the same time. */
function latencyWays(request: PlanRequest, way: Way, without: Without, one: One): readonly Relaxation[] {
  const longer = (factor: number): PlanRequest => ({
    ...request,
    latency: request.latency.map((each) => ({ ...each, withinMs: Math.ceil(each.withinMs * factor) })),
  });
  let [low, high] = [1, 4];
  let found = without([], longer(high));
  if (found !== null)
    for (let step = 0; step < 8; step++) {
      const middle = (low + high) / 2;
      const there = without([], longer(middle));
      if (there === null) low = middle;
      else [high, found] = [middle, there];
    }
  const names = longer(high).latency.map(({ withinMs }, o) => `${request.latency[o]?.withinMs} → ${withinMs} ms`);
  const [first] = request.latency;
  const fewer = Math.floor(way.choice.coverage * 1000) / 10;
  return [
    ...(found === null ? [] : [one(`raise ${names.join(', ')}`, found)]),
    ...(request.latency.length > 1 || first === undefined || fewer <= 0
      ? []
      : [one(`for ${fewer} % of the users instead of ${first.share * 100} %`)]),
  ];
}

function shorterWait(request: PlanRequest, base: Base, way: Way, without: Without, one: One): readonly Relaxation[] {
  const waits = base.ids
    .flatMap((a, i) => base.ids.slice(i + 1).map((b) => base.rtt(a, b).ms))
    .filter((ms) => ms > request.syncWithinMs)
    .toSorted((a, b) => a - b);
  let [low, high] = [0, waits.length - 1];
  let found = way;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const there = without([], { ...request, syncWithinMs: waits[middle] ?? Infinity });
    if (there === null) low = middle + 1;
    else [high, found] = [middle, there];
  }
  return [
    one(
      `plan.syncWithin: ${Math.ceil(waits[high] ?? 0)}ms instead of ${request.syncWithinMs}ms, or an RPO above 0`,
      found,
    ),
  ];
}

/** A bloc that holds what the rule names, else the countries of the best regions. */
function widerLaw(request: PlanRequest, base: Base, way: Way, without: Without, one: One): readonly Relaxation[] {
  const { facts } = base;
  for (const bloc of facts.blocs.values()) {
    if (!request.residency.every(({ jurisdiction }) => bloc.countries.has(jurisdiction) || bloc.id === jurisdiction))
      continue;
    if (request.residency.every(({ jurisdiction }) => jurisdiction === bloc.id)) continue;
    const wider = { ...request, residency: request.residency.map((rule) => ({ ...rule, jurisdiction: bloc.id })) };
    const there = without([], wider);
    if (there !== null)
      return [
        one(
          `residency in ${bloc.id} instead of ${request.residency.map(({ jurisdiction }) => jurisdiction).join(', ')}`,
          there,
        ),
      ];
  }
  const countries = [...new Set(way.ids.map((id) => regionFact(facts, id).country))];
  return [one(`allow data in ${countries.join(', ')}`)];
}
