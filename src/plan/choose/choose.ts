import { assert } from '../../base/result.ts';
import { millionths, type Choice, type Chosen, type PlanProblem } from '../problem.ts';
import { groupsOf, type Groups } from './groups.ts';
import { countSets, coverageOf, instances } from './measures.ts';
import { Keeper } from './keep.ts';

export interface ChooseOptions {
  /** How many of the best are kept. */
  readonly top: number;
  /** Sets looked at before giving up the proof: some 10 million a second. */
  readonly mostSets: number;
}

/** More sets than this: the front is of the list of the best only. */
const MOST_SETS_FOR_FRONT = 1_000_000;
/** Far below what any latency is known to. */
const TIE_MS = 1e-9;

export const DEFAULT_CHOOSE: ChooseOptions = { top: 6, mostSets: 60_000_000 };

/** Read millions of times, always within bounds. One function for each kind of array: a shared one would be compiled for all of them. */
const at = (list: Float64Array, index: number): number => list[index] as number;
const whole = (list: Int32Array, index: number): number => list[index] as number;
const byte = (list: Uint8Array, index: number): number => list[index] as number;
const position8 = (list: Int8Array, index: number): number => list[index] as number;

/**
 * The best sets of candidates, exactly: every set of an allowed size is evaluated, unless a bound shows that neither it nor
 * any set that contains it could be allowed or kept. Deterministic.
 */
export function choose(problem: PlanProblem, options: ChooseOptions = DEFAULT_CHOOSE): Chosen {
  const { min, max } = problem.sizes;
  assert(min >= 2 && max >= min && problem.objectives.length > 0, 'a problem that can be solved');
  return new Search(problem, options).run();
}

class Search {
  private readonly problem: PlanProblem;
  private readonly options: ChooseOptions;
  private readonly keeper: Keeper;
  private readonly n: number;
  private readonly subsets: number;
  private readonly groups: readonly Groups[];
  /** Per objective: how many of the chosen serve each group, and which one when it is one. */
  private readonly counts: readonly Uint8Array[];
  private readonly owners: Int32Array;
  private readonly covered: Float64Array;
  /** Per depth: nearest and second nearest chosen candidate of each population, by position, and how far they are. */
  private readonly nearest: readonly Int8Array[];
  private readonly second: readonly Int8Array[];
  private readonly nearestMs: readonly Float64Array[];
  private readonly secondMs: readonly Float64Array[];
  private readonly rows: readonly Float64Array[];
  private readonly order: readonly number[];
  private readonly set: number[] = [];
  private readonly moved: Float64Array;
  /** Per position: weight of the groups of the first objective that only it serves. */
  private readonly alone: Float64Array;
  private visited = 0;
  private evaluated = 0;
  private isCut = false;

  constructor(problem: PlanProblem, options: ChooseOptions) {
    const n = problem.candidates.length;
    const people = problem.weights.length;
    const { max } = problem.sizes;
    this.problem = problem;
    this.options = options;
    this.n = n;
    this.subsets = countSets(n - problem.pinned.length, problem);
    this.keeper = new Keeper(problem, options.top, this.subsets <= MOST_SETS_FOR_FRONT);
    this.groups = groupsOf(problem);
    this.counts = this.groups.map(({ count }) => new Uint8Array(count));
    this.owners = new Int32Array(this.groups[0]?.count ?? 0);
    this.covered = new Float64Array(this.groups.length);
    const perDepth = <T>(make: () => T): readonly T[] => Array.from({ length: max + 1 }, make);
    this.nearest = perDepth(() => new Int8Array(people).fill(-1));
    this.second = perDepth(() => new Int8Array(people).fill(-1));
    this.nearestMs = perDepth(() => new Float64Array(people).fill(Infinity));
    this.secondMs = perDepth(() => new Float64Array(people).fill(Infinity));
    // Of equally near ones the one of the lower index serves.
    this.rows = problem.candidates.map((_, r) =>
      Float64Array.from({ length: people }, (__, p) => at(problem.latencyMs, p * n + r) + r * TIE_MS),
    );
    // Pinned ones first: the search begins inside them. Then the cheap ones: a good choice early makes the bounds sharp.
    const { unitUsd, fixedUsd } = problem.cost;
    const pinned = new Set(problem.pinned);
    this.order = [...problem.candidates.keys()].toSorted(
      (a, b) =>
        Number(pinned.has(b)) - Number(pinned.has(a)) ||
        at(unitUsd, a) * problem.cost.units + at(fixedUsd, a) - at(unitUsd, b) * problem.cost.units - at(fixedUsd, b) ||
        a - b,
    );
    this.moved = new Float64Array(max * max);
    this.alone = new Float64Array(max);
  }

  run(): Chosen {
    this.expand(0, -1, -1, Infinity);
    const { evaluated, subsets } = this;
    return {
      top: this.keeper.top(),
      pareto: this.keeper.pareto(),
      proof: this.isCut
        ? { kind: 'gap', subsets, evaluated, bound: this.rootBound() }
        : { kind: 'optimal', subsets, evaluated },
    };
  }

  /** Add each candidate from `from` on (a position of `order`) to the set, in turn. */
  private expand(from: number, primary: number, standby: number, writeMs: number): void {
    const { problem, order, set } = this;
    const depth = set.length;
    const left = problem.sizes.max - depth;
    if (left === 0 || this.isCut) return;
    if (left >= 2 && problem.serving === 'all' && !this.canCover(from, left)) return;
    const last = depth < problem.pinned.length ? depth + 1 : order.length;
    for (let position = from; position < last; position++) {
      const r = order[position] as number;
      if (this.conflicts(r)) continue;
      this.visited += 1;
      if (this.visited > this.options.mostSets) {
        this.isCut = true;
        return;
      }
      let [i, j, best] = [primary, standby, writeMs];
      for (let m = 0; m < depth; m++) {
        const other = set[m] as number;
        const there = at(problem.writeMs, r * this.n + other);
        if (there < best || (there === best && isBefore(r, other, i, j))) [i, j, best] = [r, other, there];
        const back = at(problem.writeMs, other * this.n + r);
        if (back < best || (back === best && isBefore(other, r, i, j))) [i, j, best] = [other, r, back];
      }
      this.visit(r, position, i, j, best);
    }
  }

  private visit(r: number, position: number, primary: number, standby: number, writeMs: number): void {
    const { problem, set } = this;
    const depth = set.length + 1;
    const isWhole = depth >= problem.sizes.min && depth >= problem.pinned.length && primary >= 0;
    const isLeaf = depth === problem.sizes.max;
    set.push(r);
    this.add(r, depth - 1);
    if (!isLeaf && problem.serving === 'all') this.fill(depth);
    if (isWhole && this.isAllowed(primary, standby)) {
      const coverage = this.coverage(primary);
      const worst = this.worst(primary, standby, depth);
      const couldBe =
        (problem.worstShare === null || millionths(worst) >= millionths(problem.worstShare)) &&
        this.keeper.couldMatter(this.leastUsd(primary), coverage, worst);
      if (couldBe) this.evaluate(primary, standby, writeMs, coverage, worst);
    }
    if (!isLeaf) this.expand(position + 1, primary, standby, writeMs);
    this.remove(r, depth - 1);
    set.pop();
  }

  private evaluate(primary: number, standby: number, writeMs: number, coverage: number, worst: number): void {
    const { problem, set } = this;
    this.evaluated += 1;
    const costUsd = problem.serving === 'all' ? this.sharedUsd(primary) : this.leastUsd(primary);
    if (problem.budgetUsd !== null && costUsd > problem.budgetUsd) return;
    const regions = set.toSorted((a, b) => a - b);
    this.keeper.offer({ regions, primary, standby, costUsd, coverage, worst, writeMs } satisfies Choice);
  }

  private conflicts(r: number): boolean {
    for (const other of this.set) if (byte(this.problem.conflicts, r * this.n + other) === 1) return true;
    return false;
  }

  private add(r: number, position: number): void {
    for (let o = 0; o < this.groups.length; o++) {
      const groups = this.groups[o] as Groups;
      const counts = this.counts[o] as Uint8Array;
      const list = groups.of[r] as Int32Array;
      let gain = 0;
      for (let k = 0; k < list.length; k++) {
        const g = whole(list, k);
        const before = byte(counts, g);
        counts[g] = before + 1;
        if (before === 0) gain += at(groups.weight, g);
        if (o > 0) continue;
        if (before === 0) {
          this.owners[g] = position;
          this.alone[position] = at(this.alone, position) + at(groups.weight, g);
        } else if (before === 1) {
          const owner = whole(this.owners, g);
          this.alone[owner] = at(this.alone, owner) - at(groups.weight, g);
        }
      }
      this.covered[o] = at(this.covered, o) + gain;
    }
  }

  /** Undoes the last `add`: an owner is the earliest of a group, so it still is. */
  private remove(r: number, position: number): void {
    for (let o = 0; o < this.groups.length; o++) {
      const groups = this.groups[o] as Groups;
      const counts = this.counts[o] as Uint8Array;
      const list = groups.of[r] as Int32Array;
      let loss = 0;
      for (let k = 0; k < list.length; k++) {
        const g = whole(list, k);
        const after = byte(counts, g) - 1;
        counts[g] = after;
        if (after === 0) loss += at(groups.weight, g);
        else if (after === 1 && o === 0) {
          const owner = whole(this.owners, g);
          this.alone[owner] = at(this.alone, owner) + at(groups.weight, g);
        }
      }
      this.covered[o] = at(this.covered, o) - loss;
    }
    this.alone[position] = 0;
  }

  private isAllowed(primary: number, standby: number): boolean {
    const { objectives, serving } = this.problem;
    for (let o = 0; o < objectives.length; o++) {
      const groups = this.groups[o] as Groups;
      const share = serving === 'all' ? at(this.covered, o) : coverageOf(groups, primary);
      if (millionths(share) < millionths(groups.share)) return false;
    }
    return standby >= 0;
  }

  private coverage(primary: number): number {
    return this.problem.serving === 'all' ? at(this.covered, 0) : coverageOf(this.groups[0] as Groups, primary);
  }

  private worst(primary: number, standby: number, depth: number): number {
    const groups = this.groups[0] as Groups;
    if (this.problem.serving === 'primary') return Math.min(coverageOf(groups, primary), coverageOf(groups, standby));
    let most = 0;
    for (let position = 0; position < depth; position++) most = Math.max(most, at(this.alone, position));
    return at(this.covered, 0) - most;
  }

  /** The arrays of a depth, from those of the depth before and the candidate added last. */
  private fill(depth: number): void {
    const position = depth - 1;
    const nearest = this.nearest[depth] as Int8Array;
    const second = this.second[depth] as Int8Array;
    const nearestMs = this.nearestMs[depth] as Float64Array;
    const secondMs = this.secondMs[depth] as Float64Array;
    const before = this.nearest[position] as Int8Array;
    const beforeSecond = this.second[position] as Int8Array;
    const beforeMs = this.nearestMs[position] as Float64Array;
    const beforeSecondMs = this.secondMs[position] as Float64Array;
    const row = this.rows[this.set[position] as number] as Float64Array;
    for (let p = 0; p < row.length; p++) {
      const ms = at(row, p);
      const least = at(beforeMs, p);
      if (ms < least) {
        nearest[p] = position;
        nearestMs[p] = ms;
        second[p] = position8(before, p);
        secondMs[p] = least;
        continue;
      }
      nearest[p] = position8(before, p);
      nearestMs[p] = least;
      const next = at(beforeSecondMs, p);
      second[p] = ms < next ? position : position8(beforeSecond, p);
      secondMs[p] = ms < next ? ms : next;
    }
  }

  /** Serving `all`: each candidate is sized for its own users and those of any one neighbour that is lost. */
  private sharedUsd(primary: number): number {
    const { set, moved } = this;
    const depth = set.length;
    this.countMoves(depth);
    const { unitUsd, fixedUsd, egressUsd, units } = this.problem.cost;
    let usd = this.transferUsd(primary);
    for (let b = 0; b < depth; b++) {
      const r = set[b] as number;
      let [most, load] = [0, 0];
      for (let other = 0; other < depth; other++) {
        load += at(moved, b * depth + other);
        most = Math.max(most, at(moved, other * depth + b));
      }
      usd += at(fixedUsd, r) + at(egressUsd, r) * load;
      usd += at(unitUsd, r) * instances(units, load + most);
    }
    return usd;
  }

  /** `moved`, at nearest * depth + second nearest: the users who go from one to the other when the first is lost. */
  private countMoves(depth: number): void {
    const { moved } = this;
    const { weights } = this.problem;
    const position = depth - 1;
    const before = this.nearest[position] as Int8Array;
    const beforeSecond = this.second[position] as Int8Array;
    const beforeMs = this.nearestMs[position] as Float64Array;
    const beforeSecondMs = this.secondMs[position] as Float64Array;
    const row = this.rows[this.set[position] as number] as Float64Array;
    moved.fill(0, 0, depth * depth);
    for (let p = 0; p < row.length; p++) {
      const ms = at(row, p);
      const near = position8(before, p);
      const way =
        ms < at(beforeMs, p)
          ? position * depth + near
          : near * depth + (ms < at(beforeSecondMs, p) ? position : position8(beforeSecond, p));
      moved[way] = at(moved, way) + at(weights, p);
    }
  }

  private transferUsd(primary: number): number {
    let usd = 0;
    for (const r of this.set) usd += at(this.problem.cost.transferUsd, primary * this.n + r);
    return usd;
  }

  /** Serving `primary`: the cost. Serving `all`: no more than the cost, because k - 1 must carry what k carry. */
  private leastUsd(primary: number): number {
    const { serving, cost } = this.problem;
    const { unitUsd, fixedUsd, egressUsd, units, standbyShare } = cost;
    let usd = this.transferUsd(primary);
    if (serving === 'primary') {
      for (const r of this.set) {
        usd += at(fixedUsd, r);
        usd += at(unitUsd, r) * (r === primary ? units : standbyShare === 0 ? 0 : instances(units, standbyShare));
      }
      return usd + at(egressUsd, primary);
    }
    let [unit, out] = [Infinity, Infinity];
    for (const r of this.set) {
      usd += at(fixedUsd, r);
      unit = Math.min(unit, at(unitUsd, r));
      out = Math.min(out, at(egressUsd, r));
    }
    const k = this.set.length;
    return usd + out + unit * Math.max(k, Math.ceil((units * k) / (k - 1) - 1e-9));
  }

  /** Coverage grows by no more than the `left` largest gains of single candidates: a set that stays short is passed over. */
  private canCover(from: number, left: number): boolean {
    for (let o = 0; o < this.groups.length; o++) {
      const groups = this.groups[o] as Groups;
      if (groups.share === 0 || millionths(at(this.covered, o)) >= millionths(groups.share)) continue;
      const gains: number[] = [];
      for (let position = from; position < this.order.length; position++)
        gains.push(this.gain(o, this.order[position] as number));
      gains.sort((a, b) => b - a);
      let most = at(this.covered, o);
      for (let k = 0; k < left; k++) most += gains[k] ?? 0;
      if (millionths(most) + 1 < millionths(groups.share)) return false;
    }
    return true;
  }

  private gain(o: number, r: number): number {
    const groups = this.groups[o] as Groups;
    const counts = this.counts[o] as Uint8Array;
    const list = groups.of[r] as Int32Array;
    let gain = 0;
    for (let k = 0; k < list.length; k++)
      if (byte(counts, whole(list, k)) === 0) gain += at(groups.weight, whole(list, k));
    return gain;
  }

  /** What no choice beats: the cheapest of each line, or the sum of the largest coverages. */
  private rootBound(): number {
    const { problem } = this;
    if (problem.goal === 'coverage') {
      const gains = this.order.map((r) => this.gain(0, r)).toSorted((a, b) => b - a);
      const most = problem.serving === 'all' ? problem.sizes.max : 1;
      return Math.min(
        1,
        gains.slice(0, most).reduce((sum, gain) => sum + gain, 0),
      );
    }
    const { unitUsd, fixedUsd, egressUsd, units, standbyShare } = problem.cost;
    const least = (list: Float64Array): number => list.reduce((a, b) => Math.min(a, b), Infinity);
    const { min, max } = problem.sizes;
    const factor = problem.serving === 'all' ? max / (max - 1) : 1 + standbyShare * (min - 1);
    return least(unitUsd) * units * factor + least(fixedUsd) * min + least(egressUsd);
  }
}

/** Is the pair i, j before k, l? A pair that is not allowed takes Infinity, and none has been found yet then: k is -1. */
const isBefore = (i: number, j: number, k: number, l: number): boolean => k >= 0 && (i < k || (i === k && j < l));
