import type { PlanProblem } from './problem.ts';

/** The same problem about few of its candidates, all of them to be chosen, and with nothing demanded: for a look at one set. */
export function onlyThese(problem: PlanProblem, set: readonly number[]): PlanProblem {
  const n = problem.candidates.length;
  const k = set.length;
  const row = (list: Float64Array): Float64Array => Float64Array.from(set, (r) => list[r] ?? 0);
  const square = (list: Float64Array): Float64Array =>
    Float64Array.from({ length: k * k }, (_, i) => list[(set[Math.floor(i / k)] ?? 0) * n + (set[i % k] ?? 0)] ?? 0);
  const latencyMs = new Float64Array(problem.weights.length * k);
  for (let p = 0; p < problem.weights.length; p++)
    for (let r = 0; r < k; r++) latencyMs[p * k + r] = problem.latencyMs[p * n + (set[r] as number)] as number;
  const { cost } = problem;
  return {
    ...problem,
    candidates: set.map((r) => problem.candidates[r] ?? ''),
    latencyMs,
    objectives: problem.objectives.map((objective) => ({ ...objective, share: 0 })),
    sizes: { min: k, max: k },
    pinned: [...set.keys()],
    conflicts: new Uint8Array(k * k),
    writeMs: square(problem.writeMs),
    cost: {
      ...cost,
      unitUsd: row(cost.unitUsd),
      fixedUsd: row(cost.fixedUsd),
      egressUsd: row(cost.egressUsd),
      transferUsd: square(cost.transferUsd),
    },
    budgetUsd: null,
    worstShare: null,
  };
}
