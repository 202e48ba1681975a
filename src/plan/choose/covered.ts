import { millionths } from '../problem.ts';
import type { Groups } from './groups.ts';
import type { Ranked } from './ranked.ts';

const at = (list: Float64Array, index: number): number => list[index] as number;
const whole = (list: Int32Array, index: number): number => list[index] as number;
const byte = (list: Uint8Array, index: number): number => list[index] as number;

/** Which groups of populations the positions chosen so far serve in time, for every objective. */
export class Covered {
  private readonly ranked: Ranked;
  /** Per objective: how many of the chosen serve each group. */
  private readonly counts: readonly Uint8Array[];
  private readonly shares: Float64Array;

  constructor(ranked: Ranked) {
    this.ranked = ranked;
    this.counts = ranked.groups.map(({ count }) => new Uint8Array(count));
    this.shares = new Float64Array(ranked.groups.length);
  }

  /** Share of users in time for objective `o`. */
  share(o: number): number {
    return at(this.shares, o);
  }

  add(r: number): void {
    for (let o = 0; o < this.counts.length; o++) {
      const { of, weight } = this.ranked.groups[o] as Groups;
      const counts = this.counts[o] as Uint8Array;
      const list = of[r] as Int32Array;
      let gain = 0;
      for (let k = 0; k < list.length; k++) {
        const g = whole(list, k);
        const before = byte(counts, g);
        counts[g] = before + 1;
        if (before === 0) gain += at(weight, g);
      }
      this.shares[o] = at(this.shares, o) + gain;
    }
  }

  remove(r: number): void {
    for (let o = 0; o < this.counts.length; o++) {
      const { of, weight } = this.ranked.groups[o] as Groups;
      const counts = this.counts[o] as Uint8Array;
      const list = of[r] as Int32Array;
      let loss = 0;
      for (let k = 0; k < list.length; k++) {
        const g = whole(list, k);
        const after = byte(counts, g) - 1;
        counts[g] = after;
        if (after === 0) loss += at(weight, g);
      }
      this.shares[o] = at(this.shares, o) - loss;
    }
  }

  /** What `r` would add for objective `o`. */
  gain(o: number, r: number): number {
    const { of, weight } = this.ranked.groups[o] as Groups;
    const counts = this.counts[o] as Uint8Array;
    const list = of[r] as Int32Array;
    let gain = 0;
    for (let k = 0; k < list.length; k++) {
      const g = whole(list, k);
      if (byte(counts, g) === 0) gain += at(weight, g);
    }
    return gain;
  }

  /** What only `r` of the chosen serves in time, for the first objective. */
  alone(r: number): number {
    const { of, weight } = this.ranked.groups[0] as Groups;
    const counts = this.counts[0] as Uint8Array;
    const list = of[r] as Int32Array;
    let sum = 0;
    for (let k = 0; k < list.length; k++) {
      const g = whole(list, k);
      if (byte(counts, g) === 1) sum += at(weight, g);
    }
    return sum;
  }

  /** Objectives that are demanded: a set that stays short of one is passed over. */
  canReach(from: number, left: number): boolean {
    for (const [o, { share }] of this.ranked.groups.entries()) {
      if (share === 0 || millionths(this.share(o)) >= millionths(share)) continue;
      if (millionths(this.most(o, from, left)) + 1 < millionths(share)) return false;
    }
    return true;
  }

  /** Coverage grows by no more than the `left` largest gains of single positions from `from` on. */
  most(o: number, from: number, left: number): number {
    const gains: number[] = [];
    for (let r = from; r < this.ranked.n; r++) gains.push(this.gain(o, r));
    gains.sort((a, b) => b - a);
    let most = this.share(o);
    for (let k = 0; k < left; k++) most += gains[k] ?? 0;
    return most;
  }
}
