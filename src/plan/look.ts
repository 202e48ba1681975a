import { instances } from './choose/measures.ts';
import { countMoves, sharedUsd } from './choose/shared.ts';
import { reachOf } from './in-time.ts';
import { millionths, type Choice, type PlanProblem } from './problem.ts';
import { voterOf } from './votes.ts';

/** One set by itself, with nothing demanded of it. */
export interface Look {
  readonly choice: Choice;
  /** Does it keep the objectives, the worst loss and the budget of the problem? Conflicts and sizes are not asked for. */
  readonly isAllowed: boolean;
}

const at = (list: Float64Array, index: number): number => list[index] as number;

/**
 * What one set of two or more candidates is like, without a search: for questions about single sets, which come by the hundred. `set` is ascending.
 * Null: none of its pairs is allowed, or no place may vote beside it.
 */
export function lookAt(problem: PlanProblem, set: readonly number[]): Look | null {
  const pair = pairOf(problem, set);
  const vote = voterOf(problem, set);
  if (pair === null || vote.usd === Infinity) return null;
  const { objectives, serving, worstShare, budgetUsd } = problem;
  const { reached, worst } = reachOf(problem, set, pair);
  const coverage = reached[0] ?? 0;
  const cost = serving === 'all' ? allServeUsd : oneServesUsd;
  const costUsd = cost(problem, set, pair.primary) + vote.usd;
  const isAllowed =
    objectives.every(({ share }, o) => millionths(reached[o] ?? 0) >= millionths(share)) &&
    (worstShare === null || millionths(worst) >= millionths(worstShare)) &&
    (budgetUsd === null || costUsd <= budgetUsd);
  return { choice: { regions: set, ...pair, costUsd, coverage, worst }, isAllowed };
}

function pairOf(
  { candidates, writeMs }: PlanProblem,
  set: readonly number[],
): Pick<Choice, 'primary' | 'standby' | 'writeMs'> | null {
  const n = candidates.length;
  let best: Pick<Choice, 'primary' | 'standby' | 'writeMs'> | null = null;
  for (const primary of set)
    for (const standby of set) {
      const ms = at(writeMs, primary * n + standby);
      if (primary !== standby && ms < (best?.writeMs ?? Infinity)) best = { primary, standby, writeMs: ms };
    }
  return best;
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
