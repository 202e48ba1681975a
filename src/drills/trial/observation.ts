import type { PlaceId } from '../../base/ids.ts';
import type { LossBound, OperationRecord } from '../../ports/records.ts';
import type { PrimarySample } from '../checks/single-primary.ts';
import type { Ledger, LedgerRow } from '../ledger.ts';
import type { ClockOffset } from '../monotonic.ts';
import type { Prediction } from '../predict.ts';
import type { Ways } from '../ways/ways.ts';

export type DrillName = 'region-failover' | 'partition' | 'failback' | 'switchover' | 'no-false-alarm';

/** What must become of the primary: it moves, it stays (moving would be a false alarm), or either is right. */
export type Expectation = 'move' | 'stay' | 'either';

/** Everything that one trial saw, before anybody judged it. Times are CLOCK_MONOTONIC milliseconds. */
export interface TrialObservation {
  readonly drill: string;
  readonly name: DrillName;
  /** `crash`, `blackhole`, `cut pair`; `planned` when nothing is broken. */
  readonly fault: string;
  /** Nothing may be lost, nobody may see an error, and the pause is promised. */
  readonly planned: boolean;
  readonly expects: Expectation;
  readonly deployment: string;
  readonly startedAtWallMs: number;
  readonly command: string;
  readonly objectives: { readonly rtoMs: number; readonly rpoMs: number };
  /** The region that the fault hits, or that hands the primary over. */
  readonly lost: { readonly region: PlaceId; readonly wasPrimary: boolean };
  /** The regions whose users must be served again while the fault lasts. */
  readonly survivors: readonly PlaceId[];
  readonly prediction: Prediction;
  /** How long service had to hold to count as stable. */
  readonly windowMs: number;
  /** When the load began, and how many requests per second one stream of writers intends: the resolution of every figure. */
  readonly loadStartedMs: number;
  readonly sqlWritesPerSecond: number;
  readonly injected: FaultSeen | null;
  /** The planned move that was asked for, and how it ended; null when nothing was planned. */
  readonly asked: { readonly id: string; readonly target: PlaceId; readonly state: OperationRecord['state'] } | null;
  readonly undo: UndoSeen;
  /** When the load's schedule ended. */
  readonly loadEndedMs: number;
  readonly ledger: Ledger;
  readonly clock: ClockOffset;
  readonly samples: readonly PrimarySample[];
  /** What the drill itself did and saw, in order. */
  readonly marks: readonly MarkSeen[];
  /** The new primary, read while the lost region was still down; null when it could not be read or nothing was promoted. */
  readonly afterPromotion: { readonly startedMs: number; readonly read: NodeRead } | null;
  readonly final: readonly NodeRead[];
  readonly unread: readonly { readonly node: string; readonly why: string }[];
  /** The takeover that this trial caused; null when the journal has none. */
  readonly operation: OperationRecord | null;
  /** What its fence says that may be lost (async), and how many transactions were saved from the node that it left behind. */
  readonly told: { readonly bound: LossBound | null; readonly saved: number };
  /** Since the takeover a node has put aside what it alone held: it came back diverged. */
  readonly diverged: boolean;
  readonly primaryBefore: string;
  readonly primaryAfter: string | null;
  /** Warnings in the servers' logs about cancelled waits of application sessions; null when a log could not be read. */
  readonly cancelledWaits: number | null;
  /** Users who came in different ways; null when this drill has none. */
  readonly users: { readonly rows: readonly LedgerRow[]; readonly missing: Ways['missing'] } | null;
  readonly files: DrillFiles;
}

export interface DrillFiles {
  readonly ledger: string;
  readonly report: string;
  /** The report for people: one page that needs nothing else. */
  readonly html: string;
}

export interface FaultSeen {
  /** When the injection began. */
  readonly fromMs: number;
  /** t0: the canary proved the fault. */
  readonly effectiveMs: number;
  /** Processes that the fault was to hit; null when it hits none (a link, an order). 0 proves nothing. */
  readonly processes: number | null;
  readonly what: string;
  readonly evidence: string;
  /** Of several disturbances those that were never seen in force; left out when there are none. */
  readonly unreal?: string;
  /** Why it was not in force until its undo; left out when it was. */
  readonly lapsed?: string;
}

export interface UndoSeen {
  readonly complete: boolean;
  readonly why: string;
  /** When the fault that this undoes was in force: `t0`, or earlier in a drill that prepares by a failover. */
  readonly downFromMs: number | null;
  readonly releasedMs: number | null;
  /** When every node that confirmed before confirmed again. */
  readonly rejoinedMs: number | null;
  /** Since when the record of who confirms names all of them again: earlier than `rejoinedMs`, which asks for the whole region. */
  readonly syncedMs: number | null;
}

export interface MarkSeen {
  readonly name: string;
  readonly atMs: number;
  readonly what: string;
}

/** What one node holds of one drill, and where its WAL stood when it was read. */
export interface NodeRead {
  readonly node: string;
  readonly isPrimary: boolean;
  /** Primary: end of its WAL. Standby: how far it replayed. */
  readonly lsn: string;
  readonly ledger: ReadonlyMap<string, number>;
  readonly orders: ReadonlyMap<string, number>;
  /** Rows of `farshore.epoch`: the epochs that this node's data went through, and who was primary in each. */
  readonly epochs: readonly { readonly n: number; readonly node: string; readonly timeline: number }[];
}
