import type { NodeId } from '../../base/ids.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { Knobs } from '../../base/knobs.ts';
import type { Pulse } from '../../ports/agent.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { DatabaseStatus, Position, Settings } from '../../ports/database.ts';
import type {
  EpochRecord,
  Continued,
  FenceRecord,
  HandedOver,
  OperationRecord,
  PositionRecord,
  SeenRecord,
  SyncRecord,
} from '../../ports/records.ts';

/** A record with the mod revision that a later write compares. */
export interface Versioned<T> {
  readonly value: T;
  readonly modRevision: number;
}

/** The group's records as this node last heard them from the store. */
export interface StoreView {
  /** `unread`: nothing read since the start. `stale`: the watch is down. Only `current` allows a control write to be tried. */
  readonly state: 'unread' | 'current' | 'stale';
  readonly epoch: Versioned<EpochRecord> | null;
  readonly sync: Versioned<SyncRecord> | null;
  readonly position: PositionRecord | null;
  /** Fence of the present epoch. */
  readonly fence: FenceRecord | null;
  /** Fence of the epoch of the sync record. */
  readonly recordFence: FenceRecord | null;
  /** Every forced reign, and what its data went on from: what lies between was given up (P3.3, I10). */
  readonly forced: readonly { readonly epoch: number; readonly continues: Continued }[];
  /** Journal entry of the operation that made the present epoch. */
  readonly operation: OperationRecord | null;
  /** The operation that a person asked for and that is not over, with when this content of it arrived here. */
  readonly request: (Versioned<OperationRecord> & { readonly seenAtMs: number }) | null;
  /** Automatic takeovers are paused; null when they are not. */
  readonly paused: { readonly leftMs: number; readonly actor: string; readonly reason: string } | null;
  /** Epoch of the route table: it reaches the present epoch when its primary opened. 0 = none yet. */
  readonly routesEpoch: number;
  /** Verdicts of observers that are still fresh, own one included, with when they arrived here. */
  readonly seen: readonly (SeenRecord & { readonly heardAtMs: number })[];
  /** What this node itself published last, fresh or not: a negative verdict has to be taken back. */
  readonly mine: (SeenRecord & { readonly heardAtMs: number }) | null;
  /** When the present epoch was first seen here. */
  readonly epochSeenAtMs: number;
  /** Since when no lease is in the store, as far as was heard here; null while one is. */
  readonly leaseGoneAtMs: number | null;
}

/** Where the end of the primary's WAL was at a pulse. */
export interface TrailPoint {
  /** By the primary's clock, when it looked. */
  readonly atMs: number;
  readonly heardAtMs: number;
  readonly lsn: Lsn;
}

/** What this node hears from another agent's pulse stream. */
export interface PeerView {
  readonly node: NodeId;
  readonly pulse: Pulse | null;
  /** When the last pulse arrived; the agent's start when none did. */
  readonly heardAtMs: number;
  /** Since when the stream is broken (refused, reset, ended); null while it is open. */
  readonly brokenSinceMs: number | null;
  /** Since when the pulses say the present role, open or not, without a gap. */
  readonly roleSinceMs: number;
  /** What was heard of its WAL while it was the open primary of `epoch`, oldest first; kept when it is no more. Null: never heard as one. */
  readonly reign: { readonly epoch: number; readonly trail: readonly TrailPoint[] } | null;
  /** When its gateway last answered, and last refused, since the stream broke; null = not since then. */
  readonly doorAnsweredAtMs: number | null;
  readonly doorRefusedAtMs: number | null;
}

/** What happened to an action that was asked for earlier. */
export type ActionResult =
  | {
      readonly of: 'begin-takeover';
      readonly kind: 'done';
      readonly epoch: number;
      readonly epochModRevision: number;
      readonly operation: string;
    }
  | { readonly of: 'begin-takeover'; readonly kind: 'refused' | 'unknown'; readonly why: string }
  | {
      readonly of: 'detach';
      readonly epoch: number;
      readonly node: NodeId;
      readonly kind: 'done';
      readonly position: Position;
    }
  | {
      readonly of: 'detach';
      readonly epoch: number;
      readonly node: NodeId;
      readonly kind: 'refused' | 'unknown';
      readonly why: string;
    }
  | {
      readonly of: 'claim-operation';
      readonly operation: string;
      readonly kind: 'done' | 'refused' | 'unknown';
      readonly why: string;
    }
  | { readonly of: 'hand-over'; readonly operation: string; readonly kind: 'done'; readonly handedOver: HandedOver }
  | {
      readonly of: 'hand-over';
      readonly operation: string;
      readonly kind: 'refused' | 'unknown';
      readonly code: string;
      readonly why: string;
    }
  | {
      readonly of: 'record-takeover';
      readonly epoch: number;
      readonly kind: 'done' | 'refused' | 'unknown';
      readonly why: string;
    }
  | {
      readonly of: 'promote';
      readonly epoch: number;
      readonly kind: 'done' | 'refused' | 'unknown';
      readonly why: string;
    };

/** One consistent snapshot of everything that a failover decision looks at. */
export interface Observation {
  readonly me: NodeId;
  readonly nowMs: number;
  readonly policy: GroupPolicy;
  readonly knobs: Knobs;
  readonly store: StoreView;
  /** Null on a site. */
  readonly local: DatabaseStatus | null;
  /** This node's own (I9); null while they were not read. */
  readonly settings: Settings | null;
  readonly peers: ReadonlyMap<NodeId, PeerView>;
  /** P6: this node has promised not to take over before this. 0 = no promise. */
  readonly promisedUntilMs: number;
  readonly results: readonly ActionResult[];
}
