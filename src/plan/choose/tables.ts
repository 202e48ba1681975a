/**
 * What sets of one size are like, kept for the sets with one more candidate: after the loss of `a` a choice S is the smaller set S without a. So the
 * worst loss and the machines for a neighbour's users are lookups, and bound what is not known yet.
 *
 * A set of positions p0 < p1 < ... is a row: the rows of all sets that begin alike lie side by side, in the order of their last position.
 */
export interface Table {
  readonly size: number;
  /** By the rank of the set without its last position: the row that position 0 would be, if it came last. */
  readonly base: Int32Array;
  /** Share of users within the first objective. */
  readonly coverage: Float64Array;
  /** The most that the last position of this set, or a later one, adds to the set without it. */
  readonly gainFrom: Float64Array;
  /** At row * size + place in the set: share of users who are nearest to it. */
  readonly loads: Float64Array;
}

/** Binomial coefficients up to `size`, at position * (size + 1) + size: the ranks of sets are their sums. */
export class Ranks {
  private readonly width: number;
  private readonly ways: Float64Array;

  constructor(n: number, size: number) {
    this.width = size + 1;
    this.ways = new Float64Array((n + 1) * this.width);
    for (let a = 0; a <= n; a++)
      for (let k = 0; k <= size; k++)
        this.ways[a * this.width + k] = k === 0 ? 1 : a === 0 ? 0 : this.of(a - 1, k - 1) + this.of(a - 1, k);
  }

  /** Ways to choose k of a. */
  of(a: number, k: number): number {
    return this.ways[a * this.width + k] as number;
  }

  /** The rank of the first `length` of ascending positions, without the one at `skip` (-1: with all). */
  rank(positions: readonly number[], length: number, skip: number): number {
    let [sum, k] = [0, 0];
    for (let i = 0; i < length; i++) {
      if (i === skip) continue;
      k += 1;
      sum += this.of(positions[i] as number, k);
    }
    return sum;
  }
}

/** An empty table: rows of zeros are no row of any set, and weaken a bound without breaking it. */
export function tableOf(n: number, size: number, ranks: Ranks): Table {
  const base = new Int32Array(ranks.of(n, size - 1));
  const prefix = Array.from({ length: size - 1 }, (_, i) => i);
  let rows = 0;
  for (let rank = 0; rank < base.length; rank++) {
    const last = prefix.at(-1) ?? -1;
    base[rank] = rows - (last + 1);
    rows += n - 1 - last;
    advance(prefix);
  }
  const list = (length: number): Float64Array => new Float64Array(length);
  return { size, base, coverage: list(rows), gainFrom: list(rows), loads: list(rows * size) };
}

/** `gainFrom` of a full table; `smaller`: the table of the sets with one less, null: the set without its last position is empty. */
export function fillGains(table: Table, smaller: Table | null, n: number, ranks: Ranks): void {
  const prefix = Array.from({ length: table.size - 1 }, (_, i) => i);
  for (const base of table.base) {
    const last = prefix.at(-1) ?? -1;
    const before = smaller === null ? 0 : (smaller.coverage[rowOf(smaller, prefix, ranks)] as number);
    let most = 0;
    for (let r = n - 1; r > last; r--) {
      most = Math.max(most, (table.coverage[base + r] as number) - before);
      table.gainFrom[base + r] = most;
    }
    advance(prefix);
  }
}

const rowOf = (table: Table, positions: readonly number[], ranks: Ranks): number =>
  (table.base[ranks.rank(positions, positions.length - 1, -1)] as number) + (positions.at(-1) as number);

/** The next set in the order of the ranks. */
function advance(positions: number[]): void {
  for (const [i, position] of positions.entries()) {
    if (position + 1 < (positions[i + 1] ?? Infinity)) {
      positions[i] = position + 1;
      return;
    }
    positions[i] = i;
  }
}
