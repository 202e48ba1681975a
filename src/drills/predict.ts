import type { PlaceId } from '../base/ids.ts';
import type { Knobs } from '../base/knobs.ts';
import type { WorldLayout } from '../world/layout.ts';

/** Round trips that a takeover after the loss of one region depends on, in milliseconds. */
export interface SurvivorRtts {
  /** The longest between two surviving data regions; null when only one is left. */
  readonly regionsMs: number | null;
  /** From the surviving data region nearest to it to the store. */
  readonly storeMs: number;
}

export interface Prediction {
  /** What the model expects from the knobs and the round trips. */
  readonly expectedMs: number;
  /** What is promised (protocol, "What is measured"): one second and sixteen round trips. */
  readonly promisedMs: number;
  readonly formula: string;
}

/** One after the other: epoch, record, and the reads of both before and after promotion. */
const STORE_TRIPS = 5;
/** Re-pointing the other standby to its first confirmation: new stream with SCRAM, list in force, first commit. */
const REPOINT_TRIPS = 11;
/** The same and everything else, as the protocol budgets it. */
const PROMISED_TRIPS = 16;
const PROMISED_CONSTANT_MS = 1_000;
/** At 0 ms links: the store's syncs, detaching, promotion, new connections; on two processors that also carry the load. */
const WORK_MS = 450;

const FORMULA =
  `brokenAfterMs + 2 x tickMs + ${WORK_MS} ms of work + ${STORE_TRIPS} x RTT to the store + ${REPOINT_TRIPS} x RTT between ` +
  `surviving regions; promised ${PROMISED_CONSTANT_MS} ms + ${PROMISED_TRIPS} x RTT between survivors`;

/**
 * From the crash of the primary's region to the first write acknowledged by the new one: until the broken stream counts
 * (`brokenAfterMs`), until the next look of an observer and of the driver (`tickMs` each), the work, and the round trips. A
 * survivor that is alone needs nobody's confirmation; its only other survivor is the store.
 */
export function predictFailover(knobs: Pick<Knobs, 'brokenAfterMs' | 'tickMs'>, rtts: SurvivorRtts): Prediction {
  const { regionsMs, storeMs } = rtts;
  const trips = STORE_TRIPS * storeMs + REPOINT_TRIPS * (regionsMs ?? 0);
  return {
    expectedMs: knobs.brokenAfterMs + 2 * knobs.tickMs + WORK_MS + trips,
    promisedMs: PROMISED_CONSTANT_MS + PROMISED_TRIPS * (regionsMs ?? storeMs),
    formula: FORMULA,
  };
}

/** The round trips that are left when `lost` is gone. */
export function survivorRtts(layout: Pick<WorldLayout, 'places' | 'links'>, lost: PlaceId): SurvivorRtts {
  const regions = new Set(layout.places.filter((place) => place.data && place.id !== lost).map((place) => place.id));
  const stores = new Set(layout.places.filter((place) => place.ports.store !== undefined).map((place) => place.id));
  const between = layout.links.filter((link) => regions.has(link.from) && regions.has(link.to));
  const toStore = layout.links.filter((link) => regions.has(link.from) && stores.has(link.to));
  return {
    regionsMs: between.length === 0 ? null : Math.max(...between.map((link) => link.rttMs)),
    storeMs: toStore.length === 0 ? 0 : Math.min(...toStore.map((link) => link.rttMs)),
  };
}
