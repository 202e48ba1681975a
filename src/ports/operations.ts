import type { NodeId } from '../base/ids.ts';
import type { Reason } from '../base/reason.ts';
import type { OperationRecord, PausedRecord } from './records.ts';

/** The agent's API for what a person does (src/ports/agent.ts has the calls). The command line only speaks it. */

/** One thing looked at before an operation. `warning` does not keep it from beginning. */
export interface Check {
  readonly name: string;
  readonly verdict: 'ok' | 'warning' | 'refused';
  readonly value: string;
  readonly limit: string;
}

/** Who asks, and why; both go into the journal. */
export interface Signed {
  readonly actor: string;
  readonly reason: string;
}

export interface OperationAsked extends Signed {
  readonly kind: 'switchover' | 'failover' | 'failback';
  /** A region, or one node of it. */
  readonly target: string;
  /** Only the checks: nothing is written. */
  readonly dryRun: boolean;
  readonly fenced: string | null;
  readonly allowLossMs: number | 'any' | null;
}

export interface PauseAsked extends Signed {
  readonly forMs: number;
}

export type OperationAnswer =
  | {
      readonly kind: 'checked';
      readonly target: NodeId;
      readonly checks: readonly Check[];
      readonly loss: string | null;
    }
  | { readonly kind: 'accepted'; readonly id: string; readonly what: string }
  | { readonly kind: 'refused'; readonly code: string; readonly why: string; readonly checks: readonly Check[] }
  | { readonly kind: 'unknown'; readonly why: string };

export interface OperationsView {
  /** The id of the one that a person asked for and that is not over. */
  readonly running: string | null;
  readonly paused: (PausedRecord & { readonly leftMs: number }) | null;
  /** Newest first. */
  readonly operations: readonly OperationRecord[];
  /** `current`, or how old this view may be. */
  readonly store: 'unread' | 'current' | 'stale';
}

/** Why a node could, or could not, become primary now. */
export interface Candidate {
  readonly node: NodeId;
  readonly obstacle: Reason | null;
}
