import { reachOf } from '../in-time.ts';
import { millionths, type Choice, type PlanProblem } from '../problem.ts';
import { leastVoteUsd, voterOf } from '../votes.ts';
import { Covered } from './covered.ts';
import type { Keeper } from './keep.ts';
import { instances } from './measures.ts';
import { leastEgressUsd } from './least-egress.ts';
import { Nearest } from './nearest.ts';
import { eachOrder } from './one-serves.ts';
import type { Pair, Ranked } from './ranked.ts';
import { countMoves, sharedUsd } from './shared.ts';
import { fillGains, Ranks, tableOf, type Table } from './tables.ts';

/** Rows of the largest table: below it a table costs some 100 MB at most. */
const MOST_ROWS = 2_000_000;
/** A bound is the exact cost in the end: rounding must not make it more. */
const ROUNDING_USD = 1e-6;
/** And no share more than it is. */
const TINY = 1e-9;
/** So many losses are looked at first. */
const FIRST_LOSSES = 2;
const at = (list: Float64Array, index: number): number => list[index] as number;
const whole = (list: Int32Array, index: number): number => list[index] as number;

type Reach = Pick<Choice, 'coverage' | 'worst'>;

/**
 * What one set is like: is it allowed, could it be kept, and then exactly. Bounds come first, cheapest first. The set under judgement is the
 * positions of `set` and one more, `r`, behind them.
 */
export class Judge {
  readonly hasTables: boolean;
  /** Sets whose cost was worked out. */
  evaluated = 0;
  private readonly problem: PlanProblem;
  private readonly ranked: Ranked;
  private readonly keeper: Keeper;
  private readonly set: number[];
  private readonly covered: Covered;
  private readonly nearest: Nearest;
  private readonly ranks: Ranks;
  private readonly tables: (Table | null)[] = [];
  private readonly voteUsd: number;
  /** Per depth: the cheapest vote, and fixed cost and one machine each, of the positions chosen so far. */
  private readonly addedUsd: Float64Array;
  /** Per place in the set: the row of the set without it is this plus `r`; and what the set without it and `r` covers. */
  private readonly rowWithout: Int32Array;
  private readonly coverageWithout: Float64Array;
  private readonly needs: Float64Array;
  private readonly caps: Float64Array;
  private readonly loads: Float64Array;
  private readonly moved: Float64Array;
  private readonly asksPrimary: boolean;

  constructor(problem: PlanProblem, ranked: Ranked, keeper: Keeper, set: number[], isTabled: boolean) {
    const { max } = problem.sizes;
    this.problem = problem;
    this.ranked = ranked;
    this.keeper = keeper;
    this.set = set;
    this.covered = new Covered(ranked);
    this.nearest = new Nearest(ranked, set, max);
    this.ranks = new Ranks(ranked.n, max);
    this.hasTables = problem.serving === 'all' && isTabled && this.ranks.of(ranked.n, max - 1) <= MOST_ROWS;
    this.voteUsd = leastVoteUsd(problem);
    this.addedUsd = new Float64Array(max + 1);
    this.addedUsd[0] = this.voteUsd;
    this.rowWithout = new Int32Array(max);
    this.coverageWithout = new Float64Array(max);
    this.needs = new Float64Array(max);
    this.caps = new Float64Array(max);
    this.loads = new Float64Array(max);
    this.moved = new Float64Array(max * max);
    this.asksPrimary = problem.serving === 'all' && problem.objectives.some(({ primaryFactor }) => primaryFactor > 0);
  }

  /** The sets of this size are next. */
  begin(size: number): void {
    this.tables[size] = tableOf(this.ranked.n, size, this.ranks);
  }

  /** The table of this size is full. */
  end(size: number): void {
    const table = this.tables[size] as Table;
    const before = this.tables[size - 1] ?? null;
    fillGains(table, before, this.ranked.n, this.ranks);
  }

  add(r: number): void {
    this.covered.add(r);
    const depth = this.set.length;
    this.addedUsd[depth + 1] = this.added(depth) + at(this.ranked.fixedUsd, r) + at(this.ranked.unitUsd, r);
  }

  remove(r: number): void {
    this.covered.remove(r);
    this.nearest.forget(this.set.length);
  }

  /** Could the set with `left` more positions from `from` on be allowed and kept? */
  isOpen(from: number, left: number): boolean {
    if (this.problem.serving === 'primary') return true;
    const leastUsd = this.leastUsd(from, left);
    if (this.problem.budgetUsd !== null && leastUsd > this.problem.budgetUsd) return false;
    if (this.keeper.isTooDear(leastUsd)) return false;
    return left < 2 || this.covered.canReach(from, left);
  }

  /** No set with `left` more positions from `from` on costs less. */
  leastUsd(from: number, left: number): number {
    if (this.problem.serving === 'primary') return 0;
    const { ranked, set } = this;
    const size = set.length + left;
    const most = Math.min(from, ranked.n - 1);
    const more = Math.max(0, this.machines(size) - size);
    let [unit, egress] = [at(ranked.leastUnit, most), at(ranked.leastEgress, most)];
    for (const member of set) {
      unit = Math.min(unit, at(ranked.unitUsd, member));
      egress = Math.min(egress, at(ranked.egressUsd, member));
    }
    return this.added(set.length) + left * at(ranked.leastAdded, from) + more * unit + egress - ROUNDING_USD;
  }

  /** No set with `left` more positions from `from` on serves more users in time. */
  mostCoverage(from: number, left: number): number {
    if (this.problem.serving === 'primary') return 1;
    return Math.min(1, this.covered.most(0, from, left));
  }

  /** The same with one more, after `enter`: by the tables, what it adds is no more than what it adds to a smaller set. */
  isOpenAtLast(from: number): boolean {
    const { problem, set, covered, keeper } = this;
    const size = set.length + 1;
    const table = this.tables[size - 1] ?? null;
    if (!this.hasTables || table === null || this.tables[size - 2] === undefined || from >= this.ranked.n) return true;
    let [most, worst] = [Infinity, covered.share(0)];
    for (let m = 0; m < size - 1; m++) {
      const gain = at(table.gainFrom, whole(this.rowWithout, m) + from);
      most = Math.min(most, gain);
      worst = Math.min(worst, at(this.coverageWithout, m) + gain);
    }
    const coverage = covered.share(0) + most;
    if (millionths(coverage) + 1 < millionths(problem.objectives[0]?.share ?? 0)) return false;
    if (problem.worstShare !== null && millionths(worst) + 1 < millionths(problem.worstShare)) return false;
    const leastUsd = this.leastUsd(from, 1);
    if (problem.budgetUsd !== null && leastUsd > problem.budgetUsd) return false;
    return keeper.couldMatter(leastUsd, coverage + TINY, worst + TINY);
  }

  /** Sets of `size` follow that differ from `set` only in their last position. */
  enter(size: number): void {
    const { set, ranks } = this;
    const depth = size - 1;
    const smaller = this.tables[depth];
    if (smaller === undefined || smaller === null) return;
    const least = this.tables[depth - 1] ?? null;
    for (let m = 0; m < depth; m++) {
      this.rowWithout[m] = whole(smaller.base, ranks.rank(set, depth, m));
      this.coverageWithout[m] = least === null ? 0 : at(least.coverage, this.rowOf(least, depth, m));
    }
  }

  /** The row of the first `depth` of the set without the one at `skip`. */
  private rowOf(table: Table, depth: number, skip: number): number {
    const last = skip === depth - 1 ? depth - 2 : depth - 1;
    return whole(table.base, this.ranks.rank(this.set, last, skip)) + (this.set[last] as number);
  }

  /** Into the table of this size. */
  store(r: number, size: number): void {
    const table = this.tables[size] as Table;
    const row = whole(table.base, this.ranks.rank(this.set, size - 1, -1)) + r;
    table.coverage[row] = this.covered.share(0) + this.covered.gain(0, r);
    this.nearest.loadsWith(r, size - 1, this.loads);
    for (let m = 0; m < size; m++) table.loads[row * size + m] = at(this.loads, m);
  }

  consider(r: number, size: number, pairRank: number): void {
    const pair = this.ranked.pairs[pairRank] as Pair;
    if (this.problem.serving === 'primary')
      eachOrder(this.problem, this.ranked, [...this.set, r], (order, usd, coverage, worst) => {
        if (this.keeper.couldMatter(usd + this.voteUsd, coverage, worst)) this.keep(r, order, usd, coverage, worst);
      });
    else if (this.hasTables) this.byTables(r, size, pair);
    else this.directly(r, size, pair);
  }

  /** All serve, and the sets with one less are in a table. */
  private byTables(r: number, size: number, pair: Pair): void {
    const { problem, keeper, covered } = this;
    const { coverage: smaller } = this.tables[size - 1] as Table;
    let worst = covered.share(0);
    let most = at(this.ranked.single[0] as Float64Array, r);
    for (let m = 0; m < size - 1; m++) {
      const without = at(smaller, whole(this.rowWithout, m) + r);
      worst = Math.min(worst, without);
      // `r` adds the less, the more are there.
      most = Math.min(most, without - at(this.coverageWithout, m));
    }
    const share = problem.objectives[0]?.share ?? 0;
    if (millionths(covered.share(0) + most) + 1 < millionths(share)) return;
    if (problem.worstShare !== null && millionths(worst) < millionths(problem.worstShare)) return;
    const transferUsd = this.changesUsd(r, pair.primary);
    const roughUsd = transferUsd + this.roughUsd(r, size);
    if (!keeper.couldMatter(roughUsd, covered.share(0) + most, worst)) return;
    this.needs.fill(0);
    this.caps.fill(1);
    this.lose(r, size, 0, FIRST_LOSSES);
    // Most sets are too dear after two of the losses.
    const someUsd = this.voteUsd + transferUsd + this.machinesUsd(r, size) + this.least(this.ranked.egressUsd, r);
    if (!keeper.couldMatter(someUsd - ROUNDING_USD, covered.share(0) + most, worst)) return;
    this.lose(r, size, FIRST_LOSSES, size);
    const machinesUsd = transferUsd + this.machinesUsd(r, size);
    const leastUsd =
      this.voteUsd + machinesUsd + leastEgressUsd([...this.set, r], this.ranked.egressUsd, this.caps) - ROUNDING_USD;
    if (problem.budgetUsd !== null && leastUsd > problem.budgetUsd) return;
    if (!keeper.couldMatter(leastUsd, covered.share(0) + most, worst)) return;
    const coverage = this.coverageWith(r);
    if (coverage === null || !keeper.couldMatter(leastUsd, coverage, worst)) return;
    this.nearest.loadsWith(r, size - 1, this.loads);
    let usd = machinesUsd;
    for (let m = 0; m < size; m++) usd += at(this.ranked.egressUsd, this.member(m, r)) * at(this.loads, m);
    this.keep(r, pair, usd, coverage, worst);
  }

  /** All serve, and nothing is known of smaller sets: too many for a table, or too few. */
  private directly(r: number, size: number, pair: Pair): void {
    const { problem, keeper, covered, set } = this;
    const coverage = this.coverageWith(r);
    if (coverage === null) return;
    const transferUsd = this.changesUsd(r, pair.primary);
    const leastUsd = transferUsd + this.roughUsd(r, size);
    if (!keeper.couldMatter(leastUsd, coverage, coverage)) return;
    covered.add(r);
    let alone = covered.alone(r);
    for (const member of set) alone = Math.max(alone, covered.alone(member));
    covered.remove(r);
    const worst = coverage - alone;
    if (problem.worstShare !== null && millionths(worst) < millionths(problem.worstShare)) return;
    if (!keeper.couldMatter(leastUsd, coverage, worst)) return;
    const members = [...set, r];
    countMoves(
      members.map((member) => this.ranked.rows[member] as Uint16Array),
      this.ranked.weights,
      this.moved,
    );
    const usd = transferUsd + sharedUsd(this.ranked, problem.cost.units, members, this.moved);
    this.keep(r, pair, usd, coverage, worst);
  }

  /** `usd`: without the vote. `coverage` and `worst`: as if every region had the primary. */
  private keep(r: number, pair: Pair, usd: number, coverage: number, worst: number): void {
    const { candidate, n } = this.ranked;
    this.evaluated += 1;
    const named = (position: number): number => candidate[position] as number;
    const members = [...this.set, r];
    const regions = members.map(named).toSorted((a, b) => a - b);
    const bareUsd = usd + voterOf(this.problem, regions).usd;
    const offer = ({ primary, standby, writeMs }: Pair, costUsd: number, reach: Reach | null): void => {
      if (reach === null || costUsd > (this.problem.budgetUsd ?? Number.MAX_VALUE)) return;
      const order = { primary: named(primary), standby: named(standby), writeMs };
      this.keeper.offer({ regions, ...order, costUsd, ...reach } satisfies Choice);
    };
    if (!this.asksPrimary) {
      offer(pair, bareUsd, { coverage, worst });
      return;
    }
    const leastUsd = this.changesUsd(r, pair.primary);
    for (const primary of members)
      for (const standby of members) {
        const writeMs = at(this.ranked.writeMs, primary * n + standby);
        if (primary === standby || writeMs === Infinity) continue;
        const costUsd = bareUsd - leastUsd + this.transferUsd(r, primary);
        const reach = this.reachWithPrimary(regions, { primary: named(primary), standby: named(standby) });
        offer({ primary, standby, writeMs }, costUsd, reach);
      }
  }

  /** Requests that ask the primary take longer than the sums know, which have it everywhere. Null: too long. */
  private reachWithPrimary(regions: readonly number[], order: Pick<Choice, 'primary' | 'standby'>): Reach | null {
    const { objectives, worstShare } = this.problem;
    const { reached, worst } = reachOf(this.problem, regions, order);
    if (objectives.some(({ share }, o) => millionths(reached[o] ?? 0) < millionths(share))) return null;
    if (worstShare !== null && millionths(worst) < millionths(worstShare)) return null;
    return { coverage: reached[0] ?? 0, worst };
  }

  /** The stream of changes: of the primary, or at least, when any may be it. */
  private changesUsd(r: number, primary: number): number {
    if (!this.asksPrimary) return this.transferUsd(r, primary);
    let least = Infinity;
    for (let m = 0; m <= this.set.length; m++) least = Math.min(least, this.transferUsd(r, this.member(m, r)));
    return least;
  }

  /** Coverage of the first objective; null: one of the objectives is missed. */
  private coverageWith(r: number): number | null {
    const { objectives } = this.problem;
    let first = 0;
    for (let o = 0; o < objectives.length; o++) {
      const share = this.covered.share(o) + this.covered.gain(o, r);
      if (o === 0) first = share;
      if (millionths(share) < millionths(objectives[o]?.share ?? 0)) return null;
    }
    return first;
  }

  private added(depth: number): number {
    return at(this.addedUsd, depth);
  }

  private member(place: number, r: number): number {
    return place < this.set.length ? (this.set[place] as number) : r;
  }

  private transferUsd(r: number, primary: number): number {
    const { transferUsd, n } = this.ranked;
    let usd = at(transferUsd, primary * n + r);
    for (let m = 0; m < this.set.length; m++) usd += at(transferUsd, primary * n + (this.set[m] as number));
    return usd;
  }

  private least(list: Float64Array, r: number): number {
    let least = at(list, r);
    for (let m = 0; m < this.set.length; m++) least = Math.min(least, at(list, this.set[m] as number));
    return least;
  }

  /** Without the transfer, no more than the cost: a machine in each, the others and all users where it is cheapest; k - 1 must carry what k carry. */
  private roughUsd(r: number, size: number): number {
    const { fixedUsd, unitUsd, egressUsd } = this.ranked;
    const more = Math.max(0, this.machines(size) - size) * this.least(unitUsd, r);
    return this.added(size - 1) + at(fixedUsd, r) + at(unitUsd, r) + more + this.least(egressUsd, r) - ROUNDING_USD;
  }

  /** What the members need when each of those at places `from` to `until` is lost: their load in that smaller set. */
  private lose(r: number, size: number, from: number, until: number): void {
    const { needs, caps } = this;
    const { loads } = this.tables[size - 1] as Table;
    const width = size - 1;
    for (let lost = from; lost < until && lost < size; lost++) {
      const row = lost < width ? whole(this.rowWithout, lost) + r : this.ownRow(size);
      for (let k = 0; k < width; k++) {
        const load = at(loads, row * width + k);
        const place = k < lost ? k : k + 1;
        if (load > at(needs, place)) needs[place] = load;
        if (load < at(caps, place)) caps[place] = load;
      }
    }
  }

  /** Fixed cost and machines for those needs; exactly, when every loss was looked at: each is sized for its users and those of any one that is lost. */
  private machinesUsd(r: number, size: number): number {
    const { needs, ranked } = this;
    let usd = 0;
    for (let m = 0; m < size; m++) {
      const member = this.member(m, r);
      usd +=
        at(ranked.fixedUsd, member) + at(ranked.unitUsd, member) * instances(this.problem.cost.units, at(needs, m));
    }
    return usd;
  }

  /** What `size` regions have between them, at least: without any one of them the others carry all. */
  private machines(size: number): number {
    return size < 2 ? 0 : Math.ceil((this.problem.cost.units * size) / (size - 1) - 1e-9);
  }

  private ownRow(size: number): number {
    const table = this.tables[size - 1] as Table;
    return this.rowOf(table, size - 1, -1);
  }
}
