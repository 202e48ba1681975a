import type { CoverageObjective, PlanProblem } from './problem.ts';

const at = (list: Float64Array, index: number): number => list[index] as number;

/** Share of an objective's users who are served in time by `servers`, while `primary` has the database. */
export function shareInTime(
  problem: PlanProblem,
  objective: CoverageObjective,
  servers: readonly number[],
  primary: number,
): number {
  const { weights } = problem;
  const { populations } = objective;
  const isInTime = objective.primaryFactor === 0 ? isNear : isAnswered;
  let [inTime, all] = [0, 0];
  const count = (p: number): void => {
    const weight = at(weights, p);
    all += weight;
    if (isInTime(problem, objective, servers, primary, p)) inTime += weight;
  };
  if (populations === null) for (let p = 0; p < weights.length; p++) count(p);
  else for (const p of populations) count(p);
  return all > 0 ? inTime / all : 0;
}

type IsInTime = (
  problem: PlanProblem,
  objective: CoverageObjective,
  servers: readonly number[],
  primary: number,
  p: number,
) => boolean;

const isNear: IsInTime = ({ candidates, latencyMs }, { withinMs }, servers, _, p) =>
  servers.some((r) => at(latencyMs, p * candidates.length + r) <= withinMs);

/** By the nearest, which may be farther from the primary than another one; of equally near ones the earlier serves. */
const isAnswered: IsInTime = (
  { candidates, latencyMs, betweenMs },
  { withinMs, primaryFactor },
  servers,
  primary,
  p,
) => {
  const n = candidates.length;
  let [nearest, least] = [primary, Infinity];
  for (const r of servers) {
    const ms = at(latencyMs, p * n + r);
    if (ms < least) [nearest, least] = [r, ms];
  }
  return least + primaryFactor * at(betweenMs, nearest * n + primary) <= withinMs;
};

/**
 * Each objective of a choice, and the first one after the worst loss of one candidate: the primary's place is taken by the standby. Exact, where the sums of
 * the search, which know no primary, are what it could be at best.
 */
export function reachOf(
  problem: PlanProblem,
  set: readonly number[],
  { primary, standby }: { readonly primary: number; readonly standby: number },
): { readonly reached: readonly number[]; readonly worst: number } {
  const { objectives, serving } = problem;
  const [first] = objectives;
  if (serving === 'primary') {
    const alone = (r: number): readonly number[] => servedAlone(problem, r);
    return { reached: alone(primary), worst: Math.min(alone(primary)[0] ?? 0, alone(standby)[0] ?? 0) };
  }
  const reached = objectives.map((one) => shareInTime(problem, one, set, primary));
  if (first === undefined) return { reached, worst: 0 };
  const after = (lost: number): number => {
    const next = lost === primary ? standby : primary;
    return shareInTime(
      problem,
      first,
      set.filter((r) => r !== lost),
      next,
    );
  };
  return { reached, worst: Math.min(...set.map(after)) };
}

/** Per problem and candidate: each objective when it alone serves. */
const alone = new WeakMap<PlanProblem, Map<number, readonly number[]>>();

function servedAlone(problem: PlanProblem, r: number): readonly number[] {
  const known = alone.get(problem) ?? new Map<number, readonly number[]>();
  alone.set(problem, known);
  const found = known.get(r) ?? problem.objectives.map((one) => shareInTime(problem, one, [r], r));
  known.set(r, found);
  return found;
}
