import fc from 'fast-check';
import type { PlanProblem } from '../problem.ts';

/** Random problems of every kind, with up to so many candidates; about a third of the small ones have no solution. */
export const problemsOf = (most: number): fc.Arbitrary<PlanProblem> =>
  fc
    .record({
      n: fc.integer({ min: 2, max: most }),
      people: fc.integer({ min: 1, max: 6 }),
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      serving: fc.constantFrom('all' as const, 'primary' as const),
      goal: fc.constantFrom('cost' as const, 'coverage' as const),
      isStrict: fc.boolean(),
      isPinned: fc.boolean(),
      hasBudget: fc.boolean(),
    })
    .map(({ n, people, seed, serving, goal, isStrict, isPinned, hasBudget }) => {
      let state = seed;
      const next = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
      const whole = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
      const list = (length: number, make: () => number): Float64Array => Float64Array.from({ length }, make);
      const raw = list(people, () => whole(1, 9));
      const total = raw.reduce((a, b) => a + b, 0);
      const conflicts = new Uint8Array(n * n);
      for (let a = 0; a < n; a++)
        for (let b = 0; b < a; b++) conflicts[a * n + b] = conflicts[b * n + a] = next() < 0.15 ? 1 : 0;
      const betweenMs = new Float64Array(n * n);
      for (let a = 0; a < n; a++)
        for (let b = 0; b < a; b++) betweenMs[a * n + b] = betweenMs[b * n + a] = whole(1, 12) * 10;
      const factor = (): number => (next() < 0.3 ? whole(1, 4) / 4 : 0);
      const max = whole(2, Math.min(n, most > 6 ? 6 : 4));
      return {
        candidates: Array.from({ length: n }, (_, r) => `r${r}`),
        weights: raw.map((weight) => weight / total),
        latencyMs: list(n * people, () => whole(5, 20) * 10),
        betweenMs,
        objectives: [
          { withinMs: 100, primaryFactor: factor(), share: isStrict ? 0.6003 : 0, populations: null },
          ...(next() < 0.3 ? [{ withinMs: 80, primaryFactor: factor(), share: 0.3002, populations: [0] }] : []),
        ],
        serving,
        goal,
        sizes: { min: whole(2, max), max },
        pinned: isPinned ? [whole(0, n - 1)] : [],
        conflicts,
        writeMs: list(n * n, () => (next() < 0.25 ? Infinity : whole(10, 60))),
        cost: {
          units: whole(1, 12),
          unitUsd: list(n, () => whole(80, 160)),
          fixedUsd: list(n, () => whole(0, 90)),
          egressUsd: list(n, () => whole(0, 200)),
          transferUsd: list(n * n, () => whole(0, 40)),
          standbyShare: [0, 0.1, 0.4, 1][whole(0, 3)] ?? 1,
        },
        budgetUsd: hasBudget ? whole(800, 2_600) + 0.5 : null,
        worstShare: next() < 0.25 ? 0.3004 : null,
        votes: next() < 0.5 ? null : votesOf(n, whole(1, 4), whole, list),
      };
    });

function votesOf(
  n: number,
  places: number,
  whole: (least: number, most: number) => number,
  list: (length: number, make: () => number) => Float64Array,
): NonNullable<PlanProblem['votes']> {
  return {
    usd: list(places, () => whole(20, 300)).toSorted(),
    ms: list(places * n, () => (whole(1, 6) === 1 ? Infinity : whole(1, 12) * 10)),
    slackMs: whole(0, 4) * 10,
  };
}

/** What the two independent solvers below find: only what they are compared by. */
export interface Found {
  readonly costUsd: number;
  /** Whole percentage points within the first objective. */
  readonly points: number;
}

const at = (list: Float64Array, index: number): number => list[index] ?? Number.NaN;

/** Every set, one after another, as written in `problem.ts`; no bounds, no groups. */
export function bruteForce(problem: PlanProblem): readonly (Found & { readonly set: readonly number[] })[] {
  const n = problem.candidates.length;
  const found: (Found & { set: number[] })[] = [];
  for (let mask = 0; mask < 2 ** n; mask++) {
    const set = [...Array(n).keys()].filter((r) => (mask >> r) & 1);
    const one = evaluate(problem, set);
    if (one !== null) found.push({ ...one, set });
  }
  const points = (one: Found): number => (problem.goal === 'coverage' ? one.points : 0);
  return found.toSorted((a, b) => points(b) - points(a) || a.costUsd - b.costUsd);
}

function evaluate(problem: PlanProblem, set: readonly number[]): Found | null {
  const n = problem.candidates.length;
  if (set.length < problem.sizes.min || set.length > problem.sizes.max) return null;
  if (problem.pinned.some((r) => !set.includes(r))) return null;
  if (set.some((a) => set.some((b) => problem.conflicts[a * n + b] === 1))) return null;
  const pairs = set.flatMap((i) =>
    set.filter((j) => j !== i).map((j) => [i, j, at(problem.writeMs, i * n + j)] as const),
  );
  const allowed = pairs
    .filter(([, , ms]) => ms < Infinity)
    .toSorted((a, b) => a[2] - b[2] || a[0] - b[0] || a[1] - b[1]);
  const isAnyOrder = problem.serving === 'primary' || problem.objectives.some((one) => one.primaryFactor > 0);
  const found = (isAnyOrder ? allowed : allowed.slice(0, 1)).flatMap(
    ([primary, standby]) => inOrder(problem, set, primary, standby) ?? [],
  );
  const points = (one: Found): number => (problem.goal === 'coverage' ? one.points : 0);
  return found.toSorted((a, b) => points(b) - points(a) || a.costUsd - b.costUsd)[0] ?? null;
}

function inOrder(problem: PlanProblem, set: readonly number[], primary: number, standby: number): Found | null {
  const n = problem.candidates.length;
  const { cost } = problem;
  const people = [...problem.weights.keys()];
  const serverOf = (p: number, without: number): number => {
    const left = set.filter((r) => r !== without);
    if (problem.serving === 'primary') return without === primary ? standby : primary;
    return (
      left.toSorted((a, b) => at(problem.latencyMs, p * n + a) - at(problem.latencyMs, p * n + b) || a - b)[0] ?? -1
    );
  };
  const share = (o: number, without: number): number => {
    const { populations, withinMs, primaryFactor } = problem.objectives[o] as PlanProblem['objectives'][number];
    const leader = without === primary ? standby : primary;
    const far = (r: number): number => primaryFactor * at(problem.betweenMs, r * n + leader);
    const members = populations ?? people;
    const all = members.reduce((sum, p) => sum + at(problem.weights, p), 0);
    const inTime = members.filter(
      (p) => at(problem.latencyMs, p * n + serverOf(p, without)) + far(serverOf(p, without)) <= withinMs,
    );
    return inTime.reduce((sum, p) => sum + at(problem.weights, p), 0) / all;
  };
  if (problem.objectives.some((objective, o) => share(o, -1) < objective.share - 1e-6)) return null;
  const losses = problem.serving === 'all' ? set : [primary, -1];
  const worst = Math.min(...losses.map((r) => share(0, r)));
  if (problem.worstShare !== null && worst < problem.worstShare - 1e-6) return null;
  const load = (r: number, without: number): number =>
    people.filter((p) => serverOf(p, without) === r).reduce((sum, p) => sum + at(problem.weights, p), 0);
  let costUsd = 0;
  for (const r of set) {
    const most =
      problem.serving === 'all'
        ? Math.max(load(r, -1), ...set.filter((s) => s !== r).map((s) => load(r, s)))
        : r === primary
          ? 1
          : cost.standbyShare;
    const machines = most === 0 && problem.serving === 'primary' ? 0 : Math.max(1, Math.ceil(cost.units * most - 1e-9));
    costUsd += at(cost.unitUsd, r) * machines + at(cost.fixedUsd, r) + at(cost.egressUsd, r) * load(r, -1);
    costUsd += at(cost.transferUsd, primary * n + r);
  }
  const { votes } = problem;
  if (votes !== null) {
    const widest = Math.max(...set.flatMap((a) => set.map((b) => at(problem.betweenMs, a * n + b))));
    const near = [...votes.usd.keys()].filter((w) =>
      set.every((r) => at(votes.ms, w * n + r) <= widest + votes.slackMs),
    );
    if (near.length === 0) return null;
    costUsd += Math.min(...near.map((w) => at(votes.usd, w)));
  }
  if (problem.budgetUsd !== null && costUsd > problem.budgetUsd) return null;
  return { costUsd, points: Math.floor(Math.round(share(0, -1) * 1e6) / 1e4) };
}
