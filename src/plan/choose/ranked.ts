import type { PlanProblem } from '../problem.ts';
import { groupsOf, type Groups } from './groups.ts';

/** The rank of a pair that is not allowed. */
export const NO_PAIR = 2_147_483_647;

export interface Pair {
  readonly primary: number;
  readonly standby: number;
  readonly writeMs: number;
}

/** The problem by position: candidates in the order of the search, flat arrays for what is read millions of times. */
export interface Ranked {
  readonly n: number;
  /** The candidate at each position. */
  readonly candidate: readonly number[];
  /** Positions before this one are pinned. */
  readonly pinned: number;
  /** By people: a population's place in the order of the search, those with the same nearest candidates side by side, which processors predict well. */
  readonly weights: Float64Array;
  /** Per position and people: how many candidates are nearer. No two are alike: of equally near ones that of the lower index is nearer. */
  readonly rows: readonly Uint16Array[];
  readonly fixedUsd: Float64Array;
  readonly unitUsd: Float64Array;
  readonly egressUsd: Float64Array;
  /** At primary * n + other, by position. */
  readonly transferUsd: Float64Array;
  readonly conflicts: Uint8Array;
  /** Pairs by position, in the order of preference; at a * n + b: the rank of the better direction, or `NO_PAIR`. */
  readonly pairs: readonly Pair[];
  readonly pairRank: Int32Array;
  /** At primary * n + standby, by position; infinite: not allowed. */
  readonly writeMs: Float64Array;
  readonly groups: readonly Groups[];
  /** Per objective and position: share of users that it serves in time by itself. */
  readonly single: readonly Float64Array[];
  /** Per position: the least that it or a later one adds to the cost of a choice whose candidates all serve. */
  readonly leastAdded: Float64Array;
  /** Per position: the cheapest machine, and the cheapest traffic to users, of it or a later one. */
  readonly leastUnit: Float64Array;
  readonly leastEgress: Float64Array;
}

export function rank(problem: PlanProblem): Ranked {
  const n = problem.candidates.length;
  const candidate = orderOf(problem);
  const { cost } = problem;
  const row = (list: Float64Array): Float64Array => Float64Array.from(candidate, (r) => list[r] as number);
  const groups = groupsOf(problem).map((one) => ({ ...one, of: candidate.map((r) => one.of[r] as Int32Array) }));
  const [fixedUsd, unitUsd] = [row(cost.fixedUsd), row(cost.unitUsd)];
  const egressUsd = row(cost.egressUsd);
  const square = { n, candidate };
  const nearness = nearnessOf(problem);
  return {
    n,
    candidate,
    pinned: problem.pinned.length,
    weights: Float64Array.from(nearness, ({ p }) => problem.weights[p] as number),
    rows: rowsOf(nearness, candidate),
    fixedUsd,
    unitUsd,
    egressUsd,
    transferUsd: Float64Array.from(moved(square), (from) => cost.transferUsd[from] as number),
    conflicts: Uint8Array.from(moved(square), (from) => problem.conflicts[from] as number),
    ...pairsOf(problem, candidate),
    writeMs: Float64Array.from(moved(square), (from) => problem.writeMs[from] as number),
    groups,
    single: groups.map(({ of, weight }) =>
      Float64Array.from(of, (list) => list.reduce((sum, g) => sum + (weight[g] as number), 0)),
    ),
    leastAdded: leastFrom(fixedUsd.map((usd, r) => usd + (unitUsd[r] as number))),
    leastUnit: leastFrom(unitUsd),
    leastEgress: leastFrom(egressUsd),
  };
}

/** At each position the least of it and all later ones; behind the last: infinite. */
function leastFrom(list: Float64Array): Float64Array {
  const least = new Float64Array(list.length + 1).fill(Infinity);
  for (let r = list.length - 1; r >= 0; r--) least[r] = Math.min(list[r] as number, least[r + 1] as number);
  return least;
}

interface Nearness {
  readonly p: number;
  /** Candidates, the nearest first. */
  readonly order: readonly number[];
}

/** Every population, those whose nearest candidates are the same side by side. */
function nearnessOf({ candidates, weights, latencyMs }: PlanProblem): readonly Nearness[] {
  const n = candidates.length;
  const all = [...candidates.keys()];
  const ms = (p: number, r: number): number => latencyMs[p * n + r] as number;
  return [...weights.keys()]
    .map((p) => ({ p, order: all.toSorted((a, b) => ms(p, a) - ms(p, b) || a - b) }))
    .toSorted((x, y) => {
      for (let k = 0; k < n; k++) {
        const by = (x.order[k] as number) - (y.order[k] as number);
        if (by !== 0) return by;
      }
      return x.p - y.p;
    });
}

function rowsOf(people: readonly Nearness[], candidate: readonly number[]): readonly Uint16Array[] {
  const byCandidate = candidate.map(() => new Uint16Array(people.length));
  for (const [i, { order }] of people.entries())
    for (const [k, r] of order.entries()) (byCandidate[r] as Uint16Array)[i] = k;
  return candidate.map((r) => byCandidate[r] as Uint16Array);
}

/** Pinned ones first: the search begins inside them. Then the cheap ones: a good choice early makes the bounds sharp. */
function orderOf({ candidates, pinned, cost }: PlanProblem): readonly number[] {
  const isPinned = new Set(pinned);
  const usd = (r: number): number => (cost.unitUsd[r] as number) * cost.units + (cost.fixedUsd[r] as number);
  return [...candidates.keys()].toSorted(
    (a, b) => Number(isPinned.has(b)) - Number(isPinned.has(a)) || usd(a) - usd(b) || a - b,
  );
}

/** Where each cell of a matrix by position is in the matrix by candidate. */
const moved = ({ n, candidate }: { readonly n: number; readonly candidate: readonly number[] }): number[] =>
  candidate.flatMap((a) => candidate.map((b) => a * n + b));

/** The pair of a set is its best one here: the order says all that the rule in `problem.ts` does. */
function pairsOf(problem: PlanProblem, candidate: readonly number[]): Pick<Ranked, 'pairs' | 'pairRank'> {
  const n = candidate.length;
  const pairs = candidate.flatMap((i, primary) =>
    candidate.flatMap((j, standby) => {
      const writeMs = problem.writeMs[i * n + j] as number;
      return i !== j && writeMs < Infinity ? [{ primary, standby, writeMs, i, j }] : [];
    }),
  );
  pairs.sort((x, y) => x.writeMs - y.writeMs || x.i - y.i || x.j - y.j);
  const pairRank = new Int32Array(n * n).fill(NO_PAIR);
  for (const [rankOf, { primary, standby }] of pairs.entries())
    for (const cell of [primary * n + standby, standby * n + primary])
      pairRank[cell] = Math.min(pairRank[cell] as number, rankOf);
  return { pairs, pairRank };
}
