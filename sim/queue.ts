/** Something that will happen, unless it is called off. */
export interface Happening {
  readonly isOff: boolean;
  happen(): void;
}

/**
 * What will happen, in the order of time; within one moment in the order in which it was added. A binary heap, with the times
 * in an array of their own: to find a place takes comparing numbers, and nothing of what happens is touched.
 */
export class Queue {
  #times = new Float64Array(1_024);
  #orders = new Float64Array(1_024);
  readonly #what: Happening[] = [];
  #added = 0;

  /** Of the first one; not a number without one. */
  get nextMs(): number {
    return this.#what.length === 0 ? Number.NaN : (this.#times[0] ?? Number.NaN);
  }

  add(atMs: number, what: Happening): void {
    let i = this.#what.push(what) - 1;
    if (i >= this.#times.length) this.#grow();
    const times = this.#times;
    const order = this.#added++;
    while (i > 0) {
      const up = (i - 1) >> 1;
      // Whatever was added before comes first.
      if ((times[up] ?? 0) <= atMs) break;
      this.#move(up, i);
      i = up;
    }
    this.#put(i, atMs, order, what);
  }

  take(): Happening | undefined {
    const heap = this.#what;
    const first = heap[0];
    const last = heap.pop();
    const size = heap.length;
    if (last === undefined || size === 0) return first;
    const atMs = this.#times[size] ?? 0;
    const order = this.#orders[size] ?? 0;
    let i = 0;
    for (let down = 1; down < size; down = 2 * i + 1) {
      if (down + 1 < size && this.#isBefore(down + 1, this.#times[down] ?? 0, this.#orders[down] ?? 0)) down += 1;
      if (!this.#isBefore(down, atMs, order)) break;
      this.#move(down, i);
      i = down;
    }
    this.#put(i, atMs, order, last);
    return first;
  }

  #isBefore(i: number, atMs: number, order: number): boolean {
    const mine = this.#times[i] ?? 0;
    return mine < atMs || (mine === atMs && (this.#orders[i] ?? 0) < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from] ?? 0, this.#orders[from] ?? 0, this.#what[from] as Happening);
  }

  #put(i: number, atMs: number, order: number, what: Happening): void {
    this.#times[i] = atMs;
    this.#orders[i] = order;
    this.#what[i] = what;
  }

  #grow(): void {
    const [times, orders] = [new Float64Array(2 * this.#times.length), new Float64Array(2 * this.#times.length)];
    times.set(this.#times);
    orders.set(this.#orders);
    [this.#times, this.#orders] = [times, orders];
  }
}
