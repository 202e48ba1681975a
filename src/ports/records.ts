import type { NodeId, PlaceId } from '../base/ids.ts';
import type { Lsn } from '../base/lsn.ts';

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

export type FenceKind = 'killed' | 'quorum-detached' | 'lease-expired' | 'self';

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

/** One entry of the journal: an operation and how far it came. */
export interface OperationRecord {
  readonly id: string;
  readonly kind: 'bootstrap' | 'takeover' | 'recover-store';
  readonly epoch: number;
  readonly actor: NodeId;
  readonly reason: { readonly code: string; readonly text: string };
  readonly state: 'running' | 'done' | 'refused' | 'unknown';
  readonly steps: readonly {
    readonly name: string;
    readonly atWallMs: number;
    readonly tookMs: number;
    readonly what: string;
  }[];
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
    fence: (epoch: number) => `${prefix}fence/${epoch}`,
    seen: (observer: NodeId) => `${prefix}seen/${observer}`,
    /** Beside the records, so that no watch of them hears it: written only to make a read go through the agreement. */
    looked: (node: NodeId) => `/farshore/${deployment}/${group}.looked/${node}`,
    journal: (operation: string) => `${prefix}journal/${operation}`,
  };
};
export type Keys = ReturnType<typeof keysOf>;
