import { instances } from './choose/measures.ts';
import { millionths, type Choice, type CoverageObjective, type PlanProblem } from './problem.ts';

/** One set by itself, with nothing demanded of it. */
export interface Look {
  readonly choice: Choice;
  /** Does it keep the objectives, the worst loss and the budget of the problem? Conflicts and sizes are not asked for. */
  readonly isAllowed: boolean;
}

const at = (list: Float64Array, index: number): number => list[index] as number;

/**
 * What one set of two or more candidates is like, without a search: for questions about single sets, which come by the hundred. `set` is ascending.
 * Null: none of its pairs is allowed.
 */
export function lookAt(problem: PlanProblem, set: readonly number[]): Look | null {
  const pair = pairOf(problem, set);
  if (pair === null) return null;
  const { objectives, serving, worstShare, budgetUsd } = problem;
  const [first] = objectives;
  const servers = serving === 'all' ? set : [pair.primary];
  const reached = objectives.map((objective) => within(problem, objective, servers));
  const coverage = reached[0] ?? 0;
  const left = serving === 'all' ? set.map((lost) => set.filter((r) => r !== lost)) : [[pair.primary], [pair.standby]];
  const worst = Math.min(...left.map((some) => (first === undefined ? 0 : within(problem, first, some))));
  const costUsd = serving === 'all' ? sharedUsd(problem, set, pair.primary) : oneServesUsd(problem, set, pair.primary);
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

/** Share of an objective's users who are near enough to one of `servers`. */
function within(
  { candidates, weights, latencyMs }: PlanProblem,
  { withinMs, populations }: CoverageObjective,
  servers: readonly number[],
): number {
  const n = candidates.length;
  let [inTime, all] = [0, 0];
  const count = (p: number): void => {
    const weight = at(weights, p);
    all += weight;
    for (const r of servers)
      if (at(latencyMs, p * n + r) <= withinMs) {
        inTime += weight;
        return;
      }
  };
  if (populations === null) for (let p = 0; p < weights.length; p++) count(p);
  else for (const p of populations) count(p);
  return all > 0 ? inTime / all : 0;
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

/** Each is sized for its users and those of any one that is lost. */
function sharedUsd(problem: PlanProblem, set: readonly number[], primary: number): number {
  const { candidates, cost, weights, latencyMs } = problem;
  const n = candidates.length;
  const size = set.length;
  /** At nearest * size + second nearest: the share of users who go from one to the other when the first is lost. */
  const moves = new Float64Array(size * size);
  for (let p = 0; p < weights.length; p++) {
    let [first, second, firstMs, secondMs] = [0, 0, Infinity, Infinity];
    for (let m = 0; m < size; m++) {
      const ms = at(latencyMs, p * n + (set[m] as number));
      if (ms < firstMs) [second, secondMs, first, firstMs] = [first, firstMs, m, ms];
      else if (ms < secondMs) [second, secondMs] = [m, ms];
    }
    const way = first * size + second;
    moves[way] = at(moves, way) + at(weights, p);
  }
  let usd = 0;
  for (const [m, r] of set.entries()) {
    let [load, most] = [0, 0];
    for (let other = 0; other < size; other++) {
      load += at(moves, m * size + other);
      most = Math.max(most, at(moves, other * size + m));
    }
    usd += at(cost.fixedUsd, r) + at(cost.egressUsd, r) * load + at(cost.transferUsd, primary * n + r);
    usd += at(cost.unitUsd, r) * instances(cost.units, load + most);
  }
  return usd;
}
