import highs from 'highs';
import { isOrderFree, type PlanProblem } from '../problem.ts';
import type { Found } from './testing.ts';

const at = (list: Float64Array, index: number): number => list[index] ?? Number.NaN;

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
  // Exactly one pair, of chosen candidates; where the order changes nothing else, no allowed pair of chosen candidates before it.
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
    if (isOrderFree(problem)) continue;
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
function voteTerms(model: Model, { votes, candidates, betweenMs }: PlanProblem): readonly Term[] {
  if (votes === null) return [];
  const n = candidates.length;
  const all = [...Array(n).keys()];
  const both = all.flatMap((a) => all.filter((b) => b > a).map((b) => ({ a, b, ms: at(betweenMs, a * n + b) })));
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
  for (const [o, { withinMs, primaryFactor, share, populations }] of problem.objectives.entries()) {
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
        if (primaryFactor > 0) {
          answered(model, problem, pairs, { name, p, lost, withinMs, primaryFactor });
          return [at(problem.weights, p) / total, name];
        }
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

interface Answer {
  readonly name: string;
  readonly p: number;
  readonly lost: number;
  readonly withinMs: number;
  readonly primaryFactor: number;
}

/** In time only for one of the pairs (who serves, who leads) that are near enough: both must be so. */
function answered(model: Model, problem: PlanProblem, pairs: Pairs, one: Answer): void {
  const { name, p, lost, withinMs, primaryFactor } = one;
  const n = problem.candidates.length;
  const all = [...Array(n).keys()].filter((r) => r !== lost);
  const both = all.flatMap((r) =>
    all.flatMap((i) => {
      const ms = at(problem.latencyMs, p * n + r) + primaryFactor * at(problem.betweenMs, r * n + i);
      if (ms > withinMs) return [];
      const way = `w${name}_${r}_${i}`;
      const leads = pairs.filter(([a, b]) => (a === lost ? b : a) === i).map(([a, b]): Term => [-1, `q${a}_${b}`]);
      model.bounds.push(` 0 <= ${way} <= 1`);
      model.row(
        [
          [1, way],
          [-1, `y${lost + 1}_${p}_${r}`],
        ],
        '<=',
        0,
      );
      model.row([[1, way], ...leads], '<=', 0);
      return [[-1, way] as Term];
    }),
  );
  model.row([[1, name], ...both], '<=', 0);
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
