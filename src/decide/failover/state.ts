import type { NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { Position } from '../../ports/database.ts';
import type { FenceKind, FenceRecord, HandedOver, OperationRecord, SyncRecord } from '../../ports/records.ts';
import type { ActionResult, Observation, Versioned } from './observation.ts';

/** Async: how the old primary is known to have ended before the epoch is written. Null: its set is detached after it (RPO 0). */
export type Ended = 'killed' | 'lease-expired' | 'operator-said' | null;

/** What a person asked of a change of primary, and how far it is prepared. */
export interface Move {
  readonly operation: string;
  readonly kind: OperationRecord['kind'];
  readonly target: NodeId;
  /** How the old primary ended by order (P3.1 `killed`). Null when it was not asked. */
  readonly handedOver: HandedOver | null;
  /** P3.3: promote without a position quorum. Null when P3.2 can be had. */
  readonly force: {
    readonly said: boolean;
    readonly lossMs: number | 'any';
    readonly actor: string;
    readonly reason: string;
  } | null;
}

/** How an operation that a person asked for ended before its epoch, or with it. */
export interface Ending {
  readonly state: 'done' | 'refused' | 'failed' | 'unknown';
  readonly why: Reason;
}

/**
 * Where this agent stands with a change of primary. A state holds only what is true in it.
 *
 *   steady ──cannot see──▶ suspecting ──majority, my turn, quorum in reach──▶ fencing ──quorum read──▶ positioning
 *     ▲  ◀──sees again──────┘   ▲                                               │  │                        │
 *     │                         └──────refused, overtaken, timed out────────────┘  └────────────────────────┤
 *     └───────────────────────────── primary open ◀── promoting ◀── fence and record written ───────────────┘
 */
export type FailoverState =
  | { readonly kind: 'steady' }
  | {
      readonly kind: 'suspecting';
      readonly epoch: number;
      readonly sinceMs: number;
      readonly beginning: Versioned<SyncRecord> | null;
      /** Of the takeover that is being begun (F22, F23). */
      readonly unseen: boolean;
      readonly ended: Ended;
      readonly retryAtMs: number;
    }
  | {
      readonly kind: 'moving';
      readonly phase: 'claiming' | 'handing-over' | 'beginning' | 'closing';
      readonly move: Move;
      /** The epoch that stood when it was claimed. */
      readonly epoch: number;
      readonly beginning: Versioned<SyncRecord> | null;
      readonly ended: Ended;
      readonly ending: Ending | null;
      /** When the last action of this phase was asked for. */
      readonly askedAtMs: number;
    }
  | (Takeover & {
      readonly kind: 'fencing';
      /** When each member may be asked to detach again. */
      readonly askAgainAtMs: ReadonlyMap<NodeId, number>;
      readonly positions: ReadonlyMap<NodeId, Position>;
    })
  | (Takeover & { readonly kind: 'positioning'; readonly target: NodeId; readonly position: Position })
  | (Takeover & {
      readonly kind: 'promoting';
      readonly target: NodeId;
      readonly position: Position;
      readonly askedAtMs: number;
    });

/** What a takeover carries from step to step: everything that its writes compare. */
export interface Takeover {
  readonly epoch: number;
  readonly epochModRevision: number;
  readonly operation: string;
  readonly startedAtMs: number;
  /** The sync record that the takeover compared; who it names decides who must be read. */
  readonly record: Versioned<SyncRecord>;
  /** Null for one that began by itself. */
  readonly move: Move | null;
  /** It began because a majority cannot see the recorded primary commit, which may still answer (F22). */
  readonly unseen: boolean;
  readonly ended: Ended;
}

export type StateKind = FailoverState['kind'];

/** What the shell is asked to do. Every one that reaches another process comes back as an ActionResult. */
export type Action =
  | {
      readonly do: 'publish-verdict';
      readonly epoch: number;
      readonly primary: NodeId;
      readonly verdict: 'commits' | 'cannot-see-commit';
      readonly code: string;
    }
  | {
      readonly do: 'begin-takeover';
      readonly epoch: number;
      readonly record: Versioned<SyncRecord>;
      readonly epochModRevision: number;
      /** Async without another proof: the write compares that no lease is there. Otherwise it takes the lease away. */
      readonly leaseMustBeGone: boolean;
      readonly reason: Reason;
      readonly move: Move | null;
    }
  | { readonly do: 'claim-operation'; readonly operation: string; readonly modRevision: number }
  | {
      readonly do: 'hand-over';
      readonly operation: string;
      readonly primary: NodeId;
      readonly epoch: number;
      readonly epochModRevision: number;
    }
  | { readonly do: 'close-request'; readonly operation: string; readonly ending: Ending }
  | { readonly do: 'detach'; readonly takeover: Takeover; readonly node: NodeId }
  | {
      readonly do: 'record-takeover';
      readonly takeover: Takeover;
      readonly target: NodeId;
      readonly fence: FenceRecord;
    }
  | {
      readonly do: 'promote';
      readonly takeover: Takeover;
      readonly target: NodeId;
      readonly w: number;
      readonly names: readonly NodeId[];
      readonly restarted: boolean;
      readonly fence: FenceKind;
    }
  | {
      readonly do: 'close-operation';
      readonly takeover: Takeover;
      readonly state: Ending['state'];
      readonly why: Reason;
    };

/** What one look came to: the next state, what to do, and why, also when nothing is done. */
export interface Step {
  readonly state: FailoverState;
  readonly actions: readonly Action[];
  readonly why: Reason;
}

export const stay = (state: FailoverState, why: Reason): Step => ({ state, actions: [], why });

/** The epoch is written: from here every takeover is the same, whoever wanted it. */
export const toFencing = (
  { epoch, epochModRevision, operation }: Pick<Takeover, 'epoch' | 'epochModRevision' | 'operation'>,
  from: Pick<Takeover, 'record' | 'move' | 'unseen' | 'ended'>,
  nowMs: number,
): Step =>
  stay(
    {
      kind: 'fencing',
      epoch,
      epochModRevision,
      operation,
      ...from,
      startedAtMs: nowMs,
      askAgainAtMs: new Map(),
      positions: new Map(),
    },
    because('epoch-written', `epoch ${epoch} is written; the recorded set is detached now`),
  );

export const STEADY: FailoverState = { kind: 'steady' };

/** Has a newer epoch, or another record, overtaken this takeover? Then nothing more of it may be done (P1.1). */
export const overtaken = (takeover: Takeover, o: Observation): boolean =>
  o.store.epoch !== null &&
  (o.store.epoch.value.n > takeover.epoch || o.store.epoch.modRevision > takeover.epochModRevision);

/** P3.1: what shows that the old primary can acknowledge nothing more, once `target` is chosen. */
export function fenceKindOf({ record, move, ended }: Takeover, target: NodeId): FenceKind {
  if (move?.handedOver != null && target !== move.handedOver.node) return 'killed';
  if (target === record.value.primary) return 'self';
  return ended ?? 'quorum-detached';
}

/** The result of one action of this epoch among those that came back since the last look. */
export function resultOf<K extends 'record-takeover' | 'promote'>(
  o: Observation,
  of: K,
  epoch: number,
): Extract<ActionResult, { of: K }> | undefined {
  return o.results.find(
    (result): result is Extract<ActionResult, { of: K }> => result.of === of && result.epoch === epoch,
  );
}

/** What a takeover carries, without the state around it. */
export const takeoverOf = ({
  epoch,
  epochModRevision,
  operation,
  startedAtMs,
  record,
  move,
  unseen,
  ended,
}: Takeover): Takeover => ({
  epoch,
  epochModRevision,
  operation,
  startedAtMs,
  record,
  move,
  unseen,
  ended,
});
