/** What one search of the quorum model allows to happen, and which reading of the protocol it checks. */
export interface QuorumScope {
  /** Region of each node: nodes 0, 1, 2 are A, B, C. Confirmations count from other regions only (M5). */
  readonly regions: readonly number[];
  /** `all`: sync. `any1`: semi-sync with one confirmation. */
  readonly mode: 'all' | 'any1';
  readonly whenAlone: 'block' | 'serve';
  readonly writes: number;
  readonly faults: number;
  readonly takeovers: number;
  readonly changes: number;
  /** Clients cancel their wait for standbys. */
  readonly cancels: boolean;
  /** Frozen nodes, cut links and a lost store as events of their own. */
  readonly outages: boolean;
  /** A request to the store times out and is applied later. */
  readonly lateRequests: boolean;
  /** An accepted order to follow is carried out arbitrarily late. */
  readonly slowOrders: boolean;
  readonly rules: QuorumRules;
  readonly mistake: QuorumMistake | null;
  readonly repairTakeovers: number;
  readonly repairChanges: number;
}

/** Each rule as the protocol has it (`PROTOCOL`); the other reading is one that a search must refute. */
export interface QuorumRules {
  /** When "solo: new primary" is written (P5). */
  readonly recordAt: 'promotion' | 'epoch' | 'gateway-open';
  /** What the first half of the barrier proves (P4.1b). */
  readonly barrier: 'settled' | 'probe';
  /** What the direction of a change is judged against (P4.1c). */
  readonly judgeBy: 'record' | 'list';
  /** Does the record cover each list in force, or also what a mix of them lets through (P4.1)? */
  readonly lists: 'any-mix' | 'one-by-one';
  /** Every change begins with a write that raises the record's version (P4.2). */
  readonly bumpFirst: boolean;
  /** A newer order cancels accepted older ones (P5). */
  readonly newerCancels: boolean;
  /** The recorded primary, detached, is a position quorum by itself (P3.2). */
  readonly holderCounts: boolean;
  /** A promoted node that is named in the record finishes the takeover itself (P5). */
  readonly finishes: boolean;
  /** A name in PostgreSQL's list that never reached the record is evicted too (P4.4). */
  readonly withdraws: boolean;
  /** What makes a node of the primary's own region, which confirms nothing, a candidate beside the recorded names. */
  readonly ownRegion: 'never' | 'branch-and-position' | 'position-only';
}

export const PROTOCOL: QuorumRules = {
  recordAt: 'promotion',
  barrier: 'settled',
  judgeBy: 'record',
  lists: 'any-mix',
  bumpFirst: true,
  newerCancels: true,
  holderCounts: true,
  finishes: true,
  withdraws: true,
  ownRegion: 'branch-and-position',
};

/** Mistakes that the protocol forbids. */
export type QuorumMistake =
  | 'no-barrier'
  | 'create-revision'
  | 'no-position-quorum'
  | 'degrade-without-store'
  | 'promote-empty-list'
  | 'cancel-is-ack'
  | 'evict-postgres-first'
  | 'store-loss-demotes'
  | 'own-region-confirms';
