import type { PlanProblem } from '../problem.ts';
import { leastVoteUsd } from '../votes.ts';
import { groupsOf } from './groups.ts';

/** Whole machines, at least one; a share that is off in its last digits is no machine more. */
export const instances = (units: number, share: number): number => Math.max(1, Math.ceil(units * share - 1e-9));

/** Sets of the allowed sizes that hold every pinned candidate. */
export function countSets(free: number, { sizes, pinned }: PlanProblem): number {
  let sets = 0;
  for (let size = Math.max(sizes.min, pinned.length); size <= sizes.max; size++) {
    let ways = 1;
    for (let i = 0; i < size - pinned.length; i++) ways = (ways * (free - i)) / (i + 1);
    sets += Math.max(0, Math.round(ways));
  }
  return sets;
}

/** What no choice beats: the cheapest of each line, or the sum of the largest coverages. */
export function boundOf(problem: PlanProblem): number {
  const { min, max } = problem.sizes;
  if (problem.goal === 'coverage') {
    const [first] = groupsOf(problem);
    const shares = first?.of.map((list) => list.reduce((sum, g) => sum + (first.weight[g] ?? 0), 0)) ?? [];
    const largest = shares.toSorted((a, b) => b - a).slice(0, problem.serving === 'all' ? max : 1);
    return Math.min(
      1,
      largest.reduce((sum, share) => sum + share, 0),
    );
  }
  const { unitUsd, fixedUsd, egressUsd, units, standbyShare } = problem.cost;
  const least = (list: Float64Array): number => list.reduce((a, b) => Math.min(a, b), Infinity);
  const factor = problem.serving === 'all' ? max / (max - 1) : 1 + standbyShare * (min - 1);
  return leastVoteUsd(problem) + least(unitUsd) * units * factor + least(fixedUsd) * min + least(egressUsd);
}
