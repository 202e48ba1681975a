import type { Ranked } from './ranked.ts';

const at = (list: Float64Array, index: number): number => list[index] as number;
const rank = (list: Uint16Array, index: number): number => list[index] as number;
const place = (list: Int8Array, index: number): number => list[index] as number;

/** Farther than every candidate. */
const NOBODY = 65_535;

/** Who is nearest to each population among the positions chosen so far, per depth; worked out when first asked for. */
export class Nearest {
  private readonly ranked: Ranked;
  private readonly set: readonly number[];
  private readonly nearest: readonly Int8Array[];
  private readonly nearestRank: readonly Uint16Array[];
  private readonly loads: readonly Float64Array[];
  /** Depths from 0 to this one are worked out for the set as it is. */
  private known = 0;

  constructor(ranked: Ranked, set: readonly number[], most: number) {
    this.ranked = ranked;
    this.set = set;
    const people = ranked.weights.length;
    const perDepth = <T>(make: () => T): readonly T[] => Array.from({ length: most + 1 }, make);
    this.nearest = perDepth(() => new Int8Array(people));
    this.nearestRank = perDepth(() => new Uint16Array(people).fill(NOBODY));
    this.loads = perDepth(() => new Float64Array(most));
  }

  /** The set is shorter, or differs from here on. */
  forget(depth: number): void {
    this.known = Math.min(this.known, depth);
  }

  /**
   * Share of users nearest to each of the first `depth` of the set and to position `r` after them, into `into`.
   * What `r` takes is taken from whom it was nearest to.
   */
  loadsWith(r: number, depth: number, into: Float64Array): void {
    while (this.known < depth) this.fill(this.known + 1);
    const near = this.nearest[depth] as Int8Array;
    const nearRank = this.nearestRank[depth] as Uint16Array;
    const row = this.ranked.rows[r] as Uint16Array;
    const { weights } = this.ranked;
    const before = this.loads[depth] as Float64Array;
    for (let m = 0; m < depth; m++) into[m] = at(before, m);
    let gained = 0;
    for (let p = 0; p < row.length; p++) {
      if (rank(row, p) > rank(nearRank, p)) continue;
      const weight = at(weights, p);
      const from = place(near, p);
      into[from] = at(into, from) - weight;
      gained += weight;
    }
    into[depth] = gained;
  }

  /** The arrays of a depth, from those of the depth before and the position added last. */
  private fill(depth: number): void {
    const last = depth - 1;
    const near = this.nearest[depth] as Int8Array;
    const nearRank = this.nearestRank[depth] as Uint16Array;
    const before = this.nearest[last] as Int8Array;
    const beforeRank = this.nearestRank[last] as Uint16Array;
    const row = this.ranked.rows[this.set[last] as number] as Uint16Array;
    const loads = this.loads[depth] as Float64Array;
    const { weights } = this.ranked;
    loads.fill(0);
    for (let p = 0; p < row.length; p++) {
      const mine = rank(row, p);
      const least = rank(beforeRank, p);
      const isNearer = mine < least;
      const who = isNearer ? last : place(before, p);
      near[p] = who;
      nearRank[p] = isNearer ? mine : least;
      loads[who] = at(loads, who) + at(weights, p);
    }
    this.known = depth;
  }
}
