import type { Knobs } from '../base/knobs.ts';

/** What the model of a takeover looks at. Round-trip times in milliseconds. */
export interface PredictionInput {
  readonly knobs: Pick<Knobs, 'brokenAfterMs' | 'tickMs' | 'driverStaggerMs'>;
  /** The longest round trip between two surviving places, the store's site included. */
  readonly survivorRttMs: number;
}

export interface Prediction {
  /** What the model expects from the knobs. */
  readonly expectedMs: number;
  /** What is promised (protocol, "What is measured"): a constant of one second and sixteen round trips. */
  readonly promisedMs: number;
  readonly formula: string;
}

/** Round trips that a takeover makes one after the other: the store's transactions, detaching, promotion, re-pointing. */
export const TAKEOVER_ROUND_TRIPS = 16;
const PROMISED_CONSTANT_MS = 1_000;
/** Commits of the store to disk, pg_promote with its checkpoint request, SCRAM and process starts, at 0 ms links. */
const WORK_MS = 300;

/**
 * From the crash to the first write acknowledged by the new primary: until the broken stream counts (`brokenAfterMs`),
 * until the next look of an observer and of the driver (`tickMs` each), the work itself, and 16 round trips between survivors.
 */
export function predictFailover({ knobs, survivorRttMs }: PredictionInput): Prediction {
  const trips = TAKEOVER_ROUND_TRIPS * survivorRttMs;
  return {
    expectedMs: knobs.brokenAfterMs + 2 * knobs.tickMs + WORK_MS + trips,
    promisedMs: PROMISED_CONSTANT_MS + trips,
    formula: 'brokenAfterMs + 2 x tickMs + 300 ms of work + 16 x RTT between survivors; promised 1000 ms + 16 x RTT',
  };
}
