import type { NodeId, PlaceId } from '../base/ids.ts';
import type { Lsn } from '../base/lsn.ts';
import type { Reason } from '../base/reason.ts';
import type { RoutingPolicy, TrafficRamp } from './routing.ts';

/** The records of one group in the store (protocol P1). JSON values under `/farshore/<deployment>/<group>/`. */
export interface EpochRecord {
  readonly n: number;
  /** Who wrote it: the driver of the takeover, or the node that made the first database. Not necessarily the primary. */
  readonly holder: NodeId;
  /** PostgreSQL's system identifier: data with another one is foreign. */
  readonly systemId: string;
  readonly operation: string;
}

/** How a write is confirmed: by nobody but the primary, by every other region, or by as many as `confirm` says. */
export type ReplicationMode = 'async' | 'sync' | 'semi-sync';

/** Which standbys an acknowledged write is on (P1.3). */
export interface SyncRecord {
  /** Grows with every write of the record (P4.2). */
  readonly version: number;
  /** The epoch under which it was written. */
  readonly epoch: number;
  readonly primary: NodeId;
  /** The mode under which it was written. */
  readonly mode: ReplicationMode;
  /** How many of `names` must confirm. 0 without names = solo: the primary acknowledges alone, and only it may be promoted. */
  readonly w: number;
  /** Async: w is 0, and these are the candidates: promotable standbys that passed the fork and stream. They confirm nothing. */
  readonly names: readonly NodeId[];
}

export interface LeaseRecord {
  readonly n: number;
  readonly holder: NodeId;
}

/** The last position known to be replicated as the mode promises (P1.4). It can only disqualify a candidate. */
export interface PositionRecord {
  readonly epoch: number;
  readonly timeline: number;
  readonly lsn: Lsn;
}

/** `operator-said`: a person vouches for it (P3.3). */
export type FenceKind = 'killed' | 'quorum-detached' | 'lease-expired' | 'self' | 'operator-said';

export interface FenceRecord {
  readonly epoch: number;
  readonly kind: FenceKind;
  readonly by: NodeId;
  readonly atWallMs: number;
  readonly evidence: readonly {
    readonly node: NodeId;
    readonly timeline: number;
    readonly lsn: Lsn;
    readonly what: string;
  }[];
  /** P3.3: who accepted which loss, and why. Absent when nothing acknowledged could be lost. */
  readonly lossAccepted?: { readonly ms: number | 'any'; readonly actor: string; readonly reason: string };
  /**
   * Under force: the newest reign and the timeline in the data that goes on. Reigns between that one and this are given up, with
   * every timeline that they made: this reign makes one of the same number.
   */
  readonly continues?: Continued;
  /** Async: what may have been acknowledged by the old primary and is not on the new one. */
  readonly loss?: LossBound;
}

export interface Continued {
  readonly epoch: number;
  readonly timeline: number;
}

/** At most this much; null = nobody can tell. `bytes` is of WAL, reckoned at twice the rate of the last ten seconds for the time after the last pulse. */
export interface LossBound {
  readonly ms: number | null;
  readonly bytes: number | null;
  readonly text: string;
}

/** What one observer holds against the present primary (P3.4). */
export interface SeenRecord {
  readonly observer: NodeId;
  readonly epoch: number;
  readonly primary: NodeId;
  readonly verdict: 'commits' | 'cannot-see-commit';
  readonly code: string;
  readonly atWallMs: number;
}

export interface OperationStep {
  readonly name: string;
  readonly atWallMs: number;
  readonly tookMs: number;
  readonly what: string;
  /** Of the promotion that ends a planned move: how long nobody could write, from the closing of the old primary's door to the new one's opening. */
  readonly pauseMs?: number;
}

/** What a person asked for. */
export interface OperationRequest {
  readonly target: NodeId;
  /** The epoch that stood when it was asked: what was asked is about that reign and no other. */
  readonly epoch: number;
  readonly requestedAtWallMs: number;
  /** One that nobody could begin within this time, counted by each agent from when it heard of it, ends refused. */
  readonly startWithinMs: number;
  /** P3.3: the region of which a person says that it acknowledges nothing more. */
  readonly fenced: PlaceId | null;
  /** P3.3: how much may be lost, in milliseconds of acknowledged writes; `any` when nobody can tell. Null: nothing. */
  readonly allowLossMs: number | 'any' | null;
}

/** How an old primary ended by order: everything of it was stopped, and this is where its WAL ends. */
export interface HandedOver {
  readonly node: NodeId;
  readonly timeline: number;
  readonly lsn: Lsn;
  readonly evidence: string;
}

/**
 * One entry of the journal: an operation and how far it came. `refused`: nothing was changed for good; `failed`: something was,
 * and the state is known; `unknown`: read it back.
 */
export interface OperationRecord {
  readonly id: string;
  readonly kind: 'bootstrap' | 'takeover' | 'recover-store' | 'switchover' | 'failover' | 'failback';
  /** The epoch that it wrote; 0 before that. */
  readonly epoch: number;
  /** A node, or the person who asked: `user@host`. */
  readonly actor: string;
  readonly reason: Reason;
  readonly state: 'requested' | 'running' | 'done' | 'refused' | 'failed' | 'cancelled' | 'unknown';
  /** Null for what a node began by itself. */
  readonly request: OperationRequest | null;
  /** Who carries it out; null while nobody does. */
  readonly driver: NodeId | null;
  readonly steps: readonly OperationStep[];
}

/** While it stands no automatic takeover begins. */
export interface PausedRecord {
  readonly untilWallMs: number;
  readonly actor: string;
  readonly reason: string;
}

/** The one operation that a person asked for and that is not over. Taken by comparing, so there is never a second one. */
export interface SlotRecord {
  readonly id: string;
}

/** What every plane obeys. */
export interface RouteTable {
  readonly generation: number;
  readonly epoch: number;
  /** Where writes go; null while nobody may accept them. */
  readonly primary: { readonly node: NodeId; readonly region: PlaceId } | null;
  readonly regions: readonly {
    readonly id: PlaceId;
    readonly role: 'active' | 'passive';
    readonly weight: number;
    readonly state: 'serving' | 'drained';
  }[];
  /** Absent: written before there were policies; then the nearest region serves. */
  readonly routing?: RoutingPolicy;
  /** Reads that return to a region by and by; writes follow the primary at once. */
  readonly ramp?: TrafficRamp | null;
  /** With a manual failback: how often a person has let regions back. A plane forgets which had failed when it grows. */
  readonly released?: number;
  readonly reason: { readonly code: string; readonly text: string };
}

/** Where the records live. `prefix` ends with a slash. */
export const keysOf = (deployment: string, group: string) => {
  const prefix = `/farshore/${deployment}/${group}/`;
  return {
    prefix,
    epoch: `${prefix}epoch`,
    lease: `${prefix}lease`,
    sync: `${prefix}sync`,
    position: `${prefix}position`,
    routes: `${prefix}routes`,
    fences: `${prefix}fence/`,
    fence: (epoch: number) => `${prefix}fence/${epoch}`,
    seen: (observer: NodeId) => `${prefix}seen/${observer}`,
    /** Beside the records, so that no watch of them hears it: written only to make a read go through the agreement. */
    looked: (node: NodeId) => `/farshore/${deployment}/${group}.looked/${node}`,
    /** Beside the records like `looked`: what each plane sees of the regions. */
    views: `/farshore/${deployment}/${group}.views/`,
    journal: (operation: string) => `${prefix}journal/${operation}`,
    journals: `${prefix}journal/`,
    slot: `${prefix}operation`,
    paused: `${prefix}paused`,
  };
};
export type Keys = ReturnType<typeof keysOf>;
