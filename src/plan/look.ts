import { instances } from './choose/measures.ts';
import { countMoves, sharedUsd } from './choose/shared.ts';
import { reachOf } from './in-time.ts';
import { compareChoices, isOrderFree, millionths, type Choice, type PlanProblem } from './problem.ts';
import { voterOf } from './votes.ts';

/** One set by itself, with nothing demanded of it. */
export interface Look {
  readonly choice: Choice;
  /** Does it keep the objectives, the worst loss and the budget of the problem? Conflicts and sizes are not asked for. */
  readonly isAllowed: boolean;
}

const at = (list: Float64Array, index: number): number => list[index] as number;

type Order = Pick<Choice, 'primary' | 'standby' | 'writeMs'>;

/**
 * What one set of two or more candidates is like, without a search: for questions about single sets, which come by the hundred. `set` is ascending.
 * Null: none of its pairs is allowed, or no place may vote beside it. `kept`: in this order, where it is that of a plan.
 */
export function lookAt(
  problem: PlanProblem,
  set: readonly number[],
  kept: Pick<Choice, 'primary' | 'standby'> | null = null,
): Look | null {
  const orders = ordersOf(problem, set).filter(
    ({ primary, standby }) => kept === null || (primary === kept.primary && standby === kept.standby),
  );
  const vote = voterOf(problem, set);
  const [first] = orders;
  if (first === undefined || vote.usd === Infinity) return null;
  const tried = (isOrderFree(problem) ? orders : [first]).map((order) => inOrder(problem, set, order, vote.usd));
  return tried.reduce((best, one) => (isBetter(problem, one, best) ? one : best));
}

const isBetter = (problem: PlanProblem, a: Look, b: Look): boolean =>
  a.isAllowed === b.isAllowed ? compareChoices(problem, a.choice, b.choice) < 0 : a.isAllowed;

function inOrder(problem: PlanProblem, set: readonly number[], order: Order, voteUsd: number): Look {
  const { objectives, serving, worstShare, budgetUsd } = problem;
  const { reached, worst } = reachOf(problem, set, order);
  const coverage = reached[0] ?? 0;
  const cost = serving === 'all' ? allServeUsd : oneServesUsd;
  const costUsd = cost(problem, set, order.primary) + voteUsd;
  const isAllowed =
    objectives.every(({ share }, o) => millionths(reached[o] ?? 0) >= millionths(share)) &&
    (worstShare === null || millionths(worst) >= millionths(worstShare)) &&
    (budgetUsd === null || costUsd <= budgetUsd);
  return { choice: { regions: set, ...order, costUsd, coverage, worst }, isAllowed };
}

/** Pairs of a set that are allowed, the one with the least `writeMs` first. */
export function ordersOf({ candidates, writeMs }: PlanProblem, set: readonly number[]): readonly Order[] {
  const n = candidates.length;
  return set
    .flatMap((primary) =>
      set.flatMap((standby): Order[] => {
        const ms = at(writeMs, primary * n + standby);
        return primary !== standby && ms < Infinity ? [{ primary, standby, writeMs: ms }] : [];
      }),
    )
    .toSorted((a, b) => a.writeMs - b.writeMs || a.primary - b.primary || a.standby - b.standby);
}

function oneServesUsd({ candidates, cost }: PlanProblem, set: readonly number[], primary: number): number {
  const standbys = cost.standbyShare === 0 ? 0 : instances(cost.units, cost.standbyShare);
  let usd = at(cost.egressUsd, primary);
  for (const r of set) {
    usd += at(cost.fixedUsd, r) + at(cost.unitUsd, r) * (r === primary ? cost.units : standbys);
    usd += at(cost.transferUsd, primary * candidates.length + r);
  }
  return usd;
}

/** Per problem and candidate: milliseconds from each population, one after another. */
const rows = new WeakMap<PlanProblem, (Float64Array | undefined)[]>();

function rowOf(problem: PlanProblem, r: number): Float64Array {
  const { candidates, weights, latencyMs } = problem;
  const known = rows.get(problem) ?? [];
  rows.set(problem, known);
  return (known[r] ??= weights.map((_, p) => at(latencyMs, p * candidates.length + r)));
}

function allServeUsd(problem: PlanProblem, set: readonly number[], primary: number): number {
  const { candidates, cost, weights } = problem;
  const moved = new Float64Array(set.length * set.length);
  countMoves(
    set.map((r) => rowOf(problem, r)),
    weights,
    moved,
  );
  const changes = set.reduce((usd, r) => usd + at(cost.transferUsd, primary * candidates.length + r), 0);
  return changes + sharedUsd(cost, cost.units, set, moved);
}
