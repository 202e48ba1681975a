import fc from 'fast-check';
import highs from 'highs';
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
      const max = whole(2, Math.min(n, most > 6 ? 6 : 4));
      return {
        candidates: Array.from({ length: n }, (_, r) => `r${r}`),
        weights: raw.map((weight) => weight / total),
        latencyMs: list(n * people, () => whole(5, 20) * 10),
        objectives: [
          { withinMs: 100, share: isStrict ? 0.6003 : 0, populations: null },
          ...(next() < 0.3 ? [{ withinMs: 80, share: 0.3002, populations: [0] }] : []),
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
  const betweenMs = new Float64Array(n * n);
  for (let a = 0; a < n; a++)
    for (let b = 0; b < a; b++) betweenMs[a * n + b] = betweenMs[b * n + a] = whole(1, 12) * 10;
  return {
    usd: list(places, () => whole(20, 300)).toSorted(),
    ms: list(places * n, () => (whole(1, 6) === 1 ? Infinity : whole(1, 12) * 10)),
    betweenMs,
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
  const { cost } = problem;
  if (set.length < problem.sizes.min || set.length > problem.sizes.max) return null;
  if (problem.pinned.some((r) => !set.includes(r))) return null;
  if (set.some((a) => set.some((b) => problem.conflicts[a * n + b] === 1))) return null;
  const pairs = set.flatMap((i) =>
    set.filter((j) => j !== i).map((j) => [i, j, at(problem.writeMs, i * n + j)] as const),
  );
  const [pair] = pairs
    .filter(([, , ms]) => ms < Infinity)
    .toSorted((a, b) => a[2] - b[2] || a[0] - b[0] || a[1] - b[1]);
  if (pair === undefined) return null;
  const [primary, standby] = pair;
  const people = [...problem.weights.keys()];
  const serverOf = (p: number, without: number): number => {
    const left = set.filter((r) => r !== without);
    if (problem.serving === 'primary') return without === primary ? standby : primary;
    return (
      left.toSorted((a, b) => at(problem.latencyMs, p * n + a) - at(problem.latencyMs, p * n + b) || a - b)[0] ?? -1
    );
  };
  const share = (o: number, without: number): number => {
    const { populations, withinMs } = problem.objectives[o] ?? { populations: null, withinMs: 0 };
    const members = populations ?? people;
    const all = members.reduce((sum, p) => sum + at(problem.weights, p), 0);
    const inTime = members.filter((p) => at(problem.latencyMs, p * n + serverOf(p, without)) <= withinMs);
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
    const widest = Math.max(...set.flatMap((a) => set.map((b) => at(votes.betweenMs, a * n + b))));
    const near = [...votes.usd.keys()].filter((w) =>
      set.every((r) => at(votes.ms, w * n + r) <= widest + votes.slackMs),
    );
    if (near.length === 0) return null;
    costUsd += Math.min(...near.map((w) => at(votes.usd, w)));
  }
  if (problem.budgetUsd !== null && costUsd > problem.budgetUsd) return null;
  return { costUsd, points: Math.floor(Math.round(share(0, -1) * 1e6) / 1e4) };
}

interface Highs {
  solve(
    text: string,
    options: Readonly<Record<string, number>>,
  ): { readonly Status: string; readonly ObjectiveValue: number };
}
/** The package's types describe a namespace that cannot be called; what is imported is the loader. */
const load = highs as unknown as () => Promise<Highs>;
let loaded: Promise<Highs> | null = null;

/** The same problem as a mixed integer program, solved by HiGHS; null: infeasible. */
export async function solveMilp(problem: PlanProblem): Promise<Found | null> {
  const solver = await (loaded ??= load());
  const run = (text: string): number | null => {
    const solution = solver.solve(text, { mip_rel_gap: 0, mip_abs_gap: 0 });
    return solution.Status === 'Optimal' ? solution.ObjectiveValue : null;
  };
  if (problem.goal === 'cost') {
    const costUsd = run(modelOf(problem, 'cost', null));
    return costUsd === null ? null : { costUsd, points: -1 };
  }
  const most = run(modelOf(problem, 'coverage', null));
  if (most === null) return null;
  const points = Math.floor(Math.round(most * 1e6) / 1e4);
  const costUsd = run(modelOf(problem, 'cost', points / 100));
  return costUsd === null ? null : { costUsd, points };
}

type Term = readonly [number, string];

class Model {
  readonly rows: string[] = [];
  readonly binaries: string[] = [];
  readonly integers: string[] = [];
  readonly bounds: string[] = [];
  row(terms: readonly Term[], relation: '<=' | '>=' | '=', value: number): void {
    const used = terms.filter(([factor]) => factor !== 0);
    if (used.length > 0) this.rows.push(` r${this.rows.length}: ${sum(used)} ${relation} ${value}`);
    else if (relation === '<=' ? value < 0 : relation === '>=' ? value > 0 : value !== 0)
      this.rows.push(` r${this.rows.length}: x0 >= 2`);
  }
}

/** One term a line, each name once: the reader of LP files has short lines, and of two terms of one name it keeps one. */
function sum(terms: readonly Term[]): string {
  const factors = new Map<string, number>();
  for (const [factor, name] of terms) factors.set(name, (factors.get(name) ?? 0) + factor);
  return [...factors].map(([name, factor]) => `${factor < 0 ? '-' : '+'} ${Math.abs(factor)} ${name}`).join('\n  ');
}

function modelOf(problem: PlanProblem, aim: 'cost' | 'coverage', coverage: number | null): string {
  const n = problem.candidates.length;
  const all = [...Array(n).keys()];
  const model = new Model();
  const pairs = all
    .flatMap((i) => all.filter((j) => j !== i).map((j) => [i, j, at(problem.writeMs, i * n + j)] as const))
    .filter(([, , ms]) => ms < Infinity)
    .toSorted((a, b) => a[2] - b[2] || a[0] - b[0] || a[1] - b[1]);
  model.binaries.push(...all.map((r) => `x${r}`), ...pairs.map(([i, j]) => `q${i}_${j}`));
  const members = all.map((r): Term => [1, `x${r}`]);
  model.row(members, '>=', problem.sizes.min);
  model.row(members, '<=', problem.sizes.max);
  for (const r of problem.pinned) model.row([[1, `x${r}`]], '=', 1);
  for (const a of all)
    for (const b of all)
      if (a < b && problem.conflicts[a * n + b] === 1)
        model.row(
          [
            [1, `x${a}`],
            [1, `x${b}`],
          ],
          '<=',
          1,
        );
  // Exactly one pair, of chosen candidates, and no allowed pair of chosen candidates before it.
  model.row(
    pairs.map(([i, j]) => [1, `q${i}_${j}`]),
    '=',
    1,
  );
  for (const [k, [i, j]] of pairs.entries()) {
    model.row(
      [
        [1, `q${i}_${j}`],
        [-1, `x${i}`],
      ],
      '<=',
      0,
    );
    model.row(
      [
        [1, `q${i}_${j}`],
        [-1, `x${j}`],
      ],
      '<=',
      0,
    );
    const until = pairs.slice(0, k + 1).map(([a, b]): Term => [1, `q${a}_${b}`]);
    model.row([...until, [-1, `x${i}`], [-1, `x${j}`]], '>=', -1);
  }
  const covered = coverageTerms(model, problem, pairs);
  const cost = [...costTerms(model, problem, pairs), ...voteTerms(model, problem)];
  if (coverage !== null) model.row(covered, '>=', coverage - 1e-7);
  if (problem.budgetUsd !== null) model.row(cost, '<=', problem.budgetUsd);
  const [verb, terms] = aim === 'cost' ? ['Minimize', cost] : ['Maximize', covered];
  return [
    verb,
    ` obj: ${sum(terms)}`,
    'Subject To',
    ...model.rows,
    'Bounds',
    ...model.bounds,
    'General',
    ...model.integers.map((name) => ` ${name}`),
    'Binary',
    ...model.binaries.map((name) => ` ${name}`),
    'End',
  ].join('\n');
}

/** One place votes: none that is farther from a chosen candidate than some two of them are apart, and the slack. */
function voteTerms(model: Model, { votes, candidates }: PlanProblem): readonly Term[] {
  if (votes === null) return [];
  const n = candidates.length;
  const all = [...Array(n).keys()];
  const both = all.flatMap((a) => all.filter((b) => b > a).map((b) => ({ a, b, ms: at(votes.betweenMs, a * n + b) })));
  for (const { a, b } of both)
    for (const end of [a, b])
      model.row(
        [
          [1, `b${a}_${b}`],
          [-1, `x${end}`],
        ],
        '<=',
        0,
      );
  const places = [...votes.usd.keys()];
  model.binaries.push(...places.map((w) => `v${w}`), ...both.map(({ a, b }) => `b${a}_${b}`));
  model.row(
    places.map((w) => [1, `v${w}`]),
    '=',
    1,
  );
  for (const w of places)
    for (const r of all) {
      const ms = at(votes.ms, w * n + r);
      if (ms <= votes.slackMs) continue;
      const wide = both.filter((pair) => pair.ms + votes.slackMs >= ms).map(({ a, b }): Term => [-1, `b${a}_${b}`]);
      model.row([[1, `v${w}`], [1, `x${r}`], ...wide], '<=', 1);
    }
  return places.map((w) => [at(votes.usd, w), `v${w}`]);
}

type Pairs = readonly (readonly [number, number, number])[];

/** Rows for every objective and for the worst loss; the terms of the first objective's share. */
function coverageTerms(model: Model, problem: PlanProblem, pairs: Pairs): readonly Term[] {
  const n = problem.candidates.length;
  const all = [...Array(n).keys()];
  let first: readonly Term[] = [];
  for (const [o, { withinMs, share, populations }] of problem.objectives.entries()) {
    const members = populations ?? [...problem.weights.keys()];
    const total = members.reduce((a, p) => a + at(problem.weights, p), 0);
    const inTime = (p: number): number[] => all.filter((r) => at(problem.latencyMs, p * n + r) <= withinMs);
    const of = (r: number): number =>
      members.filter((p) => inTime(p).includes(r)).reduce((a, p) => a + at(problem.weights, p), 0) / total;
    const after = (lost: number): readonly Term[] => {
      if (problem.serving === 'primary') return pairs.map(([i, j]): Term => [of(lost >= 0 ? j : i), `q${i}_${j}`]);
      return members.map((p): Term => {
        const name = `z${o}_${p}_${lost + 1}`;
        model.bounds.push(` 0 <= ${name} <= 1`);
        const near = inTime(p).filter((r) => r !== lost);
        model.row([[1, name], ...near.map((r): Term => [-1, `x${r}`])], '<=', 0);
        return [at(problem.weights, p) / total, name];
      });
    };
    const terms = after(-1);
    if (o === 0) first = terms;
    if (share > 0) model.row(terms, '>=', share);
    if (o > 0 || problem.worstShare === null) continue;
    const losses = problem.serving === 'all' ? [-1, ...all] : [-1, 0];
    for (const lost of losses) model.row(after(lost), '>=', problem.worstShare);
  }
  return first;
}

function costTerms(model: Model, problem: PlanProblem, pairs: Pairs): readonly Term[] {
  const n = problem.candidates.length;
  const all = [...Array(n).keys()];
  const { cost } = problem;
  const terms: Term[] = all.map((r) => [at(cost.fixedUsd, r), `x${r}`]);
  const isPrimary = (i: number): Term[] => pairs.filter(([a]) => a === i).map(([a, b]): Term => [1, `q${a}_${b}`]);
  for (const i of all)
    for (const r of all) {
      const usd = at(cost.transferUsd, i * n + r);
      if (usd === 0) continue;
      model.row([[1, `u${i}_${r}`], [-1, `x${r}`], ...isPrimary(i).map(([, name]): Term => [-1, name])], '>=', -1);
      terms.push([usd, `u${i}_${r}`]);
    }
  if (problem.serving === 'primary') {
    const standby = cost.standbyShare === 0 ? 0 : Math.max(1, Math.ceil(cost.units * cost.standbyShare - 1e-9));
    for (const r of all) terms.push([at(cost.unitUsd, r) * standby, `x${r}`]);
    for (const [i, j] of pairs)
      terms.push([at(cost.unitUsd, i) * (cost.units - standby) + at(cost.egressUsd, i), `q${i}_${j}`]);
    return terms;
  }
  const people = [...problem.weights.keys()];
  for (const r of all) {
    model.integers.push(`n${r}`);
    model.row(
      [
        [1, `n${r}`],
        [-1, `x${r}`],
      ],
      '>=',
      0,
    );
    terms.push([at(cost.unitUsd, r), `n${r}`]);
    for (const p of people) terms.push([at(cost.egressUsd, r) * at(problem.weights, p), `y0_${p}_${r}`]);
  }
  // Scenario c: candidate c - 1 is lost, 0: none. Everybody goes to the nearest one left.
  for (let c = 0; c <= n; c++) {
    for (const p of people) {
      const way = (r: number) => at(problem.latencyMs, p * n + r);
      const near = all.filter((r) => r !== c - 1).toSorted((a, b) => way(a) - way(b) || a - b);
      model.row(
        near.map((r): Term => [1, `y${c}_${p}_${r}`]),
        '=',
        1,
      );
      for (const [k, r] of near.entries()) {
        model.row(
          [
            [1, `y${c}_${p}_${r}`],
            [-1, `x${r}`],
          ],
          '<=',
          0,
        );
        const until = near.slice(0, k + 1).map((s): Term => [1, `y${c}_${p}_${s}`]);
        model.row([...until, [-1, `x${r}`]], '>=', 0);
      }
    }
    for (const r of all.filter((s) => s !== c - 1)) {
      const load = people.map((p): Term => [-cost.units * at(problem.weights, p), `y${c}_${p}_${r}`]);
      model.row([[1, `n${r}`], ...load], '>=', -1e-9);
    }
  }
  return terms;
}
