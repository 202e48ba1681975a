import type { PlaceId } from '../../base/ids.ts';
import type { OperationRecord } from '../../ports/records.ts';
import type { PrimarySample } from '../checks/single-primary.ts';
import type { Ledger } from '../ledger.ts';
import type { ClockOffset } from '../monotonic.ts';
import type { Prediction } from '../predict.ts';

/** Everything that one trial saw, before anybody judged it. Times are CLOCK_MONOTONIC milliseconds. */
export interface TrialObservation {
  readonly drill: string;
  readonly deployment: string;
  readonly startedAtWallMs: number;
  readonly command: string;
  readonly objectives: { readonly rtoMs: number; readonly rpoMs: number };
  readonly lost: { readonly region: PlaceId; readonly wasPrimary: boolean };
  readonly survivors: readonly PlaceId[];
  readonly prediction: Prediction;
  /** How long service had to hold to count as stable. */
  readonly windowMs: number;
  /** When the load began, and how many requests per second one stream of writers intends: the resolution of every figure. */
  readonly loadStartedMs: number;
  readonly sqlWritesPerSecond: number;
  readonly fault: FaultSeen | null;
  readonly undo: UndoSeen;
  /** When the load's schedule ended. */
  readonly loadEndedMs: number;
  readonly ledger: Ledger;
  readonly clock: ClockOffset;
  readonly samples: readonly PrimarySample[];
  /** The new primary, read while the lost region was still down; null when it could not be read or nothing was promoted. */
  readonly afterPromotion: { readonly startedMs: number; readonly read: NodeRead } | null;
  readonly final: readonly NodeRead[];
  readonly unread: readonly { readonly node: string; readonly why: string }[];
  /** The takeover that this trial caused; null when the journal has none. */
  readonly operation: OperationRecord | null;
  readonly primaryBefore: string;
  readonly primaryAfter: string | null;
  /** Warnings in the servers' logs about cancelled waits of application sessions. */
  readonly cancelledWaits: number;
  readonly files: { readonly ledger: string; readonly report: string };
}

export interface FaultSeen {
  readonly killedFromMs: number;
  /** t0: no process of the region was left. */
  readonly effectiveMs: number;
  readonly processes: number;
  readonly evidence: string;
}

export interface UndoSeen {
  readonly complete: boolean;
  readonly why: string;
  readonly releasedMs: number | null;
  /** When the region's node followed the new primary again. */
  readonly rejoinedMs: number | null;
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
