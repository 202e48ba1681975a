import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import type { Knobs } from '../base/knobs.ts';
import type { StoreView, Versioned } from '../decide/failover/observation.ts';
import type { Compare, Coordination, KeyValue, Op, TxnResult, WatchEvent } from '../ports/coordination.ts';
import type {
  EpochRecord,
  FenceRecord,
  Keys,
  OperationRecord,
  PausedRecord,
  PositionRecord,
  RouteTable,
  SeenRecord,
  SlotRecord,
  SyncRecord,
} from '../ports/records.ts';

/** The records that a guarded step must read anew, in one transaction. */
export interface ReignNow {
  readonly epoch: Versioned<EpochRecord> | null;
  readonly sync: Versioned<SyncRecord> | null;
}

export interface OperationNow {
  readonly slot: Versioned<SlotRecord> | null;
  readonly record: Versioned<OperationRecord> | null;
}

interface Heard {
  readonly kv: KeyValue;
  /** What its text says, once somebody asked. */
  said: Versioned<unknown> | null;
}

/**
 * A write that the store has taken comes back through the watch, later by a round trip at most. One that does not: the watch's connection is
 * stuck, as behind a link that was cut, while others work again; by itself it would be given up after seconds.
 */
const SHOWN_WITHIN_MS = 500;

interface Lasting {
  readonly view: Omit<StoreView, 'paused' | 'seen'>;
  readonly routes: Versioned<RouteTable> | null;
  /** Of every observer, fresh or not. */
  readonly verdicts: StoreView['seen'];
  readonly pause: PausedRecord | null;
}

/**
 * The group's records as this node last heard them, kept by a watch. Decisions look at this copy; every write compares
 * mod revisions, so an old copy can lose time, never a write.
 */
export class GroupStore {
  readonly #me: NodeId;
  readonly #store: Coordination;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #knobs: Knobs;
  readonly #onChange: () => void;
  readonly #records = new Map<string, Heard>();
  /** When each observer's present verdict arrived here. One that was there before this process is stale from the start. */
  readonly #seenAtMs = new Map<NodeId, { readonly modRevision: number; readonly atMs: number }>();
  /** Read out of the fences when one of them changed. */
  #forced: StoreView['forced'] | null = null;
  /** What a look sees and time alone does not change: read out of the records when one of them changed. */
  #lasting: Lasting | null = null;
  #requestSeen: { readonly modRevision: number; readonly atMs: number } | null = null;
  #state: StoreView['state'] = 'unread';
  #epochSeenAtMs = 0;
  #epochRevision = -1;
  #leaseGoneAtMs: number | null = null;
  #stopWatch: (() => void) | null = null;
  #readAnew: (() => void) | null = null;
  /** The newest revision that was read or heard of. */
  #heardRevision = 0;
  #isAwaited = false;
  /** Counts the tries to read everything; the last one that began counts. */
  #reading = 0;
  #readBeganAtMs = 0;
  #closed = false;

  constructor(me: NodeId, store: Coordination, keys: Keys, clock: Clock, knobs: Knobs, onChange: () => void) {
    this.#me = me;
    this.#store = store;
    this.#keys = keys;
    this.#clock = clock;
    this.#knobs = knobs;
    this.#onChange = onChange;
  }

  /** Reads everything, then watches; again after every end of the watch, until `close`. */
  start(): void {
    void this.#readAndWatch();
  }

  close(): void {
    this.#closed = true;
    this.#stopWatch?.();
  }

  async #readAndWatch(): Promise<void> {
    const mine = ++this.#reading;
    const isOver = (): boolean => this.#closed || mine !== this.#reading;
    for (let tries = 0; !isOver(); tries++) {
      if (tries > 0) await this.#clock.sleep(Math.min(50 * 2 ** Math.min(tries, 4), 500));
      this.#readBeganAtMs = this.#clock.nowMs();
      const read = await this.#store.txn([], [{ getPrefix: this.#keys.prefix }]);
      if (read.kind !== 'done' || isOver()) continue;
      this.#replaceAll(read.value);
      this.#watchFrom(read.value.revision + 1);
      return;
    }
  }

  #watchFrom(revision: number): void {
    let over = false;
    const end = (): void => {
      if (over || this.#closed) return;
      over = true;
      this.#state = 'stale';
      this.#lasting = null;
      this.#onChange();
      void this.#readAndWatch();
    };
    const stop = this.#store.watch(this.#keys.prefix, revision, {
      onEvents: (events, heard) => {
        if (!over) this.#apply(events, heard);
      },
      onProgress: (heard) => this.#hear(heard),
      onEnd: end,
    });
    this.#stopWatch = stop;
    this.#readAnew = () => {
      stop();
      end();
    };
  }

  #hear(revision: number): void {
    this.#heardRevision = Math.max(this.#heardRevision, revision);
  }

  /** What was written here is there: the watch must show it soon. */
  async #await(revision: number): Promise<void> {
    // A read that was sent into a cut is given up after seconds only, and the store answers others by now.
    const isStuck = this.#state !== 'current' && this.#clock.nowMs() - this.#readBeganAtMs > SHOWN_WITHIN_MS;
    if (isStuck) void this.#readAndWatch();
    if (this.#isAwaited || revision <= this.#heardRevision || this.#state !== 'current') return;
    this.#isAwaited = true;
    await this.#clock.sleep(SHOWN_WITHIN_MS);
    this.#isAwaited = false;
    if (this.#closed || revision <= this.#heardRevision || this.#state !== 'current') return;
    this.#readAnew?.();
  }

  #replaceAll(result: TxnResult): void {
    const found = result.responses[0] ?? [];
    // Of a store that was made anew revisions begin again.
    this.#heardRevision = result.revision;
    this.#records.clear();
    this.#forced = null;
    for (const kv of found) this.#put(kv);
    this.#state = 'current';
    this.#noteEpoch();
    this.#onChange();
  }

  #apply(events: readonly WatchEvent[], revision: number): void {
    this.#hear(revision);
    for (const event of events) {
      if (event.kind === 'put') this.#put(event.kv);
      else this.#records.delete(event.key);
    }
    this.#state = 'current';
    this.#noteEpoch();
    this.#onChange();
  }

  #put(kv: KeyValue): void {
    this.#records.set(kv.key, { kv, said: null });
    if (kv.key.startsWith(this.#keys.fences)) this.#forced = null;
    if (!kv.key.startsWith(this.#keys.seen('' as NodeId))) return;
    const observer = this.#read<SeenRecord>(kv.key)?.value.observer;
    if (observer === undefined) return;
    // Reading everything again makes no old verdict new (P3.4): it is repeated every second while it stands.
    if (this.#seenAtMs.get(observer)?.modRevision === kv.modRevision) return;
    const atMs = this.#state === 'unread' ? Number.NEGATIVE_INFINITY : this.#clock.nowMs();
    this.#seenAtMs.set(observer, { modRevision: kv.modRevision, atMs });
  }

  #noteEpoch(): void {
    this.#lasting = null;
    if (this.#records.has(this.#keys.lease)) this.#leaseGoneAtMs = null;
    else this.#leaseGoneAtMs ??= this.#clock.nowMs();
    const revision = this.#records.get(this.#keys.epoch)?.kv.modRevision ?? 0;
    if (revision === this.#epochRevision) return;
    this.#epochRevision = revision;
    this.#epochSeenAtMs = this.#clock.nowMs();
  }

  /** Each record is read out of its text once, not at every look. */
  #read<T>(key: string): Versioned<T> | null {
    const heard = this.#records.get(key);
    if (heard === undefined) return null;
    heard.said ??= { value: JSON.parse(heard.kv.value), modRevision: heard.kv.modRevision };
    return heard.said as Versioned<T>;
  }

  get routes(): RouteTable | null {
    return this.seenRoutes?.value ?? null;
  }

  get seenRoutes(): Versioned<RouteTable> | null {
    return this.#look().routes;
  }

  get epoch(): Versioned<EpochRecord> | null {
    return this.#look().view.epoch;
  }

  view(): StoreView {
    const { view, pause, verdicts } = this.#look();
    // Property by property: of a copy by spread V8 makes a shape of its own, and each look of a decision a search in it.
    return {
      state: view.state,
      epoch: view.epoch,
      sync: view.sync,
      position: view.position,
      recordFence: view.recordFence,
      forced: view.forced,
      fence: view.fence,
      operation: view.operation,
      request: view.request,
      paused: pause === null ? null : this.#paused(pause),
      routesEpoch: view.routesEpoch,
      seen: this.#fresh(verdicts),
      mine: view.mine,
      epochSeenAtMs: view.epochSeenAtMs,
      leaseGoneAtMs: view.leaseGoneAtMs,
    };
  }

  #look(): Lasting {
    return (this.#lasting ??= this.#readAll());
  }

  #readAll(): Lasting {
    const routes = this.#read<RouteTable>(this.#keys.routes);
    const verdicts = [...this.#seenAtMs.keys()].flatMap((observer) => this.#verdictOf(observer) ?? []);
    const pause = this.#read<PausedRecord>(this.#keys.paused)?.value ?? null;
    return { view: this.#lastingView(routes), routes, verdicts, pause };
  }

  #lastingView(routes: Versioned<RouteTable> | null): Lasting['view'] {
    const epoch = this.#read<EpochRecord>(this.#keys.epoch);
    const sync = this.#read<SyncRecord>(this.#keys.sync);
    const operation = epoch === null ? null : this.#read<OperationRecord>(this.#keys.journal(epoch.value.operation));
    return {
      state: this.#state,
      epoch,
      sync,
      position: this.#read<PositionRecord>(this.#keys.position)?.value ?? null,
      recordFence: sync === null ? null : (this.#read<FenceRecord>(this.#keys.fence(sync.value.epoch))?.value ?? null),
      forced: (this.#forced ??= this.#forcedReigns()),
      fence: epoch === null ? null : (this.#read<FenceRecord>(this.#keys.fence(epoch.value.n))?.value ?? null),
      operation: operation?.value ?? null,
      request: this.#request(),
      routesEpoch: routes?.value.epoch ?? 0,
      mine: this.#verdictOf(this.#me),
      epochSeenAtMs: this.#epochSeenAtMs,
      leaseGoneAtMs: this.#leaseGoneAtMs,
    };
  }

  #forcedReigns(): StoreView['forced'] {
    return [...this.#records.keys()].flatMap((key) => {
      const fence = key.startsWith(this.#keys.fences) ? this.#read<FenceRecord>(key)?.value : undefined;
      return fence?.continues === undefined ? [] : [{ epoch: fence.epoch, continues: fence.continues }];
    });
  }

  #request(): StoreView['request'] {
    const slot = this.#read<SlotRecord>(this.#keys.slot);
    const record = slot === null ? null : this.#read<OperationRecord>(this.#keys.journal(slot.value.id));
    if (record === null) return null;
    if (this.#requestSeen?.modRevision !== record.modRevision)
      this.#requestSeen = { modRevision: record.modRevision, atMs: this.#clock.nowMs() };
    return { ...record, seenAtMs: this.#requestSeen.atMs };
  }

  /** By the wall clock: a person named a time. A clock that is wrong makes the pause longer or shorter, nothing else. */
  #paused(record: PausedRecord): StoreView['paused'] {
    const leftMs = record.untilWallMs - this.#clock.wallMs();
    return leftMs <= 0 ? null : { leftMs, actor: record.actor, reason: record.reason };
  }

  /** The journal as it was heard last, in no order. */
  get journal(): readonly OperationRecord[] {
    return [...this.#records.keys()].flatMap((key) => {
      const record = key.startsWith(this.#keys.journals) ? this.#read<OperationRecord>(key) : null;
      return record === null ? [] : [record.value];
    });
  }

  #fresh(verdicts: StoreView['seen']): StoreView['seen'] {
    if (verdicts.length === 0) return verdicts;
    const oldestMs = this.#clock.nowMs() - 3 * this.#knobs.verdictEveryMs;
    return verdicts.filter(({ heardAtMs }) => heardAtMs >= oldestMs);
  }

  #verdictOf(observer: NodeId): StoreView['mine'] {
    const record = this.#read<SeenRecord>(this.#keys.seen(observer))?.value;
    const heard = this.#seenAtMs.get(observer);
    if (record === undefined || heard === undefined) return null;
    const { epoch, primary, verdict, code, atWallMs } = record;
    return { observer, epoch, primary, verdict, code, atWallMs, heardAtMs: heard.atMs };
  }

  /**
   * What a step must look at right before it acts: epoch and sync record, read by a transaction that also writes. One that
   * only reads, or compares and writes nothing, is answered by one member of etcd, and after a pause of that member with
   * what was true before it (etcd #20418, also in Debian's 3.4.23). A write is answered at its place in the agreement.
   */
  async readReign(): Promise<Outcome<ReignNow>> {
    const read = await this.#store.txn([], [this.#lookOp(), { get: this.#keys.epoch }, { get: this.#keys.sync }]);
    if (read.kind !== 'done') return read;
    return done({
      epoch: parsed<EpochRecord>(read.value.responses[1]),
      sync: parsed<SyncRecord>(read.value.responses[2]),
    });
  }

  /** The route table as it is now, for a writer whose copy turned out to be old. */
  async readRoutes(): Promise<Outcome<Versioned<RouteTable> | null>> {
    const read = await this.#store.txn([], [this.#lookOp(), { get: this.#keys.routes }]);
    return read.kind === 'done' ? done(parsed<RouteTable>(read.value.responses[1])) : read;
  }

  /** Does the epoch still stand as it was written? Asked of the agreement, like `readReign`. */
  async epochStands(modRevision: number): Promise<boolean> {
    const compared = await this.#store.txn([{ key: this.#keys.epoch, modRevision }], [this.#lookOp()]);
    return compared.kind === 'done' && compared.value.succeeded;
  }

  #lookOp(): Op {
    return { put: this.#keys.looked(this.#me), value: '' };
  }

  /** A linearizable read of the slot and of one entry of the journal; of the one in the slot when none is named. */
  async readOperation(id: string | null): Promise<Outcome<OperationNow>> {
    const read = await this.#store.txn(
      [],
      [this.#lookOp(), { get: this.#keys.slot }, { getPrefix: this.#keys.journals }],
    );
    if (read.kind !== 'done') return read;
    const slot = parsed<SlotRecord>(read.value.responses[1]);
    const key = this.#keys.journal(id ?? slot?.value.id ?? '');
    const found = read.value.responses[2]?.find((kv) => kv.key === key);
    return done({ slot, record: parsed<OperationRecord>(found === undefined ? [] : [found]) });
  }

  /** A control write: compares what it must, and is refused when something changed. */
  async write(compare: readonly Compare[], puts: readonly Op[], what: string): Promise<Outcome<TxnResult>> {
    const wrote = await this.#store.txn(compare, puts);
    if (wrote.kind !== 'done') return wrote;
    if (wrote.value.succeeded) void this.#await(wrote.value.revision);
    return wrote.value.succeeded ? wrote : refused('record-changed', `${what}: a record changed in between`);
  }

  get keys(): Keys {
    return this.#keys;
  }
}

function parsed<T>(found: readonly KeyValue[] | undefined): Versioned<T> | null {
  const kv = found?.[0];
  return kv === undefined ? null : { value: JSON.parse(kv.value) as T, modRevision: kv.modRevision };
}

export const put = (key: string, value: unknown): Op => ({ put: key, value: JSON.stringify(value) });
