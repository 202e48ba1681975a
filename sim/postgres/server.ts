import type { NodeId, PlaceId } from '../../src/base/ids.ts';
import type { SyncList } from '../../src/ports/database.ts';
import type { Process } from '../clock.ts';
import type { Rng } from '../rng.ts';
import type { DataDir, Entry, What } from './wal.ts';
import { timelineOf } from './wal.ts';
import type { WalSender } from './wal-sender.ts';
import type { WalReceiver } from './wal-receiver.ts';

/** How a commit ended for the client that waits for it. `cancelled`: committed here, the wait was cancelled (a WARNING). */
export type CommitEnd = 'committed' | 'cancelled' | 'lost';

interface Waiter {
  readonly count: number;
  readonly end: (how: CommitEnd) => void;
}

type Reader = 'postmaster' | 'checkpointer' | 'startup' | 'walsender';

/** How long a change of the settings takes to reach each process; now and then one is busy. */
export interface Delays {
  reloadMs(rng: Rng, who: Reader): number;
  readonly startMs: number;
  readonly diskMs: number;
  readonly replayMs: number;
}

export const USUAL: Delays = {
  reloadMs: (rng) => (rng.chance(0.05) ? rng.between(20, 1_500) : rng.between(0.2, 8)),
  startMs: 250,
  diskMs: 0.5,
  replayMs: 1,
};

/**
 * One running PostgreSQL, as its processes share the work (syncrep.c, walsender.c, xlogrecovery.c of 15 to 18):
 * - a backend waits by a flag in shared memory that the checkpointer sets;
 * - a walsender releases waiters by its own copy of the list, and by the priorities that each walsender computed itself;
 * - the postmaster's copy is what new processes begin with.
 * A reload reaches them one after another.
 */
export class PgServer {
  readonly node: NodeId;
  readonly place: PlaceId;
  readonly process: Process;
  readonly dir: DataDir;
  readonly rng: Rng;
  delays: Delays;
  state: 'starting' | 'standby' | 'primary' = 'starting';
  /** How many records were replayed: what a query on a standby sees. */
  replayed = 0;
  storedEpoch: number | null = null;
  storedTimeline = 0;
  storedBy: NodeId | null = null;
  beat: { readonly seq: number; readonly wallMs: number } | null = null;
  /** Settings as the postmaster read them last. */
  shown: { readonly syncList: SyncList; readonly upstream: DataDir['upstream'] };
  /** The startup process's own copy of primary_conninfo. */
  startupUpstream: DataDir['upstream'];
  checkpointerList: SyncList;
  syncDefined = false;
  /** A fast stop has ended every backend: nothing comes after its checkpoint. */
  stopping = false;
  readonly walSenders = new Set<WalSender>();
  receiver: WalReceiver | null = null;
  /** Sessions of clients end with their server. */
  readonly sessions = new Set<() => void>();
  /** Called when an epoch is stored here: a reign begins. */
  onEpoch: (epoch: number) => void = () => undefined;
  /** Called when a process has read its settings again. */
  onSettings: () => void = () => undefined;
  #released = 0;
  #waiters: Waiter[] = [];
  #replaying = false;
  readonly #onRetrieve: (server: PgServer) => void;
  readonly #hasSlots: boolean;

  constructor(parts: {
    readonly node: NodeId;
    readonly place: PlaceId;
    readonly process: Process;
    readonly dir: DataDir;
    readonly rng: Rng;
    readonly delays: Delays;
    readonly hasSlots: boolean;
    readonly onRetrieve: (server: PgServer) => void;
  }) {
    this.node = parts.node;
    this.place = parts.place;
    this.process = parts.process;
    this.dir = parts.dir;
    this.rng = parts.rng;
    this.delays = parts.delays;
    this.#hasSlots = parts.hasSlots;
    this.#onRetrieve = parts.onRetrieve;
    this.shown = { syncList: this.dir.syncList, upstream: this.dir.upstream };
    this.startupUpstream = this.dir.upstream;
    this.checkpointerList = this.dir.syncList;
    this.process.onDeath(() => this.#died());
    this.process.after(this.delays.startMs * this.rng.between(0.7, 1.5), () => this.#started());
  }

  get up(): boolean {
    return this.process.alive && this.state !== 'starting';
  }

  get end(): number {
    return this.dir.wal.length;
  }

  get timeline(): number {
    return timelineOf(this.dir);
  }

  #started(): void {
    this.state = this.dir.standbySignal ? 'standby' : 'primary';
    this.#replayTo(this.end);
    // Shared memory begins with "nobody confirms" until the checkpointer has looked.
    this.process.after(this.delays.reloadMs(this.rng, 'checkpointer'), () => this.#checkpointerReads());
    if (this.state === 'standby') this.#retrieve();
  }

  #died(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.end('lost');
    const sessions = [...this.sessions];
    this.sessions.clear();
    for (const end of sessions) end();
  }

  // ---- settings

  /** SIGHUP to the postmaster, who reads the files and passes it on. */
  reload(): void {
    const { process, rng, delays } = this;
    process.after(delays.reloadMs(rng, 'postmaster'), () => {
      this.shown = { syncList: this.dir.syncList, upstream: this.dir.upstream };
      process.after(delays.reloadMs(rng, 'checkpointer'), () => this.#checkpointerReads());
      if (this.state === 'standby') process.after(delays.reloadMs(rng, 'startup'), () => this.#startupReads());
      for (const sender of this.walSenders)
        process.after(delays.reloadMs(rng, 'walsender'), () => sender.readSettings());
    });
  }

  /**
   * Every list by which a commit may be acknowledged now: the flag's, and those of the walsenders that count. Each asks for as many
   * as its own list says, out of everybody who says that it is named.
   */
  listsInForce(): readonly SyncList[] {
    const lists: SyncList[] = this.syncDefined ? [] : [{ epoch: 0, w: 0, names: [] }];
    const counting = [...this.walSenders].filter(({ hasPriority, list }) => hasPriority && list.w > 0);
    const named = counting.map(({ node }) => node);
    for (const { list } of counting) lists.push({ ...list, names: [...new Set([...list.names, ...named])] });
    return lists;
  }

  /** Begins as a server that has run for a while. */
  ranBefore(): void {
    this.syncDefined = this.shown.syncList.w > 0;
  }

  #checkpointerReads(): void {
    this.checkpointerList = this.shown.syncList;
    const defined = this.checkpointerList.w > 0;
    if (defined === this.syncDefined) return;
    this.syncDefined = defined;
    // SyncRepUpdateSyncStandbysDefined: with nobody to wait for, everybody who waits is released.
    if (!defined) this.release(this.end);
    this.onSettings();
  }

  #startupReads(): void {
    if (this.state !== 'standby') return;
    const before = this.startupUpstream;
    this.startupUpstream = this.shown.upstream;
    const same = before?.node === this.startupUpstream?.node && before?.epoch === this.startupUpstream?.epoch;
    if (!same) this.receiver?.end('the setting changed');
  }

  /** The startup process asks for a receiver whenever it has none (wal_retrieve_retry_interval). */
  #retrieve(): void {
    if (this.state !== 'standby' || !this.process.alive) return;
    if (this.receiver === null && this.startupUpstream !== null && this.replayed === this.end) this.#onRetrieve(this);
    this.process.after(200, () => this.#retrieve());
  }

  // ---- WAL

  append(what: What): number {
    this.dir.wal.push({ timeline: this.timeline, what });
    this.#replayTo(this.end);
    this.sendToAll();
    if (what.kind === 'epoch') this.onEpoch(what.n);
    return this.end;
  }

  /** A standby got records. They are flushed before they are confirmed, and replayed a little later. */
  received(entries: readonly Entry[], history: DataDir['history']): void {
    this.dir.wal.push(...entries);
    this.dir.history = history;
    this.sendToAll();
    if (this.#replaying) return;
    this.#replaying = true;
    const { replayMs } = this.delays;
    this.process.after(this.rng.chance(0.02) ? this.rng.between(10, 400) * replayMs : replayMs, () => {
      this.#replaying = false;
      if (this.state === 'standby') this.#replayTo(this.end);
    });
  }

  /** One walsender at a time uses the slot of a standby. */
  isSlotInUse(standby: NodeId): boolean {
    return this.#hasSlots && [...this.walSenders].some(({ node }) => node === standby);
  }

  sendToAll(): void {
    for (const sender of this.walSenders) sender.send();
  }

  #replayTo(count: number): void {
    for (; this.replayed < count; this.replayed++) {
      const entry = this.dir.wal[this.replayed];
      if (entry?.what.kind === 'epoch') {
        this.storedEpoch = entry.what.n;
        this.storedTimeline = entry.timeline;
        this.storedBy = entry.what.by;
      } else if (entry?.what.kind === 'beat') this.beat = entry.what;
    }
  }

  /** Ends recovery on a new timeline: everything received is replayed first. */
  endRecovery(): void {
    this.receiver?.end('promoted');
    this.#replayTo(this.end);
    const before = this.timeline;
    this.dir.history = [...this.dir.history, { timeline: before, count: this.end }];
    this.dir.standbySignal = false;
    this.state = 'primary';
    this.dir.wal.push({ timeline: before + 1, what: { kind: 'mark', text: 'end of recovery' } });
    this.#replayTo(this.end);
    this.sendToAll();
  }

  // ---- commits

  /** Commits as a backend does: on disk, then the wait if the shared flag asks for one. `end` is called at most once. */
  commit(what: What, waits: boolean, end: (how: CommitEnd, count: number) => void): void {
    const { process, rng } = this;
    process.after(this.delays.diskMs * rng.between(0.5, 2), () => {
      if (this.state !== 'primary' || this.stopping) return end('lost', 0);
      const count = this.append(what);
      if (!waits || !this.syncDefined || count <= this.#released) return end('committed', count);
      this.#waiters.push({ count, end: (how) => end(how, count) });
    });
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** How many rows a query sees: a commit that waits is not visible yet, one that was replayed is. */
  rowsSeen(): number {
    const unseen = new Set(this.#waiters.map(({ count }) => count - 1));
    return this.dir.wal.filter(({ what }, i) => what.kind === 'row' && i < this.replayed && !unseen.has(i)).length;
  }

  /** pg_cancel_backend on one that waits: it stops waiting, and the commit stands. */
  cancelWait(): boolean {
    const waiter = this.#waiters.pop();
    waiter?.end('cancelled');
    return waiter !== undefined;
  }

  release(count: number): void {
    if (count > this.#released && count < Number.POSITIVE_INFINITY) this.#released = count;
    const released = this.#waiters.filter((waiter) => waiter.count <= count);
    if (released.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.count > count);
    for (const waiter of released) waiter.end('committed');
  }

  /** SyncRepReleaseWaiters, run by one walsender with its own list over everybody's own priorities. */
  releaseBy(list: SyncList): void {
    if (list.w === 0) return;
    const flushed: number[] = [];
    for (const other of this.walSenders) if (other.hasPriority && other.streaming) flushed.push(other.flushed);
    if (flushed.length < list.w) return;
    flushed.sort((a, b) => b - a);
    this.release(flushed[list.w - 1] ?? 0);
  }
}
