import type { PlanProblem } from '../problem.ts';
import type { Groups } from './groups.ts';

/** Whole machines, at least one; a share that is off in its last digits is no machine more. */
export const instances = (units: number, share: number): number => Math.max(1, Math.ceil(units * share - 1e-9));

/** Share of users that one candidate serves in time. */
export function coverageOf(groups: Groups, r: number): number {
  let sum = 0;
  for (const g of groups.of[r] as Int32Array) sum += groups.weight[g] as number;
  return sum;
}

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
