import type { PlaceId } from '../base/ids.ts';
import type { PlanRequest } from '../spec/planning.ts';
import { baseOf, type Base } from './build/base.ts';
import { build } from './build/build.ts';
import type { ChooseOptions } from './choose/choose.ts';
import { CONSTRAINTS, type Constraint, type Rejection } from './constraints.ts';
import { limitText } from './limit.ts';
import { solve } from './solve.ts';
import { modeOf } from './strategy.ts';
import { changesOf, percent, type Change, type Look, type Way } from './ways-out.ts';

/** Nothing satisfies the file: what is in conflict, and the cheapest ways out. */
export interface Infeasible {
  readonly schema: 'farshore.plan-infeasible/v1';
  readonly name: string;
  /**
   * What cannot be kept together, each with its sentence: a smallest set of constraints that is in conflict; and where leaving out one of them is not enough,
   * the constraints that are in conflict then.
   */
  readonly conflict: readonly { readonly constraint: Constraint | 'regions'; readonly says: string }[];
  /** Each was planned with that change and nothing else, and there is this plan. Cheapest first. */
  readonly relaxations: readonly Relaxation[];
  /** False: a search was too long to look at every set, so that there may be a plan, or fewer things in conflict. */
  readonly proven: boolean;
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

/** Looks are bounded: a way out that needs a longer search is not found. */
const MOST_SETS = 2_000_000;

/** `isProven`: was every set looked at before it was said that there is no plan? */
export function explainInfeasible(
  request: PlanRequest,
  base: Base,
  isProven: boolean,
  patience: Pick<ChooseOptions, 'isEnough'> | Record<string, never> = {},
): Infeasible {
  const active = CONSTRAINTS.filter((constraint) => isActive(request, constraint));
  let proven = isProven;
  const look: Look = (changed, out = []) => {
    const { built, chosen } = solve(changed, baseOf(changed, base.facts), new Set(out), {
      top: 1,
      mostSets: MOST_SETS,
      ...patience,
    });
    const [choice] = chosen?.top ?? [];
    if (choice === undefined && chosen?.proof.kind === 'gap') proven = false;
    return chosen === null || choice === undefined
      ? null
      : { ids: choice.regions.map((r) => built.ids[r] as PlaceId), choice };
  };
  const strict = build(request, base, new Set());
  const rejected = Array.isArray(strict) ? strict : strict.rejected;
  const first = conflictOf(active, (out) => look(request, out));
  const alone = first.filter((constraint) => look(request, [constraint]) !== null);
  const single = alone.flatMap((constraint) => {
    return kept(changesOf(request, base, constraint, look), look);
  });
  // What stands in the way when one of the first is gone: another conflict, perhaps with some of the same constraints.
  const seconds = first
    .filter((constraint) => !alone.includes(constraint))
    .map((constraint) => ({
      constraint,
      second: conflictOf(
        active.filter((other) => other !== constraint),
        (out) => look(request, [constraint, ...out]),
      ),
    }));
  const conflict = [...new Set([...first, ...seconds.flatMap(({ second }) => second)])];
  const relaxations =
    single.length > 0
      ? single
      : seconds.flatMap(({ constraint, second }) =>
          second.flatMap((other) => twoAtOnce(request, base, [constraint, other], look)),
        );
  const seen = new Set<string>();
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
    relaxations: relaxations
      .toSorted((a, b) => a.usd - b.usd)
      .filter(({ change }) => !seen.has(change) && seen.add(change)),
    proven,
    advice: conflict.includes('residency')
      ? ['or accept recovery inside one region: several nodes in its zones outlive a zone, not the region (`nodes: 2`)']
      : [],
    rejected,
  };
}

/** Only what was tried is printed: each change is planned with nothing left out. */
function kept(changes: readonly Change[], look: Look): readonly Relaxation[] {
  return changes.flatMap(({ constraint, changed, says: change }): readonly Relaxation[] => {
    const way = look(changed);
    return way === null ? [] : [relaxation(constraint, change(way), way)];
  });
}

const relaxation = (constraint: Constraint, change: string, { ids, choice }: Way): Relaxation => ({
  constraint,
  change,
  regions: ids,
  usd: choice.costUsd,
  coverage: choice.coverage,
});

/** A change of `a` that is enough once `b` is gone, and then one of `b` that is enough beside it. */
function twoAtOnce(
  request: PlanRequest,
  base: Base,
  [a, b]: readonly [Constraint, Constraint],
  look: Look,
): readonly Relaxation[] {
  if (a === b || look(request, [a, b]) === null) return [];
  for (const one of changesOf(request, base, a, (changed, out = []) => look(changed, [b, ...out])))
    for (const other of changesOf(one.changed, base, b, look)) {
      const way = look(other.changed);
      if (way !== null) return [relaxation(a, `${one.says(way)}, and ${other.says(way)}`, way)];
    }
  return [];
}

/** A smallest set of constraints that cannot be met together: each is dropped that is not needed for that. */
function conflictOf(
  active: readonly Constraint[],
  without: (out: readonly Constraint[]) => Way | null,
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
      return modeOf(request, 2) !== 'async';
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
      return `${request.rpoMs === 0 ? 'RPO 0 with ' : ''}a commit that waits at most ${request.syncWithinMs} ms for another region`;
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
