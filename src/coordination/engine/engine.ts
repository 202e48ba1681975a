import { type Result, assert, err, ok } from '../../base/result.ts';
import { KeySpace, type Range } from './key-space.ts';

/**
 * The semantics of etcd v3 without time, disk or network: revisions, transactions, leases as groups of keys.
 * A transaction is first worked out against the state, which gives a `Change`; `#apply` is the only thing that
 * changes state, live and when a log is replayed. So a replay cannot differ from what was answered.
 *
 * Keys are byte strings (one character per byte), so that comparing text is comparing bytes. Values are opaque.
 */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** '0' = no lease. */
  readonly lease: string;
}

export type EngineCompare =
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly value: string };

export type EngineOp =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease: string }
  | { readonly kind: 'range'; readonly range: Range }
  | { readonly kind: 'delete'; readonly range: Range };

export type OpResult =
  | { readonly kind: 'put' }
  | { readonly kind: 'range'; readonly entries: readonly Entry[] }
  | { readonly kind: 'delete'; readonly deleted: number };

/** What a change does to one key: set it, or (with the key alone) remove it. */
export type Write =
  | { readonly key: string; readonly value: string; readonly lease: string; readonly createRevision: number }
  | { readonly key: string };

/** The effect of one request, as it is logged and replayed. */
export type Change =
  | { readonly kind: 'txn'; readonly revision: number; readonly writes: readonly Write[] }
  | { readonly kind: 'grant'; readonly lease: string; readonly ttlSeconds: number }
  | { readonly kind: 'revoke'; readonly lease: string; readonly revision: number; readonly writes: readonly Write[] };

export interface EngineLease {
  readonly id: string;
  readonly ttlSeconds: number;
}

export interface EngineState {
  readonly revision: number;
  readonly entries: readonly Entry[];
  readonly leases: readonly EngineLease[];
}

export interface TxnAnswer {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly results: readonly OpResult[];
}

/** Codes of the port; `why` is worded as etcd words it. */
export interface Fault {
  readonly code: 'lease-gone' | 'lease-exists' | 'invalid-request' | 'store-full';
  readonly why: string;
}

/** An answer, and the change that must be on disk before it is given; null when nothing changed. */
export interface Evaluated<T> {
  readonly value: T;
  readonly change: Change | null;
}

export const NO_LEASE = '0';
const MAX_OPS = 128;
const MAX_LEASES = 10_000;
const leaseGone: Fault = { code: 'lease-gone', why: 'etcdserver: requested lease not found' };
const invalid = (why: string): Fault => ({ code: 'invalid-request', why: `etcdserver: ${why}` });

export class Engine {
  #revision: number;
  readonly #space = new KeySpace<Entry>();
  readonly #leases = new Map<string, { readonly ttlSeconds: number; readonly keys: Set<string> }>();
  /** Inverse steps of everything since the last `settle`, newest last. */
  #undo: (() => void)[] = [];
  #bytes = 0;
  readonly #maxBytes: number;

  constructor(state: EngineState = { revision: 1, entries: [], leases: [] }, maxBytes = 64 * 1024 * 1024) {
    this.#maxBytes = maxBytes;
    this.#revision = state.revision;
    for (const lease of state.leases) this.#leases.set(lease.id, { ttlSeconds: lease.ttlSeconds, keys: new Set() });
    for (const entry of state.entries) this.#set(entry.key, entry);
    this.settle();
  }

  get revision(): number {
    return this.#revision;
  }

  /** Size of the keys and values held. */
  get bytes(): number {
    return this.#bytes;
  }

  lease(id: string): EngineLease | null {
    const found = this.#leases.get(id);
    return found === undefined ? null : { id, ttlSeconds: found.ttlSeconds };
  }

  /** Everything, for a snapshot. */
  state(): EngineState {
    return {
      revision: this.#revision,
      entries: this.#space.all(),
      leases: [...this.#leases].map(([id, lease]) => ({ id, ttlSeconds: lease.ttlSeconds })),
    };
  }

  /** Carries out a transaction: all of `then` or all of `orElse`, at one revision. A fault changes nothing. */
  txn(
    compares: readonly EngineCompare[],
    then: readonly EngineOp[],
    orElse: readonly EngineOp[],
  ): Result<Evaluated<TxnAnswer>, Fault> {
    if (compares.length > MAX_OPS) return err(invalid('too many operations in txn request'));
    const bad = opsFault(then) ?? opsFault(orElse);
    if (bad !== null) return err(bad);
    const succeeded = compares.every((compare) => this.#holds(compare));
    const ops = succeeded ? then : orElse;
    const fault = this.#putsFault(ops);
    if (fault !== null) return err(fault);
    const { results, writes } = this.#work(ops);
    const change: Change | null = writes.length === 0 ? null : { kind: 'txn', revision: this.#revision + 1, writes };
    if (change !== null) this.apply(change);
    return ok({ value: { succeeded, revision: this.#revision, results }, change });
  }

  grant(id: string, ttlSeconds: number): Result<Evaluated<EngineLease>, Fault> {
    if (!/^[1-9][0-9]{0,18}$/.test(id)) return err(invalid(`not a lease id: ${id}`));
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1) return err(invalid(`not a lease TTL: ${ttlSeconds}`));
    if (this.#leases.has(id)) return err({ code: 'lease-exists', why: 'etcdserver: lease already exists' });
    if (this.#leases.size >= MAX_LEASES) return err({ code: 'store-full', why: `more than ${MAX_LEASES} leases` });
    const change: Change = { kind: 'grant', lease: id, ttlSeconds };
    this.apply(change);
    return ok({ value: { id, ttlSeconds }, change });
  }

  /** Ends a lease, on request or because it expired: its keys go, at one revision. */
  revoke(id: string): Result<Evaluated<null>, Fault> {
    const lease = this.#leases.get(id);
    if (lease === undefined) return err(leaseGone);
    const writes = [...lease.keys].toSorted().map((key) => ({ key }));
    const change: Change = {
      kind: 'revoke',
      lease: id,
      revision: this.#revision + (writes.length > 0 ? 1 : 0),
      writes,
    };
    this.apply(change);
    return ok({ value: null, change });
  }

  read(range: Range): readonly Entry[] {
    return this.#space.range(range);
  }

  /** Applies a change that was worked out before: now, or in an earlier life of this store. */
  apply(change: Change): void {
    if (change.kind === 'grant') {
      this.#leases.set(change.lease, { ttlSeconds: change.ttlSeconds, keys: new Set() });
      this.#undo.push(() => this.#leases.delete(change.lease));
      return;
    }
    const before = this.#revision;
    assert(
      change.revision === before + (change.writes.length > 0 ? 1 : 0),
      `revision ${change.revision} after ${before}`,
    );
    for (const write of change.writes) {
      const old = this.#space.get(write.key);
      this.#set(write.key, entryAfter(write, change.revision));
      this.#undo.push(() => this.#set(write.key, old));
    }
    this.#revision = change.revision;
    this.#undo.push(() => (this.#revision = before));
    if (change.kind !== 'revoke') return;
    const lease = this.#leases.get(change.lease);
    assert(lease !== undefined, `lease ${change.lease} exists when it is revoked`);
    this.#leases.delete(change.lease);
    this.#undo.push(() => this.#leases.set(change.lease, lease));
  }

  /** What was applied is durable: it can no longer be taken back. */
  settle(): void {
    this.#undo = [];
  }

  /** Takes back everything since the last `settle`, because it could not be made durable. */
  rollback(): void {
    for (const step of this.#undo.toReversed()) step();
    this.#undo = [];
  }

  #holds(compare: EngineCompare): boolean {
    const entry = this.#space.get(compare.key);
    if ('modRevision' in compare) return (entry?.modRevision ?? 0) === compare.modRevision;
    // As in etcd, a comparison with the value of an absent key is false, also with ''.
    return entry !== undefined && entry.value === compare.value;
  }

  #putsFault(ops: readonly EngineOp[]): Fault | null {
    let added = 0;
    for (const op of ops) {
      if (op.kind !== 'put') continue;
      if (op.lease !== NO_LEASE && !this.#leases.has(op.lease)) return leaseGone;
      added += op.key.length + op.value.length;
    }
    if (added > 0 && this.#bytes + added > this.#maxBytes) {
      return { code: 'store-full', why: 'etcdserver: mvcc: database space exceeded' };
    }
    return null;
  }

  /** Works out the operations in order; each sees those before it. Nothing changes yet. */
  #work(ops: readonly EngineOp[]): { results: OpResult[]; writes: Write[] } {
    const writes: Write[] = [];
    const results = ops.map((op): OpResult => {
      if (op.kind === 'put') {
        // No list puts a key twice or deletes it too, so the stored entry is what this put replaces.
        const createRevision = this.#space.get(op.key)?.createRevision ?? this.#revision + 1;
        writes.push({ key: op.key, value: op.value, lease: op.lease, createRevision });
        return { kind: 'put' };
      }
      const entries = this.#readThrough(op.range, writes);
      if (op.kind === 'range') return { kind: 'range', entries };
      for (const entry of entries) writes.push({ key: entry.key });
      return { kind: 'delete', deleted: entries.length };
    });
    return { results, writes };
  }

  /** Reads the state as it will be after `writes`. */
  #readThrough(range: Range, writes: readonly Write[]): readonly Entry[] {
    const stored = this.#space.range(range);
    const touching = writes.filter((write) => inRange(write.key, range));
    if (touching.length === 0) return stored;
    const merged = new Map(stored.map((entry) => [entry.key, entry]));
    for (const write of touching) {
      const entry = entryAfter(write, this.#revision + 1);
      if (entry === undefined) merged.delete(write.key);
      else merged.set(write.key, entry);
    }
    return [...merged.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Sets or removes an entry and keeps the lease's keys and the size right. */
  #set(key: string, entry: Entry | undefined): void {
    const old = this.#space.get(key);
    if (old !== undefined) {
      this.#leases.get(old.lease)?.keys.delete(key);
      this.#bytes -= key.length + old.value.length;
    }
    if (entry === undefined) {
      this.#space.delete(key);
      return;
    }
    this.#space.set(key, entry);
    this.#leases.get(entry.lease)?.keys.add(key);
    this.#bytes += key.length + entry.value.length;
  }
}

export const inRange = (key: string, range: Range): boolean => key >= range.start && key < range.end;

/** The entry that a write of `revision` leaves; undefined when it removes the key. */
export function entryAfter(write: Write, revision: number): Entry | undefined {
  if (!('value' in write)) return undefined;
  const { key, value, createRevision, lease } = write;
  return { key, value, createRevision, modRevision: revision, lease };
}

/** Like etcd: a key may be put once in a list, and not also deleted there. */
function opsFault(ops: readonly EngineOp[]): Fault | null {
  if (ops.length > MAX_OPS) return invalid('too many operations in txn request');
  const puts = new Set<string>();
  for (const op of ops) {
    const key = op.kind === 'put' ? op.key : op.range.start;
    if (key === '') return invalid('key is not provided');
    if (op.kind !== 'put') continue;
    if (puts.has(key)) return invalid('duplicate key given in txn request');
    puts.add(key);
  }
  const both = ops.some((op) => op.kind === 'delete' && [...puts].some((key) => inRange(key, op.range)));
  return both ? invalid('duplicate key given in txn request') : null;
}
