import type { ClocksAhead } from '../base/clocks-ahead.ts';
import type { NodeId } from '../base/ids.ts';
import type { Lsn } from '../base/lsn.ts';
import type { Outcome } from '../base/result.ts';

/** The list that PostgreSQL waits for: W of `names`. `w: 0` means nobody. Names carry the epoch (P10.2), so an old reign's standbys never match. */
export interface SyncList {
  readonly epoch: number;
  readonly w: number;
  readonly names: readonly NodeId[];
}

/** A standby as the primary's `pg_stat_replication` shows it. */
export interface StandbySeen {
  readonly node: NodeId;
  /** The epoch in its application_name. */
  readonly epoch: number;
  readonly state: 'startup' | 'catchup' | 'streaming' | 'backup' | 'stopping';
  readonly flushLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  readonly syncState: 'async' | 'potential' | 'sync' | 'quorum';
}

/** An ancestor of a timeline, and where it was left for the next one. */
export interface Fork {
  readonly timeline: number;
  readonly lsn: Lsn;
}

/** What a node must have like every other one to take its place (I9): names as PostgreSQL calls them, and a few of our own. */
export type Settings = Readonly<Record<string, string>>;

/** One consistent look at the local PostgreSQL. */
export interface DatabaseStatus {
  /** `stopped`: no process; `starting`: process, but no connection yet; `standby`/`primary`: answers queries. */
  readonly state: 'empty' | 'stopped' | 'starting' | 'standby' | 'primary';
  readonly systemId: string | null;
  readonly timeline: number | null;
  /** Primary: the ancestors of its timeline, oldest first; null on a standby, or not read yet. */
  readonly history: readonly Fork[] | null;
  /** The newest epoch stored in the database; null when it can't be read or was never written. */
  readonly storedEpoch: number | null;
  /** Who began that epoch. */
  readonly storedBy: NodeId | null;
  /** Primary: end of WAL flushed. Standby: end of WAL received and flushed, or replayed when nothing was received since the start. */
  readonly endLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  /** Standby: whom it is told to follow; null when isolated. */
  readonly upstream: { readonly node: NodeId; readonly epoch: number } | null;
  /** Standby: a WAL receiver runs, and gets WAL. */
  readonly receiving: boolean;
  /** Standby: true when it has replayed all the WAL that it holds itself. Only then is `endLsn` its end (P8.2). */
  readonly localWalReplayed: boolean;
  /** Primary: the list as configured, and who streams. */
  readonly syncList: SyncList | null;
  readonly standbys: readonly StandbySeen[];
  /** Age of the newest heartbeat row replayed or committed here, by this machine's clock; null = unknown. */
  readonly heartbeatAgeMs: number | null;
  readonly heartbeatSeq: number | null;
  readonly atMs: number;
}

/** What is known of a PostgreSQL that does not answer. */
export const NOTHING = {
  systemId: null,
  timeline: null,
  history: null,
  storedEpoch: null,
  storedBy: null,
  endLsn: null,
  replayLsn: null,
  upstream: null,
  receiving: false,
  localWalReplayed: false,
  syncList: null,
  standbys: [],
  heartbeatAgeMs: null,
  heartbeatSeq: null,
} as const satisfies Omit<DatabaseStatus, 'state' | 'atMs'>;

export interface Progress {
  (text: string, doneBytes?: number, totalBytes?: number): void;
}

/** Where a standby gets its WAL from, as seen from here (through the link). */
export interface Upstream {
  readonly node: NodeId;
  readonly epoch: number;
  readonly host: string;
  readonly port: number;
}

export interface Position {
  readonly timeline: number;
  readonly lsn: Lsn;
  readonly systemId: string;
  readonly storedEpoch: number | null;
}

export interface Stop {
  readonly evidence: string;
  /** The checkpoint with which a primary was shut down cleanly; null after anything else. A standby beyond it has all its WAL. */
  readonly end: { readonly timeline: number; readonly lsn: Lsn } | null;
}

export interface Heartbeat {
  readonly seq: number;
  readonly sentAtMs: number;
}

/** What one diverged node held alone, and where it is now (P8.3). Counts and places, no rows. */
export interface Salvage {
  /** The takeover that left this node behind. */
  readonly operation: string;
  readonly node: NodeId;
  readonly atWallMs: number;
  readonly tookMs: number;
  /** On this node's machine: `changes.jsonl`, `replay.sql` and this, as `index.json`. */
  readonly folder: string;
  /** `decoded`: every change, from the WAL. `images`: rows as they were left, no deletes, no old values. */
  readonly how: 'decoded' | 'images';
  /** The files hold everything that this node held alone. When not, `why` says what is missing, and its data is kept as well. */
  readonly complete: boolean;
  readonly why: string;
  readonly timeline: number;
  readonly forkLsn: Lsn;
  readonly endLsn: Lsn;
  readonly transactions: number;
  readonly changes: Readonly<Record<'insert' | 'update' | 'delete' | 'truncate' | 'image', number>>;
  readonly tables: Readonly<Record<string, number>>;
  /** Rows of Farshore's own tables (epoch, heartbeat), left out of the files. */
  readonly ownChanges: number;
}

/** What goes with a promotion, before anybody can write. */
export interface Promoting {
  /** The slot of P8.3 is made first. A promotion without it, after half a second, is as good. */
  readonly salvageSlot?: boolean;
  /** The recovery has ended on a new timeline; the epoch is being stored. */
  readonly onPromoted?: () => void;
}

export interface RegionDatabase {
  status(): Promise<DatabaseStatus>;
  /** What must be the same on every node that may become primary (I9), as the running PostgreSQL has it. */
  settings(): Promise<Outcome<Settings>>;
  /**
   * Makes a new cluster in an empty data directory and leaves it stopped. A cluster that `init` made and `startFirst` has
   * not opened yet is `fresh`: for it the answer is `done` again, with its system id. Any other content is refused.
   */
  init(progress: Progress): Promise<Outcome<{ readonly systemId: string }>>;
  /**
   * Starts PostgreSQL as an isolated standby (P8.1): signal file first, no connection to a primary. Also when it runs already.
   * Refused with code `fresh`, changing nothing, while the cluster is fresh: it has no roles to be reached with.
   */
  startIsolated(): Promise<Outcome<void>>;
  /**
   * Opens a fresh cluster as a primary: roles and schema made, epoch stored, list set. Only for the very first node.
   * Repeating it after any interruption finishes it, also when the cluster was left as a standby or runs as one.
   * Refused with code `not-fresh` for a cluster that was opened before.
   */
  startFirst(epoch: number, list: SyncList): Promise<Outcome<{ readonly systemId: string }>>;
  /** Ends every process of the data directory and proves it (P3.1 `killed`). `fast` lets the standbys get the last WAL. */
  stop(how: 'fast' | 'kill'): Promise<Outcome<Stop>>;
  /** Writes everything to disk while the primary serves, so that a `fast` stop soon after it is short. */
  checkpoint(): Promise<Outcome<void>>;
  /** Copies the upstream into an empty data directory, as an isolated standby, not started. An interrupted copy is cleaned and begun again. */
  clone(from: Upstream, progress: Progress, signal: AbortSignal): Promise<Outcome<void>>;
  /**
   * Begins to copy the upstream beside the data directory, while what that one holds is being saved. `copyBeside` and `clone` from the
   * same reign go on with it. Refused where there is a shorter way or no room; nothing depends on it.
   */
  copyAhead(from: Upstream, signal: AbortSignal): Promise<Outcome<void>>;
  /**
   * Copies the upstream beside the data directory, which stays as it is, and PostgreSQL with it; `done` when the copy is whole. Refused with
   * `no-room` when the disk does not hold both. An interrupted one is removed and begun again.
   */
  copyBeside(from: Upstream, progress: Progress, signal: AbortSignal): Promise<Outcome<void>>;
  /**
   * Stops PostgreSQL and puts the whole copy in the place of the data, which is removed. First it is looked at again that nothing goes with it
   * (I7): `grounds` is the salvage that holds it all, or `behind`: it is not beyond the fork. Killed at any moment, one of the two is there.
   */
  replace(from: Upstream, grounds: Salvage | 'behind'): Promise<Outcome<void>>;
  /** Points a running standby at an upstream, without restart. */
  follow(upstream: Upstream): Promise<Outcome<void>>;
  /** Cuts the standby from its upstream, waits until no WAL receiver is left, and reads the position. */
  detach(): Promise<Outcome<Position>>;
  /**
   * Compares the end of the local WAL with the fork in the upstream's history (P8.2). `behind`: not beyond it, and the upstream has
   * no longer the WAL that comes next, so following it would ask for ever.
   */
  compareWith(
    upstream: Upstream,
  ): Promise<Outcome<{ readonly verdict: 'same-branch' | 'behind' | 'diverged' | 'foreign'; readonly why: string }>>;
  /** Primary: keeps what a standby might never get (P8.3). `flushed`: what every standby that may be promoted has; null = not known. */
  keepSalvageSlot(flushed: Lsn | null): Promise<Outcome<void>>;
  /**
   * Writes what this diverged, isolated standby holds beyond the fork into files beside its data. PostgreSQL may be stopped
   * after it. Whatever the answer, the data directory is as it was.
   */
  salvage(upstream: Upstream, operation: string): Promise<Outcome<Salvage>>;
  salvages(): Promise<readonly Salvage[]>;
  /**
   * Turns the data directory that `saved` holds completely (I7) back to where it left the upstream's branch. PostgreSQL is
   * stopped. Refused when the system has no pg_rewind; with `half-rewound` when only a clone can help now.
   */
  rewind(upstream: Upstream, saved: Salvage): Promise<Outcome<void>>;
  /** Removes the data directory that `salvage` holds completely (I7), and leaves an empty one. PostgreSQL is stopped. */
  discard(salvage: Salvage): Promise<Outcome<void>>;
  /**
   * Removes the data of an isolated standby that is `behind` its upstream, and so holds nothing that it lacks (I7); that is looked at again
   * here. PostgreSQL is stopped then. Refused with `not-behind-now` when the WAL may be there, else with the verdict of `compareWith` as
   * its code. Only for where no copy can be made first.
   */
  discardBehind(upstream: Upstream): Promise<Outcome<void>>;
  /** Moves a diverged data directory aside, whole, so that it can be read later (I7), and leaves an empty one. */
  setAside(label: string): Promise<Outcome<{ readonly keptAt: string }>>;
  /** Promotes a standby, checks timeline and recovery state, then stores the epoch in the database. */
  promote(epoch: number, how?: Promoting): Promise<Outcome<Position>>;
  /** Writes the sync list and asks for a reload. Works on a standby too (for the reign that begins). Not a barrier. */
  setSyncList(list: SyncList): Promise<Outcome<void>>;
  /**
   * The barrier (P4.1b), in two halves. `in-force`: every backend and walsender uses `list`; walsenders from before are
   * restarted. `flushed`: every name in it flushed past the end of WAL read now. `unknown` when not proven within `timeoutMs`.
   */
  settleSyncList(list: SyncList, prove: readonly ('in-force' | 'flushed')[], timeoutMs: number): Promise<Outcome<void>>;
  /**
   * Commits one heartbeat row the way an application would (waits for the list). Bounded by `timeoutMs`. A call that
   * finds a commit waiting joins it: `sentAtMs` (Clock.nowMs) is when the commit that succeeded was sent.
   */
  heartbeat(timeoutMs: number): Promise<Outcome<Heartbeat>>;
  /**
   * Async: the keeper kills PostgreSQL at `deadlineMs` (Clock.nowMs) whatever becomes of this process (P10.1). `ahead`: the other clocks
   * when the lease was asked for (P2.2).
   */
  killAt(epoch: number, deadlineMs: number, ahead?: ClocksAhead): Promise<Outcome<void>>;
  close(): Promise<void>;
}
