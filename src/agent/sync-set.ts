import type { NodeId } from '../base/ids.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import type { SyncChange } from '../decide/failover/membership.ts';
import { type CandidatesView, candidatesFor } from '../decide/failover/candidates.ts';
import { confirmersFor } from '../decide/failover/positioning.ts';
import { type Confirmers, sameConfirmers } from '../decide/failover/quorum.ts';
import type { Knobs } from '../base/knobs.ts';
import { Lag } from './lag.ts';
import type { GroupPolicy } from '../ports/config.ts';
import type { DatabaseStatus, RegionDatabase } from '../ports/database.ts';
import type { ReplicationMode, SyncRecord } from '../ports/records.ts';
import type { Versioned } from '../decide/failover/observation.ts';
import { type GroupStore, put } from './group-store.ts';
import type { Reign } from './reign.ts';

/** The primary's agent's memory of who confirms, and the carrying out of one change (P4). */
export class SyncSet {
  readonly #database: RegionDatabase;
  readonly #group: GroupStore;
  readonly #knobs: Knobs;
  readonly #mode: ReplicationMode;
  #olderLists: readonly Confirmers[] | null = null;
  readonly #lag = new Lag();
  /** PostgreSQL's list asks somebody to confirm. */
  isListed = false;
  /** Async with a guard: until when no more than the RPO can be lost, whatever becomes of this agent (M7). */
  vouchedUntilMs = Number.POSITIVE_INFINITY;
  readonly #goneSinceMs = new Map<NodeId, number>();

  constructor(database: RegionDatabase, group: GroupStore, knobs: Knobs, mode: ReplicationMode) {
    this.#database = database;
    this.#group = group;
    this.#knobs = knobs;
    this.#mode = mode;
  }

  /**
   * A reign that began under this agent: its list was set while nobody was connected, so no older one is in force.
   * `waitsProven`: PostgreSQL was shown to have noted that somebody must confirm (a flag in its shared memory); else the
   * list's first use needs the whole barrier.
   */
  beganHere(waitsProven: boolean): void {
    this.#olderLists = waitsProven ? [] : null;
    this.#goneSinceMs.clear();
    this.#lag.clear();
  }

  /** A reign found after a restart of the agent: which lists are in force is not known (P4.1c). */
  found(): void {
    this.#olderLists = null;
    this.#goneSinceMs.clear();
    this.#lag.clear();
  }

  /** Notes who streams, and gives what the decision looks at; null while PostgreSQL's list can't be read. */
  look(
    policy: GroupPolicy,
    me: NodeId,
    reign: Reign,
    record: SyncRecord,
    status: DatabaseStatus,
    nowMs: number,
  ): CandidatesView | null {
    if (status.syncList === null || status.endLsn === null) return null;
    const others = confirmersFor(policy, me);
    for (const node of policy.mode === 'async' ? candidatesFor({ policy }, me) : others) {
      const streams = status.standbys.some(
        (s) => s.node === node && s.epoch === reign.epoch && s.state === 'streaming',
      );
      if (streams) this.#goneSinceMs.delete(node);
      else if (!this.#goneSinceMs.has(node)) this.#goneSinceMs.set(node, nowMs);
    }
    const flushed = status.standbys.flatMap((s) =>
      others.includes(s.node) && s.epoch === reign.epoch && s.flushLsn !== null ? [s.flushLsn] : [],
    );
    this.#lag.note(status.atMs, status.endLsn, flushed);
    const lagMs = this.#lag.lagMs(nowMs);
    this.isListed = status.syncList.w > 0;
    // A reload is no barrier (P4.1b): until the list is shown to be in force the door has a time to close.
    const isGuarded = policy.async?.guard === 'block' && !(this.isListed && this.#olderLists?.length === 0);
    this.vouchedUntilMs = isGuarded ? nowMs - lagMs + (policy.async?.rpoMs ?? 0) : Number.POSITIVE_INFINITY;
    return {
      lagMs,
      policy,
      knobs: this.#knobs,
      primary: me,
      epoch: reign.epoch,
      record,
      configured: status.syncList,
      olderLists: this.#olderLists,
      standbys: status.standbys,
      endLsn: status.endLsn,
      reignLsn: reign.beganAtLsn,
      nowMs,
      goneSinceMs: this.#goneSinceMs,
    };
  }

  async carryOut(
    change: SyncChange,
    me: NodeId,
    reign: Reign,
    record: Versioned<SyncRecord>,
    configured: Confirmers,
  ): Promise<Outcome<void>> {
    switch (change.path) {
      case 'learn':
        return this.#barrier(reign, configured, ['in-force']);
      case 'store-first':
        return this.#storeFirst(change.to, me, reign, record, configured);
      case 'postgres-first':
        return this.#postgresFirst(change.to, me, reign, record, configured);
      case 'list':
        return this.#setList(change.to, reign, configured);
      case 'record-only': {
        const wrote = await this.#writeRecord(change.to, me, reign, record.value.version, record.modRevision);
        return wrote.kind === 'done' ? done(undefined) : wrote;
      }
    }
  }

  async #storeFirst(
    to: Confirmers,
    me: NodeId,
    reign: Reign,
    record: Versioned<SyncRecord>,
    configured: Confirmers,
  ): Promise<Outcome<void>> {
    const wrote = await this.#writeRecord(to, me, reign, record.value.version, record.modRevision);
    if (wrote.kind !== 'done') return wrote;
    return this.#setList(to, reign, configured);
  }

  /** The version is raised first, so that a late request of an earlier try can never land (P4.2). */
  async #postgresFirst(
    to: Confirmers,
    me: NodeId,
    reign: Reign,
    record: Versioned<SyncRecord>,
    configured: Confirmers,
  ): Promise<Outcome<void>> {
    const raised = await this.#writeRecord(record.value, me, reign, record.value.version, record.modRevision);
    if (raised.kind !== 'done') return raised;
    const settled = await this.#settle(to, reign, configured);
    if (settled.kind !== 'done') return settled;
    const wrote = await this.#writeRecord(to, me, reign, record.value.version + 1, raised.value);
    return wrote.kind === 'done' ? done(undefined) : wrote;
  }

  /**
   * The list with which this reign began, and no other since, is in force everywhere already: only the flush is left to
   * prove. Anything else needs the whole barrier, which restarts walsenders and so holds commits up for a moment.
   */
  async #settle(to: Confirmers, reign: Reign, configured: Confirmers): Promise<Outcome<void>> {
    if (sameConfirmers(to, configured) && this.#olderLists?.length === 0) return this.#barrier(reign, to, ['flushed']);
    const listed = await this.#setList(to, reign, configured);
    if (listed.kind !== 'done') return listed;
    return this.#barrier(reign, to, ['in-force', 'flushed']);
  }

  async #setList(to: Confirmers, reign: Reign, configured: Confirmers): Promise<Outcome<void>> {
    if (!sameConfirmers(to, configured)) {
      this.#olderLists = this.#olderLists === null ? null : [...this.#olderLists, configured];
    }
    return this.#database.setSyncList({ epoch: reign.epoch, w: to.w, names: to.names });
  }

  async #barrier(reign: Reign, list: Confirmers, prove: readonly ('in-force' | 'flushed')[]): Promise<Outcome<void>> {
    const proven = { epoch: reign.epoch, w: list.w, names: list.names };
    const settled = await this.#database.settleSyncList(proven, prove, this.#knobs.barrierTimeoutMs);
    if (settled.kind === 'done' && prove.includes('in-force')) this.#olderLists = [];
    return settled;
  }

  /** Compares epoch and record; returns the record's new mod revision. */
  async #writeRecord(
    to: Confirmers,
    me: NodeId,
    reign: Reign,
    version: number,
    modRevision: number,
  ): Promise<Outcome<number>> {
    const { keys } = this.#group;
    const next: SyncRecord = {
      version: version + 1,
      epoch: reign.epoch,
      primary: me,
      mode: this.#mode,
      w: to.w,
      names: to.names,
    };
    const wrote = await this.#group.write(
      [
        { key: keys.epoch, modRevision: reign.epochModRevision },
        { key: keys.sync, modRevision },
      ],
      [put(keys.sync, next)],
      'the sync record',
    );
    if (wrote.kind === 'done') return done(wrote.value.revision);
    if (wrote.kind === 'refused') return wrote;
    const now = await this.#group.readReign();
    if (now.kind !== 'done') return refused('record-unknown', 'the record could not be written; it is tried again');
    const { epoch, sync } = now.value;
    // The content as well: a late request of an earlier try may have taken this very version (P4.2).
    const same = sync?.value.version === next.version && sync.value.primary === me && sameConfirmers(sync.value, next);
    return same && epoch?.modRevision === reign.epochModRevision
      ? done(sync.modRevision)
      : refused('record-unknown', 'the record could not be written; it is tried again');
  }
}
