import type { NodeId, PlaceId } from '../base/ids.ts';
import type { Fork, Position, Settings } from './database.ts';
import type { FenceKind } from './records.ts';

/**
 * The agent's HTTP API, on loopback or behind TLS. Every call but the health endpoints carries `authorization: Bearer TOKEN`.
 *   GET  /primary /replica?lag=BYTES /commits?within=MS /readiness /liveness /metrics
 *   GET  /pulse      newline-delimited JSON, one Pulse every `pulseEveryMs` and at every change, until the client leaves
 *   POST /orders     Order → OrderReply
 *   POST /attest     AttestAsked → AttestAnswer: async, while the store does not answer (P6)
 *   POST /operations               OperationAsked → OperationAnswer: asks for a switchover, failover or failback
 *   GET  /operations               OperationsView: the journal, newest first, what runs, and whether takeovers are paused
 *   POST /operations/ID/cancel     Signed → OperationAnswer
 *   POST /pause  POST /resume      PauseAsked, Signed → OperationAnswer
 *   GET  /rtts?samples=N           RttsView: round trips to every peer, measured when asked
 *   GET  /status     NodeStatus (src/ports/status.ts)     GET /why  the last decisions with their reasons
 */
export interface Pulse {
  readonly node: NodeId;
  /** When its database was looked at for this, by the sender's monotonic clock. */
  readonly atMs: number;
  /** Newest epoch this agent knows from the store. */
  readonly epoch: number;
  readonly role: 'primary' | 'standby' | 'none' | 'observer';
  /** Primary: gateway open under `epoch`. */
  readonly open: boolean;
  /** Primary: heartbeats committed so far, and milliseconds since the last one ended, by the sender's clock. */
  readonly committed: number;
  readonly commitAgeMs: number;
  /** Primary: a commit waits for standbys to confirm (alive, but its set is not). */
  readonly waitsForSync: boolean;
  readonly timeline: number | null;
  /** Primary: the ancestors of its timeline; every node tells by them whether it is on the same branch (I10). */
  readonly history: readonly Fork[] | null;
  /** What must be the same on every node that may become primary (I9); null while it was not read. */
  readonly settings: Settings | null;
  readonly endLsn: string | null;
  /** Age of the newest heartbeat committed or replayed there, by the sender's clock; null = unknown. */
  readonly heartbeatAgeMs: number | null;
  readonly storedEpoch: number | null;
  readonly systemId: string | null;
  /** Is there a cluster in its data directory, whether it runs or not? */
  readonly hasData: boolean;
  /** Can it be detached and read now: a standby that answers, on the primary's branch as far as it knows (I10). */
  readonly detachable: boolean;
}

/** An order of a takeover or of a planned hand-over (P5). The receiver checks epoch and controller revision against the store before it acts. */
export type Order = {
  readonly operation: string;
  readonly step: string;
  readonly epoch: number;
  /** Mod revision of the epoch record that the driver wrote. */
  readonly epochModRevision: number;
  readonly by: NodeId;
} & (
  | { readonly do: 'detach' }
  /** To the primary, of its own epoch: close the gateway, stop so that every standby gets the last WAL, say where it ends. */
  | { readonly do: 'hand-over' }
  | {
      readonly do: 'promote';
      readonly w: number;
      readonly names: readonly NodeId[];
      readonly restarted: boolean;
      /** What fenced the old primary: one that was confirmed killed needs no promise to be kept (P6). */
      readonly fence: FenceKind;
    }
);

/** P6: a primary that cannot reach the store asks each promotable member to stand back for one more TTL. */
export interface AttestAsked {
  readonly epoch: number;
  readonly by: NodeId;
}

/** `done`: "epoch n; I take over no earlier than my clock + TTL". */
export type AttestAnswer =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly code: string; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string };

export type OrderReply =
  | {
      readonly kind: 'done';
      readonly position: Position;
      readonly tookMs: number;
      readonly evidence?: string;
      /** Of a hand-over: since when its door lets nobody in. */
      readonly closedForMs?: number;
    }
  | { readonly kind: 'refused'; readonly code: string; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string };

/** One agent's round trips to the others, over one open connection each: the network's, and the other agent's time to answer. */
export interface RttsView {
  readonly node: NodeId;
  readonly rtts: readonly {
    readonly node: NodeId;
    readonly place: PlaceId;
    /** Median of the samples, in milliseconds; null: it did not answer. */
    readonly ms: number | null;
    readonly samples: number;
    readonly why: string;
  }[];
}

/** How one place reaches a node of another: every address is the near end of a link. */
export interface PeerAddresses {
  readonly node: NodeId;
  readonly place: PlaceId;
  readonly data: boolean;
  readonly agent: { readonly host: string; readonly port: number };
  readonly gateway: { readonly host: string; readonly port: number } | null;
  readonly postgres: { readonly host: string; readonly port: number } | null;
}

export interface PulseHandlers {
  onPulse(pulse: Pulse): void;
  onBroken(why: string): void;
  /**
   * While the stream is broken the node's gateway is asked again and again: an agent that died alone is started again and
   * takes its keeper over (P10.1); that is no loss of the node. `answers`: the gateway lives and PostgreSQL accepts connections.
   */
  onDoor(door: 'answers' | 'refuses'): void;
}

/** How an agent reaches the others. In production HTTP over links; in the simulator a virtual network. */
export interface PeerNetwork {
  /** Keeps a pulse stream open to `node`, opening it again when it breaks, until the returned function is called. */
  listen(node: NodeId, handlers: PulseHandlers): () => void;
  /** Sends one order and waits for its reply, at most `timeoutMs`. `unknown` when none came: it may have been carried out. */
  order(node: NodeId, order: Order, timeoutMs: number): Promise<OrderReply>;
  attest(node: NodeId, asked: AttestAsked, timeoutMs: number): Promise<AttestAnswer>;
}
