import type { PlanProblem } from '../problem.ts';

/**
 * Populations that the same candidates serve in time are one group: coverage needs no population, only groups.
 * One objective's groups, as lists per candidate.
 */
export interface Groups {
  readonly count: number;
  /** Weight of each group, as a share of the objective's populations. */
  readonly weight: Float64Array;
  /** Per candidate: the groups that it serves in time. */
  readonly of: readonly Int32Array[];
  readonly share: number;
}

export function groupsOf(problem: PlanProblem): readonly Groups[] {
  const n = problem.candidates.length;
  return problem.objectives.map(({ withinMs, share, populations }) => {
    const members = populations ?? problem.weights.keys();
    const weights: number[] = [];
    const masks = new Map<string, number>();
    const of: number[][] = problem.candidates.map(() => []);
    let total = 0;
    for (const p of members) {
      const weight = problem.weights[p] ?? 0;
      total += weight;
      const inTime: number[] = [];
      for (let r = 0; r < n; r++) if ((problem.latencyMs[p * n + r] ?? Infinity) <= withinMs) inTime.push(r);
      const key = inTime.join();
      const known = masks.get(key);
      if (known !== undefined) {
        weights[known] = (weights[known] ?? 0) + weight;
        continue;
      }
      masks.set(key, weights.length);
      for (const r of inTime) of[r]?.push(weights.length);
      weights.push(weight);
    }
    return {
      count: weights.length,
      weight: Float64Array.from(weights, (weight) => (total > 0 ? weight / total : 0)),
      of: of.map((list) => Int32Array.from(list)),
      share,
    };
  });
}
