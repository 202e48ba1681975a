/** Seeded randomness (sfc32): the same seed gives the same schedule on every machine. */
export class Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    this.#a = 0x9e3779b9 ^ seed;
    this.#b = 0x243f6a88;
    this.#c = 0xb7e15162 ^ Math.floor(seed / 0x100000000);
    this.#d = 1;
    for (let i = 0; i < 15; i++) this.#next();
  }

  #next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return t >>> 0;
  }

  /** From 0 (inclusive) to 1 (exclusive). */
  unit(): number {
    return this.#next() / 0x100000000;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /** A whole number from `low` to `high`, both inclusive. */
  whole(low: number, high: number): number {
    return low + Math.floor((high - low + 1) * this.unit());
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<const T extends readonly [unknown, ...unknown[]]>(from: T): T[number];
  pick<T>(from: readonly T[]): T | undefined;
  pick(from: readonly unknown[]): unknown {
    return from[this.whole(0, from.length - 1)];
  }

  /** Another stream of its own, so that one consumer's draws don't move another's. */
  fork(): Rng {
    return new Rng(this.#next());
  }
}
