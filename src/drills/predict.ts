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
  /** What is promised (protocol, "What is measured"): a constant and sixteen round trips. */
  readonly promisedMs: number;
  /** A pause shorter than this moves no primary: the price of every shorter RTO. */
  readonly toleratedPauseMs: number;
  readonly formula: string;
  /** Longest time that the store needs for a new leader; null when its leader is not lost. */
  readonly electionMs: number | null;
}

/** What the loss means for the store. `electionMs`: its timer; null when it has no leader to lose, or its leader is elsewhere. */
export interface StoreLoss {
  readonly electionMs: number | null;
}

const STORE_STAYS: StoreLoss = { electionMs: null };

/** A follower waits once to twice the timer, drawn each time (raft); two rounds of votes follow (etcd's pre-vote, then the vote). */
const ELECTION_TIMERS = { expected: 1.5, most: 2 } as const;
const ELECTION_TRIPS = 2;

interface Election {
  readonly expectedMs: number;
  readonly mostMs: number;
}

function electionOf({ electionMs }: StoreLoss, storeMs: number): Election | null {
  if (electionMs === null) return null;
  const after = (timers: number) => timers * electionMs + ELECTION_TRIPS * storeMs;
  return { expectedMs: after(ELECTION_TIMERS.expected), mostMs: after(ELECTION_TIMERS.most) };
}

const promisedElection = (election: Election | null): string =>
  election === null
    ? ''
    : ` + ${election.mostMs} ms: the store's leader is lost too, and an election takes two timers at most`;

/**
 * How the loss is noticed. `broken`: connections are reset. `silent`: nothing arrives any more, which a pause looks like too.
 * `wedged`: pulses arrive, commits do not. `ordered`: nothing is lost, somebody asks.
 */
export type Detection = 'broken' | 'silent' | 'wedged' | 'ordered';
type Timings = Pick<Knobs, 'brokenAfterMs' | 'silentAfterMs' | 'wedgedAfterMs' | 'tickMs'>;

/** One after the other: epoch, record, and the reads of both before and after promotion. */
const STORE_TRIPS = 5;
/** Re-pointing the other standby to its first confirmation: new stream with SCRAM, list in force, first commit. */
const REPOINT_TRIPS = 11;
/** The same and everything else, as the protocol budgets it. */
const PROMISED_TRIPS = 16;
/** At 0 ms links: the store's syncs, detaching, promotion, new connections; on two processors that also carry the load. */
const WORK_MS = 450;
/** Work that is promised beyond the detection, on a machine of two processors. */
const PROMISED_WORK_MS = 700;

const DETECTIONS: Readonly<Record<Detection, { readonly waits: (knobs: Timings) => number; readonly name: string }>> = {
  broken: { waits: (knobs) => knobs.brokenAfterMs, name: 'brokenAfterMs' },
  silent: { waits: (knobs) => knobs.silentAfterMs, name: 'silentAfterMs' },
  wedged: { waits: (knobs) => knobs.wedgedAfterMs, name: 'wedgedAfterMs' },
  ordered: { waits: () => 0, name: '0' },
};

/** Promised without what the round trips add: a second for what breaks, 400 ms for what is planned. */
function promisedConstantMs(knobs: Timings, detection: Detection): number {
  if (detection === 'ordered') return 400;
  return detection === 'broken' ? 1_000 : DETECTIONS[detection].waits(knobs) + PROMISED_WORK_MS;
}

/**
 * From the loss of the primary to the first write acknowledged by the new one: until it is noticed, until the next look of an
 * observer and of the driver (`tickMs` each), the work, and the round trips. A survivor that is alone needs nobody's
 * confirmation; its only other survivor is the store.
 */
export function predictFailover(
  knobs: Timings & Pick<Knobs, 'leaseTtlMs'>,
  rtts: SurvivorRtts,
  detection: Detection,
  isAsync: boolean,
  store: StoreLoss = STORE_STAYS,
): Prediction {
  if (isAsync && detection !== 'ordered') return predictAsync(knobs, rtts, detection, store);
  const { regionsMs, storeMs } = rtts;
  const election = electionOf(store, storeMs);
  const elects = election !== null;
  const { waits, name } = DETECTIONS[detection];
  const trips = STORE_TRIPS * storeMs + REPOINT_TRIPS * (regionsMs ?? 0);
  const looks = detection === 'ordered' ? 0 : 2 * knobs.tickMs;
  const constantMs = promisedConstantMs(knobs, detection);
  return {
    // Both begin with the loss: the verdict can be written when the later of them is over.
    expectedMs: Math.max(waits(knobs), election?.expectedMs ?? 0) + looks + WORK_MS + trips,
    promisedMs: constantMs + PROMISED_TRIPS * (regionsMs ?? storeMs) + (election?.mostMs ?? 0),
    electionMs: election?.mostMs ?? null,
    toleratedPauseMs: knobs.silentAfterMs,
    formula:
      `${elects ? `the longer of ${name} and the store's election` : name}${looks > 0 ? ' + 2 x tickMs' : ''} + ${WORK_MS} ms of work + ${STORE_TRIPS} x RTT to the store + ` +
      `${REPOINT_TRIPS} x RTT between surviving regions; promised ${constantMs} ms + ${PROMISED_TRIPS} x RTT between survivors` +
      promisedElection(election),
  };
}

/** Epoch, detach and read in one, record, the reads around promotion, lease: at 0 ms links, and in round trips to the store. */
const ASYNC_WORK_MS = 400;
const ASYNC_PROMISED_WORK_MS = 800;
const ASYNC_PROMISED_TRIPS = 4;

/**
 * Async: nobody may take over before the lease of the lost primary has run out (F23), whatever it was lost by; only commits that hang
 * are noticed later. Nobody has to confirm the first write.
 */
function predictAsync(
  knobs: Timings & Pick<Knobs, 'leaseTtlMs'>,
  { regionsMs, storeMs }: SurvivorRtts,
  detection: Detection,
  store: StoreLoss,
): Prediction {
  const election = electionOf(store, storeMs);
  const wedgedMs = detection === 'wedged' ? knobs.wedgedAfterMs : 0;
  const { leaseTtlMs } = knobs;
  const rttMs = Math.max(regionsMs ?? 0, storeMs);
  const waits = `${wedgedMs > 0 ? 'wedgedAfterMs + ' : ''}lease`;
  return {
    // The lease runs out while the store elects.
    expectedMs: Math.max(wedgedMs + leaseTtlMs, election?.expectedMs ?? 0) + ASYNC_WORK_MS + STORE_TRIPS * storeMs,
    promisedMs: wedgedMs + leaseTtlMs + ASYNC_PROMISED_WORK_MS + ASYNC_PROMISED_TRIPS * rttMs + (election?.mostMs ?? 0),
    electionMs: election?.mostMs ?? null,
    toleratedPauseMs: knobs.silentAfterMs,
    formula:
      `${waits} + ${ASYNC_WORK_MS} ms of work + ${STORE_TRIPS} x RTT to the store; ` +
      `promised ${waits} + ${ASYNC_PROMISED_WORK_MS} ms + ${ASYNC_PROMISED_TRIPS} x RTT between survivors` +
      promisedElection(election),
  };
}

/** At 0 ms links: sessions ending, a fast stop, detaching, the store's syncs, promotion, new connections. */
const PLANNED_WORK_MS = 350;
/** The last WAL to the standbys and its confirmation, the order's answer, detaching, re-pointing to the first confirmation. */
const PLANNED_TRIPS = 11;
const PLANNED_STORE_TRIPS = 5;
const PLANNED_CONSTANT_MS = 400;

/** How long nobody writes in a planned move: from the closed gateway to the first write that the new primary acknowledges. */
export function predictSwitchover({
  regionsMs,
  storeMs,
}: SurvivorRtts): Omit<Prediction, 'toleratedPauseMs' | 'electionMs'> {
  return {
    expectedMs: PLANNED_WORK_MS + PLANNED_STORE_TRIPS * storeMs + PLANNED_TRIPS * (regionsMs ?? 0),
    promisedMs: PLANNED_CONSTANT_MS + PROMISED_TRIPS * (regionsMs ?? storeMs),
    formula: `${PLANNED_WORK_MS} ms of work + ${PLANNED_STORE_TRIPS} x RTT to the store + ${PLANNED_TRIPS} x RTT between regions`,
  };
}

/** The round trips that are left when `lost` is gone. */
export function survivorRtts(layout: Pick<WorldLayout, 'places' | 'links'>, lost: PlaceId | null): SurvivorRtts {
  const regions = new Set(layout.places.filter((place) => place.data && place.id !== lost).map((place) => place.id));
  const stores = new Set(layout.places.filter((place) => place.ports.store !== undefined).map((place) => place.id));
  const between = layout.links.filter((link) => regions.has(link.from) && regions.has(link.to));
  const toStore = layout.links.filter((link) => regions.has(link.from) && stores.has(link.to));
  return {
    regionsMs: between.length === 0 ? null : Math.max(...between.map((link) => link.rttMs)),
    storeMs: toStore.length === 0 ? 0 : Math.min(...toStore.map((link) => link.rttMs)),
  };
}
