import type { NodeId, PlaceId } from '../../base/ids.ts';
import type { ProcessKind } from '../layout.ts';

/** The supervisor's control socket: a Unix socket, one JSON object a line, every request answered by its `id`. */
export type SupervisorRequest =
  | { readonly id: number; readonly do: 'list' }
  /**
   * From now on the processes of `target`, a place or one node, are not restarted; none is killed by this. Without a refresh within `expiresInMs`
   * the hold ends and they come back, so that a killed drill never leaves a region dead (I13).
   */
  | {
      readonly id: number;
      readonly do: 'hold';
      readonly target: PlaceId | NodeId;
      readonly holder: string;
      readonly expiresInMs: number;
    }
  /** Ends a hold: what does not run is started. */
  | { readonly id: number; readonly do: 'release'; readonly target: PlaceId | NodeId }
  /** The world goes down when this connection closes: a foreground `up` that is killed leaves nothing behind. */
  | { readonly id: number; readonly do: 'attach' }
  /** Stops everything in order. Answered when all processes but the supervisor are gone. */
  | { readonly id: number; readonly do: 'shutdown' };

/** An end that nobody had asked for. */
export interface UnaskedEnd {
  readonly how: string;
  readonly atWallMs: number;
  readonly agoMs: number;
  /** The last error, else the last line, that the process logged in that run. */
  readonly said: string;
  /** Ends in a row, each soon after its start. */
  readonly inARow: number;
}

export interface ProcessState {
  readonly name: string;
  readonly place: PlaceId | null;
  readonly node: NodeId | null;
  readonly kind: ProcessKind;
  readonly state: 'running' | 'waiting-to-restart' | 'held' | 'stopped';
  readonly pid: number | null;
  readonly startTicks: number | null;
  readonly restarts: number;
  /** How it ended last: `exit 1`, `SIGKILL`. */
  readonly lastExit: string | null;
  /** Null when it never ended by itself: an end by `shutdown`, or in a place that is held, is none. */
  readonly lastUnasked: UnaskedEnd | null;
  readonly sinceMs: number;
}

export interface Hold {
  readonly target: PlaceId | NodeId;
  readonly holder: string;
  readonly expiresInMs: number;
}

export interface SupervisorStatus {
  readonly pid: number;
  readonly upMs: number;
  readonly stopping: boolean;
  readonly processes: readonly ProcessState[];
  readonly holds: readonly Hold[];
}

export type SupervisorReply =
  | { readonly id: number; readonly ok: true; readonly status: SupervisorStatus }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly why: string };
