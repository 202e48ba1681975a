import type { PlaceId } from '../../base/ids.ts';

const MEASURE_EVERY_MS = 1_000;
/** How much of a new second's rate is believed at once: a burst of one second moves nobody far. */
const BELIEVED = 0.5;
/** Loads that differ by less than this lead to the same shares. */
const STEP = 0.05;

/** How much is asked of each region, over what it can take: what spillover goes by. */
export class Demand {
  readonly #edges: number;
  readonly #counts = new Map<PlaceId, number>();
  readonly #rates = new Map<PlaceId, number>();
  #load: ReadonlyMap<PlaceId, number> = new Map();
  #sinceMs: number;

  constructor(nowMs: number, edges: number) {
    this.#sinceMs = nowMs;
    this.#edges = Math.max(1, edges);
  }

  get load(): ReadonlyMap<PlaceId, number> {
    return this.#load;
  }

  count(wanted: PlaceId | null): void {
    if (wanted !== null) this.#counts.set(wanted, (this.#counts.get(wanted) ?? 0) + 1);
  }

  /** Once a second: takes the counts over. True when a region filled up or emptied so far that shares change. */
  measure(nowMs: number, capacity: Readonly<Record<PlaceId, number>>): boolean {
    const forMs = nowMs - this.#sinceMs;
    if (forMs < MEASURE_EVERY_MS) return false;
    this.#sinceMs = nowMs;
    const load = new Map<PlaceId, number>();
    let changed = false;
    for (const [id, perSecond] of Object.entries(capacity)) {
      const region = id as PlaceId;
      const rate = ((this.#counts.get(region) ?? 0) * 1_000) / forMs;
      const before = this.#rates.get(region) ?? rate;
      const smooth = before + BELIEVED * (rate - before);
      this.#rates.set(region, smooth);
      const value = (smooth * this.#edges) / perSecond;
      const was = this.#load.get(region) ?? 0;
      load.set(region, value);
      if (Math.max(value, was) > 1 && Math.abs(value - was) > STEP) changed = true;
    }
    this.#counts.clear();
    if (changed) this.#load = load;
    return changed;
  }
}
