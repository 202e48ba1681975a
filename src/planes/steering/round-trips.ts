import type { PlaceId } from '../../base/ids.ts';
import type { LatencyBook } from '../../decide/routing/world.ts';

/** So many connections back: ten seconds of checks. The fastest of them is the network; the others are busy machines. */
const WINDOW = 20;
/** Fewer say nothing yet: the first one may have met a busy moment. */
const LEAST = 5;
/** A change smaller than this is noise. */
const STEP_MS = 2;
const STEP_SHARE = 0.1;

/** Round trips to the regions as this plane measures them, by how long its checks take to connect. */
export class RoundTrips implements LatencyBook {
  readonly #expected: ReadonlyMap<PlaceId, number>;
  readonly #samples = new Map<PlaceId, number[]>();
  readonly #held = new Map<PlaceId, number>();

  /** @param expected in milliseconds, until there is a measurement */
  constructor(expected: ReadonlyMap<PlaceId, number>) {
    this.#expected = expected;
  }

  latencyOf(_: unknown, region: PlaceId): ReturnType<LatencyBook['latencyOf']> {
    const held = this.#held.get(region);
    if (held !== undefined) return { ms: held, method: 'measured' };
    const ms = this.#expected.get(region);
    return ms === undefined ? null : { ms, method: 'facts' };
  }

  /** Takes one measurement. True when what is held has changed. Whole milliseconds: less does not tell regions apart. */
  add(region: PlaceId, ms: number): boolean {
    const samples = [...(this.#samples.get(region) ?? []), ms].slice(-WINDOW);
    this.#samples.set(region, samples);
    if (samples.length < LEAST) return false;
    const fastest = Math.floor(Math.min(...samples));
    const held = this.#held.get(region);
    if (held !== undefined && Math.abs(fastest - held) < Math.max(STEP_MS, STEP_SHARE * held)) return false;
    this.#held.set(region, fastest);
    return true;
  }
}
