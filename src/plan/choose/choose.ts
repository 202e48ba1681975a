import { assert } from '../../base/result.ts';
import type { Chosen, PlanProblem } from '../problem.ts';
import { boundOf, countSets } from './measures.ts';
import { Keeper } from './keep.ts';
import { Judge } from './judge.ts';
import { NO_PAIR, rank, type Ranked } from './ranked.ts';

export interface ChooseOptions {
  /** How many of the best are kept. */
  readonly top: number;
  /** Sets looked at before giving up the proof: some 10 million a second. */
  readonly mostSets: number;
  /** With fewer sets than this each is judged by itself; with more, by tables of the smaller sets. The answer is the same. */
  readonly tablesFrom: number;
}

/** More sets than this: the front is of the list of the best only. */
const MOST_SETS_FOR_FRONT = 20_000_000;

export const DEFAULT_CHOOSE: ChooseOptions = { top: 6, mostSets: 60_000_000, tablesFrom: 500 };

const whole = (list: Int32Array, index: number): number => list[index] as number;
const byte = (list: Uint8Array, index: number): number => list[index] as number;

/**
 * The best sets of candidates, exactly: every set of an allowed size is evaluated, unless a bound shows that neither it nor
 * any set that contains it could be allowed or kept. Deterministic.
 */
export function choose(problem: PlanProblem, options: Partial<ChooseOptions> = {}): Chosen {
  const { min, max } = problem.sizes;
  assert(min >= 2 && max >= min && problem.objectives.length > 0, 'a problem that can be solved');
  return new Search(problem, { ...DEFAULT_CHOOSE, ...options }).run();
}

/** Walks the sets, one size after another: what the sets of one size are like is kept for those with one more. */
class Search {
  private readonly problem: PlanProblem;
  private readonly options: ChooseOptions;
  private readonly ranked: Ranked;
  private readonly subsets: number;
  private readonly keeper: Keeper;
  private readonly judge: Judge;
  private readonly set: number[] = [];
  /** Per depth: 1 for a position that may not join the positions chosen so far. */
  private readonly blocked: readonly Uint8Array[];
  /** Per depth: rank of the best pair of the positions chosen so far, and of each position with one of them. */
  private readonly pairOf: Int32Array;
  private readonly pairWith: readonly Int32Array[];
  private visited = 0;
  private isCut = false;

  constructor(problem: PlanProblem, options: ChooseOptions) {
    const { max } = problem.sizes;
    const n = problem.candidates.length;
    this.problem = problem;
    this.options = options;
    this.ranked = rank(problem);
    this.subsets = countSets(n - problem.pinned.length, problem);
    this.keeper = new Keeper(problem, options.top, this.subsets <= MOST_SETS_FOR_FRONT);
    this.judge = new Judge(problem, this.ranked, this.keeper, this.set, this.subsets >= options.tablesFrom);
    this.blocked = Array.from({ length: max + 1 }, () => new Uint8Array(n));
    this.pairOf = new Int32Array(max + 1).fill(NO_PAIR);
    this.pairWith = Array.from({ length: max + 1 }, () => new Int32Array(n).fill(NO_PAIR));
  }

  run(): Chosen {
    const { min, max } = this.problem.sizes;
    const least = Math.max(min, this.ranked.pinned);
    for (let size = 1; size <= max && !this.isCut; size++) {
      const isTable = this.judge.hasTables && size < max;
      if (isTable) this.judge.begin(size);
      if (isTable || size >= least) this.walk(size, 0, isTable);
    }
    const { subsets, keeper } = this;
    const { evaluated } = this.judge;
    return {
      top: keeper.top(),
      pareto: keeper.pareto(),
      proof: this.isCut
        ? { kind: 'gap', subsets, evaluated, bound: boundOf(this.problem) }
        : { kind: 'optimal', subsets, evaluated },
    };
  }

  /** Every set of `size` that begins like this one and goes on from position `from`. */
  private walk(size: number, from: number, isTable: boolean): void {
    const { set, ranked, judge } = this;
    const depth = set.length;
    const left = size - depth;
    // A row of a table is asked for by sets that cover more.
    if (!isTable && !judge.isOpen(from, left)) return;
    if (left === 1) {
      this.leaves(size, from, isTable);
      return;
    }
    for (let r = from; r <= ranked.n - left && !this.isCut; r++) {
      if (this.missing(r, left) > (isTable ? 1 : 0)) return;
      if (byte(this.blocked[depth] as Uint8Array, r) === 1) continue;
      this.visited += 1;
      this.push(r);
      this.walk(size, r + 1, isTable);
      this.pop(r);
    }
  }

  private leaves(size: number, from: number, isTable: boolean): void {
    const { set, ranked, judge, problem } = this;
    const depth = set.length;
    const blocked = this.blocked[depth] as Uint8Array;
    const pairWith = this.pairWith[depth] as Int32Array;
    const pair = whole(this.pairOf, depth);
    const isWhole = size >= problem.sizes.min;
    judge.enter(size);
    for (let r = from; r < ranked.n; r++) {
      const missing = this.missing(r, 1);
      if (missing > (isTable ? 1 : 0)) return;
      if (byte(blocked, r) === 1) continue;
      this.visited += 1;
      if (this.visited > this.options.mostSets) {
        this.isCut = true;
        return;
      }
      if (isTable) judge.store(r, size);
      const best = Math.min(pair, whole(pairWith, r));
      if (isWhole && missing === 0 && best !== NO_PAIR) judge.consider(r, size, best);
    }
  }

  /** How many pinned positions a set can't have any more: those before it are all in it, `r` comes next, and `left` are to come with it. */
  private missing(r: number, left: number): number {
    const { pinned } = this.ranked;
    if (pinned === 0) return 0;
    const have = this.set.reduce((sum, position) => sum + Number(position < pinned), 0);
    const canHave = Math.min(left, Math.max(0, pinned - r));
    return pinned - have - canHave;
  }

  private push(r: number): void {
    const { ranked, set } = this;
    const { n, conflicts, pairRank } = ranked;
    const depth = set.length;
    const [before, after] = [this.blocked[depth] as Uint8Array, this.blocked[depth + 1] as Uint8Array];
    const [was, is] = [this.pairWith[depth] as Int32Array, this.pairWith[depth + 1] as Int32Array];
    this.pairOf[depth + 1] = Math.min(whole(this.pairOf, depth), whole(was, r));
    for (let other = r + 1; other < n; other++) {
      after[other] = byte(before, other) | byte(conflicts, r * n + other);
      is[other] = Math.min(whole(was, other), whole(pairRank, r * n + other));
    }
    this.judge.add(r);
    set.push(r);
  }

  private pop(r: number): void {
    this.set.pop();
    this.judge.remove(r);
  }
}
