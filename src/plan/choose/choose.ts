import { assert } from '../../base/result.ts';
import type { Choice, Chosen, PlanProblem } from '../problem.ts';
import { boundOf, countSets } from './measures.ts';
import { guesses } from './guess.ts';
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
  /** With more sets than this good ones are guessed first. */
  readonly guessFrom: number;
  /** Is the Pareto front asked for? It takes longer than the best, which are found and proven first. */
  readonly front: boolean;
  /** Asked every few thousand sets once there is a choice: true ends the search, with what it has found and a bound for the rest. */
  readonly isEnough: (progress: Progress) => boolean;
  /** Branches between two of those questions. */
  readonly stepBranches: number;
}

/** How far the search is. */
export interface Progress {
  /** `best`: the best choices are looked for and proven. `front`: the Pareto front is. */
  readonly stage: 'best' | 'front';
  /** Sets of this size are looked through now, and so large a share of them is done. */
  readonly size: number;
  readonly share: number;
  /** Null: none was found so far. */
  readonly best: Choice | null;
}

/** More sets than this: the front is of the list of the best only. */
const MOST_SETS_FOR_FRONT = 20_000_000;

const DEFAULT_CHOOSE: ChooseOptions = {
  top: 6,
  mostSets: 60_000_000,
  tablesFrom: 500,
  guessFrom: 1_000_000,
  front: true,
  isEnough: () => false,
  stepBranches: 500,
};

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
  private size = 1;
  private visited = 0;
  private branches = 0;
  private stage: Progress['stage'] = 'best';
  /** Out of patience: with the best not proven, or with the front not complete. */
  private cutIn: Progress['stage'] | null = null;

  constructor(problem: PlanProblem, options: ChooseOptions) {
    const { max } = problem.sizes;
    const n = problem.candidates.length;
    this.problem = problem;
    this.options = options;
    this.ranked = rank(problem);
    this.subsets = countSets(n - problem.pinned.length, problem);
    this.keeper = new Keeper(problem, options.top);
    this.judge = new Judge(problem, this.ranked, this.keeper, this.set, this.subsets >= options.tablesFrom);
    this.blocked = Array.from({ length: max + 1 }, () => new Uint8Array(n));
    this.pairOf = new Int32Array(max + 1).fill(NO_PAIR);
    this.pairWith = Array.from({ length: max + 1 }, () => new Int32Array(n).fill(NO_PAIR));
  }

  run(): Chosen {
    for (const _ of this.steps()) if (this.isEnough()) break;
    const { subsets, keeper, cutIn } = this;
    const { evaluated } = this.judge;
    return {
      top: keeper.top(),
      pareto: keeper.pareto(),
      proof:
        cutIn === 'best'
          ? { kind: 'gap', subsets, evaluated, bound: this.boundOfRest() }
          : { kind: 'optimal', subsets, evaluated, wholeFront: this.stage === 'front' && cutIn === null },
    };
  }

  /** The best first, then the front: each time every size, and a pause now and then. */
  private *steps(): Generator<void, void> {
    const { min, max } = this.problem.sizes;
    const least = Math.max(min, this.ranked.pinned);
    if (this.subsets > this.options.guessFrom)
      for (const guessed of guesses(this.problem)) {
        for (const choice of guessed) this.keeper.offer(choice);
        yield;
      }
    if (this.cutIn !== null) return;
    for (this.size = 1; this.size <= max; this.size++) {
      const isTable = this.judge.hasTables && this.size < max;
      if (isTable) this.judge.begin(this.size);
      if (isTable || this.size >= least) yield* this.walk(0, isTable);
      if (this.cutIn !== null) return;
      if (isTable) this.judge.end(this.size);
    }
    if (!this.options.front || this.subsets > MOST_SETS_FOR_FRONT) return;
    this.stage = 'front';
    this.keeper.wantFront();
    for (this.size = least; this.size <= max && this.cutIn === null; this.size++) yield* this.walk(0, false);
  }

  private isEnough(): boolean {
    if (this.cutIn !== null) return false;
    const [best = null] = this.keeper.top();
    const { stage, size } = this;
    if (!this.options.isEnough({ stage, size, share: this.shareDone(), best })) return false;
    this.cutIn = stage;
    return true;
  }

  /** By the first position: the sets that begin before it are done. */
  private shareDone(): number {
    const { n, pinned } = this.ranked;
    const first = this.set[pinned] ?? 0;
    let left = 1;
    for (let i = 0; i < this.size - pinned; i++) left *= Math.max(0, n - first - i) / Math.max(1, n - pinned - i);
    return 1 - left;
  }

  /** What none of the sets that were not looked at beats: those that go on from here, and those of the sizes to come. */
  private boundOfRest(): number {
    const { set, judge, problem } = this;
    const isCost = problem.goal === 'cost';
    const [best] = this.keeper.top();
    let bound = isCost ? (best?.costUsd ?? Infinity) : (best?.coverage ?? 0);
    const add = (from: number, left: number): void => {
      if (from + left > this.ranked.n || left < 1) return;
      bound = isCost ? Math.min(bound, judge.leastUsd(from, left)) : Math.max(bound, judge.mostCoverage(from, left));
    };
    // The branch that was cut is open as a whole; before it, at each position, those that come after.
    add((set.at(-1) ?? -1) + 1, this.size - set.length);
    while (set.length > 0) {
      const r = set.at(-1) as number;
      this.pop(r);
      add(r + 1, this.size - set.length);
    }
    for (let size = this.size + 1; size <= problem.sizes.max; size++) add(0, size);
    return isCost
      ? Math.max(bound, Math.min(boundOf(problem), best?.costUsd ?? Infinity))
      : Math.min(bound, boundOf(problem));
  }

  /** Every set that begins like this one and goes on from position `from`. */
  private *walk(from: number, isTable: boolean): Generator<void, void> {
    const { set, ranked, judge, size } = this;
    const depth = set.length;
    const left = size - depth;
    // A row of a table is asked for by sets that cover more.
    if (!isTable && !judge.isOpen(from, left)) return;
    if (left === 1) {
      this.leaves(from, isTable);
      this.branches += 1;
      if (this.branches % this.options.stepBranches === 0) yield;
      return;
    }
    for (let r = from; r <= ranked.n - left && this.cutIn === null; r++) {
      if (this.missing(r, left) > (isTable ? 1 : 0)) return;
      if (byte(this.blocked[depth] as Uint8Array, r) === 1) continue;
      this.visited += 1;
      this.push(r);
      yield* this.walk(r + 1, isTable);
      if (this.cutIn !== null) return;
      this.pop(r);
    }
  }

  private leaves(from: number, isTable: boolean): void {
    const { set, ranked, judge, problem, size } = this;
    const depth = set.length;
    const blocked = this.blocked[depth] as Uint8Array;
    const pairWith = this.pairWith[depth] as Int32Array;
    const pair = whole(this.pairOf, depth);
    const isWhole = size >= problem.sizes.min;
    judge.enter(size);
    if (!isTable && !judge.isOpenAtLast(from)) return;
    for (let r = from; r < ranked.n; r++) {
      const missing = this.missing(r, 1);
      if (missing > (isTable ? 1 : 0)) return;
      if (byte(blocked, r) === 1) continue;
      this.visited += 1;
      if (this.visited > this.options.mostSets) {
        this.cutIn = this.stage;
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
