import type { Clock } from '../base/clock.ts';
import { type Outcome, done, refused } from '../base/result.ts';
import type {
  Compare,
  Coordination,
  KeyValue,
  Lease,
  Op,
  TxnResult,
  WatchEvent,
  WatchHandlers,
} from '../ports/coordination.ts';
import { fromBytes, toBytes } from './byte-strings.ts';
import {
  type Change,
  type EngineCompare,
  type EngineOp,
  type Entry,
  type Fault,
  Engine,
  NO_LEASE,
} from './engine/engine.ts';
import { oneKey, prefixRange } from './engine/key-space.ts';
import { LeaseDeadlines } from './engine/lease-deadlines.ts';
import { type EngineEvent, Watches } from './engine/watches.ts';

/** A store in this process: the engine of the embedded server on the clock given, with no disk. */
export interface MemoryStore {
  /** One client. Closing it ends its own watches only. */
  connect(): Coordination;
  /** Forgets the watch history up to `revision`. */
  compact(revision: number): void;
  close(): void;
}

/** Given as the reason, so that no error with a stack is made for it. */
const SET_AGAIN = 'the alarm is set again';
const CLOSED = { kind: 'refused', code: 'store-closed', why: 'this client was closed' } as const;

/**
 * Deterministic: given the same calls at the same times of `clock`, it answers the same, with the same lease ids.
 * A lease expires exactly at its TTL. Watchers are called in a microtask, never inside the call that wrote.
 */
export function memoryStore(clock: Clock): MemoryStore {
  const engine = new Engine();
  const watches = new Watches(engine.revision);
  // Without a process that could stand still there is no pause to notice.
  const deadlines = new LeaseDeadlines(Number.POSITIVE_INFINITY, clock.nowMs(), clock.wallMs());
  let alarm = new AbortController();
  let ringsAtMs = Number.POSITIVE_INFINITY;
  let lastLease = 0;

  const settled = (change: Change | null): void => {
    engine.settle();
    if (change === null) return;
    if (change.kind === 'grant') deadlines.start(change.lease, change.ttlSeconds * 1000, clock.nowMs());
    if (change.kind === 'revoke') deadlines.drop(change.lease);
    watches.publish(change);
    if (change.kind !== 'txn') setAlarm();
  };
  const expire = (): void => {
    for (const id of deadlines.due(clock.nowMs())) {
      const ended = engine.revoke(id);
      if (ended.ok) settled(ended.value.change);
    }
  };
  /** Sleeps until the earliest deadline. Keepalives move it later, and so may the end of a lease: it is set again when it rings. */
  const setAlarm = (): void => {
    const nextMs = deadlines.nextMs();
    if (nextMs === null || nextMs >= ringsAtMs) return;
    alarm.abort(SET_AGAIN);
    alarm = new AbortController();
    ringsAtMs = nextMs;
    clock.sleep(nextMs - clock.nowMs(), alarm.signal).then(
      () => {
        ringsAtMs = Number.POSITIVE_INFINITY;
        expire();
        setAlarm();
      },
      () => {},
    );
  };

  const connect = (): Coordination => {
    const stops = new Set<() => void>();
    let closed = false;
    return {
      txn: async (compare, then, orElse = []) => {
        if (closed) return CLOSED;
        expire();
        const answer = engine.txn(compare.map(engineCompare), then.map(engineOp), orElse.map(engineOp));
        if (!answer.ok) return faultOutcome(answer.error);
        settled(answer.value.change);
        return done<TxnResult>({
          succeeded: answer.value.value.succeeded,
          revision: answer.value.value.revision,
          responses: answer.value.value.results.map((result) =>
            result.kind === 'range' ? result.entries.map(keyValue) : [],
          ),
        });
      },
      grant: async (ttlMs) => {
        if (closed) return CLOSED;
        expire();
        const granted = engine.grant(String(++lastLease), Math.max(1, Math.ceil(ttlMs / 1000)));
        if (!granted.ok) return faultOutcome(granted.error);
        settled(granted.value.change);
        return done<Lease>({ id: granted.value.value.id, ttlMs: granted.value.value.ttlSeconds * 1000 });
      },
      keepAlive: async (leaseId) => {
        if (closed) return CLOSED;
        expire();
        const lease = engine.lease(leaseId);
        if (lease === null) return refused('lease-gone', 'etcdserver: requested lease not found');
        deadlines.renew(leaseId, clock.nowMs());
        return done<Lease>({ id: lease.id, ttlMs: lease.ttlSeconds * 1000 });
      },
      revoke: async (leaseId) => {
        if (closed) return CLOSED;
        expire();
        const ended = engine.revoke(leaseId);
        if (!ended.ok) return faultOutcome(ended.error);
        settled(ended.value.change);
        return done<void>(undefined);
      },
      watch: (prefix, fromRevision, handlers) => {
        if (closed) {
          soon(() => handlers.onEnd(CLOSED.why));
          return () => {};
        }
        const stop = watchMemory(watches, prefix, fromRevision, handlers);
        stops.add(stop);
        return () => {
          stops.delete(stop);
          stop();
        };
      },
      close: async () => {
        closed = true;
        for (const stop of stops) stop();
      },
    };
  };
  return { connect, compact: (revision) => watches.compact(revision), close: () => alarm.abort() };
}

const SETTLED = Promise.resolve();

/** In a microtask; `queueMicrotask` of Node makes an asynchronous context for each one besides. */
const soon = (call: () => void): void => void SETTLED.then(call);

/** After the returned function was called, no handler is called any more. */
function watchMemory(watches: Watches, prefix: string, fromRevision: number, handlers: WatchHandlers): () => void {
  let open = true;
  const later = (call: () => void) => soon(() => open && call());
  const stop = watches.open(prefixRange(toBytes(prefix)), fromRevision, {
    events: (events, revision) => later(() => handlers.onEvents(events.map(watchEvent), revision)),
    compacted: (revision) =>
      later(() => {
        open = false;
        handlers.onEnd(`compacted: revisions up to ${revision} are no longer kept`);
      }),
  });
  return () => {
    open = false;
    stop();
  };
}

const faultOutcome = (fault: Fault): Outcome<never> => refused(fault.code, fault.why);

const engineCompare = (compare: Compare): EngineCompare =>
  'value' in compare
    ? { key: toBytes(compare.key), value: compare.value }
    : { key: toBytes(compare.key), modRevision: compare.modRevision };

function engineOp(op: Op): EngineOp {
  if ('put' in op) return { kind: 'put', key: toBytes(op.put), value: op.value, lease: op.lease ?? NO_LEASE };
  if ('get' in op) return { kind: 'range', range: oneKey(toBytes(op.get)) };
  if ('getPrefix' in op) return { kind: 'range', range: prefixRange(toBytes(op.getPrefix)) };
  return { kind: 'delete', range: oneKey(toBytes(op.delete)) };
}

const keyValue = ({ key, value, createRevision, modRevision, lease }: Entry): KeyValue => ({
  key: fromBytes(key),
  value,
  createRevision,
  modRevision,
  lease,
});

const watchEvent = (event: EngineEvent): WatchEvent =>
  event.kind === 'put' ? { kind: 'put', kv: keyValue(event.entry) } : { ...event, key: fromBytes(event.key) };
