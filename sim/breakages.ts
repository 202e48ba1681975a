import type { decideFailover } from '../src/decide/failover/decide.ts';
import type { Coordination, Compare } from '../src/ports/coordination.ts';
import type { RegionDatabase, SyncList } from '../src/ports/database.ts';
import type { SyncRecord } from '../src/ports/records.ts';
import { isHeard } from '../src/decide/failover/suspicion.ts';
import { nodeId } from '../src/base/ids.ts';
import { done, refused } from '../src/base/result.ts';
import { PLACES, WITNESS } from './cluster.ts';
import type { Planned } from './faults.ts';
import { asAsync, type Parts } from './world.ts';

/** One deliberate mistake: what is left out, and the part of the world that leaves it out. */
export interface Breakage {
  readonly name: string;
  readonly what: string;
  /** Where to begin to look: it shows within 60 schedules from here. */
  readonly fromSeed: number;
  readonly change: (parts: Parts) => Parts;
  /** The mode in which it shows, where that is not the drawn one; the unbroken code is run in it too. */
  readonly asMode?: (parts: Parts) => Parts;
  /** What has to happen, when a drawn schedule would seldom show it. */
  readonly faults?: readonly Planned[];
}

const [FIRST, SECOND, THIRD] = PLACES;
if (FIRST === undefined || SECOND === undefined || THIRD === undefined) throw new Error('three places');

/** The second region lags, the first one dies, and the second can't ask the third, who has what was acknowledged. */
const BEHIND_AND_ALONE: readonly Planned[] = [
  // So that no position of what follows is published, which would refuse it too (I6).
  { atMs: 1_900, forMs: 4_000, fault: { kind: 'cut', from: FIRST, to: WITNESS, traffic: ['store'], both: true } },
  { atMs: 2_000, forMs: 6_000, fault: { kind: 'cut', from: FIRST, to: SECOND, traffic: ['replication'], both: true } },
  { atMs: 3_200, forMs: 5_000, fault: { kind: 'cut', from: SECOND, to: THIRD, traffic: ['agents'], both: true } },
  { atMs: 3_300, forMs: 6_000, fault: { kind: 'crash', node: nodeId(FIRST, 'n1'), what: 'all' } },
];

const [A, B, C] = [FIRST, SECOND, THIRD].map((place) => nodeId(place, 'n1'));
if (A === undefined || B === undefined || C === undefined) throw new Error('three nodes');

/** Everything dies, the second region with less than was acknowledged; it returns seconds before the others. */
const COLD_START_BEHIND: readonly Planned[] = [
  ...BEHIND_AND_ALONE.slice(0, 2),
  { atMs: 3_300, forMs: 6_000, fault: { kind: 'crash', node: A, what: 'all' } },
  { atMs: 3_310, forMs: 6_400, fault: { kind: 'crash', node: C, what: 'all' } },
  { atMs: 3_320, forMs: 600, fault: { kind: 'crash', node: B, what: 'all' } },
];

/** The second region's standby is evicted by a request that comes late; it is back, and the third one is to go, behind a slow barrier. */
const LATE_CHANGES: readonly Planned[] = [
  { atMs: 1_700, forMs: 5_200, fault: { kind: 'cut', from: FIRST, to: SECOND, traffic: ['replication'], both: true } },
  { atMs: 6_350, forMs: 600, fault: { kind: 'store', what: 'late' } },
  { atMs: 7_000, forMs: 3_400, fault: { kind: 'crash', node: C, what: 'all' } },
  { atMs: 8_800, forMs: 1_600, fault: { kind: 'slow-link', from: FIRST, to: SECOND, extraMs: 300 } },
];

/** The third region gets nothing; the second one's PostgreSQL is started again before the end of its old connection arrives. */
const CONNECTED_TWICE: readonly Planned[] = [
  { atMs: 2_500, forMs: 5_000, fault: { kind: 'cut', from: FIRST, to: THIRD, traffic: ['replication'], both: true } },
  { atMs: 2_990, forMs: 30, fault: { kind: 'slow-link', from: SECOND, to: FIRST, extraMs: 1_500 } },
  { atMs: 3_000, forMs: 10, fault: { kind: 'crash', node: B, what: 'postgres' } },
];

/** The second region is off for long, and stays in the record, because the first one can't reach the store. */
const LEFT_BEHIND: readonly Planned[] = [
  { atMs: 1_900, forMs: 7_000, fault: { kind: 'cut', from: FIRST, to: WITNESS, traffic: ['store'], both: true } },
  { atMs: 2_000, forMs: 3_500, fault: { kind: 'crash', node: B, what: 'all' } },
];

/** No agent hears the primary's, which serves on: nobody tells it of the takeover. */
const UNHEARD: readonly Planned[] = [SECOND, THIRD, WITNESS].map((to) => ({
  atMs: 2_500,
  forMs: 6_000,
  fault: { kind: 'cut', from: FIRST, to, traffic: ['agents', 'store'], both: true },
}));

const inThreeRegions =
  (mode: 'sync' | 'semi-sync') =>
  (parts: Parts): Parts => ({ ...parts, regions: 3, mode });

/** The same database, but for some of its calls. */
export function but(database: RegionDatabase, calls: Partial<RegionDatabase>): RegionDatabase {
  return new Proxy(database, {
    get: (whole, name: keyof RegionDatabase) => calls[name] ?? (whole[name] as () => unknown).bind(whole),
  });
}

type Decide = typeof decideFailover;

const decides = (name: string, fromSeed: number, what: string, wrap: (decide: Decide) => Decide): Breakage => ({
  name,
  fromSeed,
  what,
  change: (parts) => ({ ...parts, decide: wrap(parts.decide) }),
});

/** The compare of `key` is left out of every transaction that writes. */
const withoutCompare =
  (name: string) =>
  (store: Coordination): Coordination => ({
    ...store,
    txn: (compare: readonly Compare[], then, orElse) =>
      store.txn(
        then.some((op) => 'put' in op)
          ? compare.filter((one) => !(one.key.endsWith(name) && 'modRevision' in one && one.modRevision > 0))
          : compare,
        then,
        orElse,
      ),
  });

/** No write compares that the lease is gone. */
const withoutLeaseCompare = (store: Coordination): Coordination => ({
  ...store,
  txn: (compare, then, orElse) =>
    store.txn(
      compare.filter((one) => !one.key.endsWith('/lease')),
      then,
      orElse,
    ),
});

/** Each change of who confirms goes straight to PostgreSQL: the write before it, of the content that stands, is left out. */
const withoutRaise = (store: Coordination): Coordination => ({
  ...store,
  txn: async (compare, then, orElse) => {
    const [op] = then;
    const key = op !== undefined && 'put' in op && op.put.endsWith('/sync') ? op.put : null;
    if (key === null || op === undefined || !('put' in op)) return store.txn(compare, then, orElse);
    const read = await store.txn([], [{ get: key }]);
    const stands = read.kind === 'done' ? read.value.responses[0]?.[0] : undefined;
    if (stands === undefined || content(stands.value) !== content(op.value)) return store.txn(compare, then, orElse);
    return done({ succeeded: true, revision: stands.modRevision, responses: [] });
  },
});

const content = (record: string): string => JSON.stringify({ ...(JSON.parse(record) as SyncRecord), version: 0 });

export const BREAKAGES: readonly Breakage[] = [
  {
    name: 'no-fence',
    fromSeed: 1,
    what: 'a detach order is answered with the position, and the standby streams on (P3.1)',
    change: (parts) => ({
      ...parts,
      database: (database) =>
        but(database, {
          detach: async () => {
            const { state, timeline, endLsn, systemId, storedEpoch } = await database.status();
            if (state !== 'standby') return database.detach();
            return done({ timeline: timeline ?? 1, lsn: endLsn ?? '0/0', systemId: systemId ?? '', storedEpoch });
          },
          promote: (epoch: number) => database.detach().then(() => database.promote(epoch)),
        }),
    }),
  },
  {
    ...decides(
      'no-position-check',
      2,
      'one member that was read is enough, whoever it is (P3.2)',
      (decide) => (state, o) => {
        if (state.kind !== 'fencing') return decide(state, o);
        const record = state.record.value;
        // As if one of N had been asked for, with W = N: a single position is a quorum then.
        return decide(
          { ...state, record: { ...state.record, value: { ...record, w: Math.max(record.w, record.names.length) } } },
          o,
        );
      },
    ),
    faults: BEHIND_AND_ALONE,
  },
  {
    name: 'no-epoch-compare',
    fromSeed: 5,
    what: 'control writes do not compare the epoch: a create revision would not change by overwriting (P1.1)',
    change: (parts) => ({ ...parts, store: withoutCompare('/epoch') }),
  },
  {
    name: 'no-record-compare',
    fromSeed: 1,
    what: 'degrading and taking over do not compare one record (P4.2)',
    change: (parts) => ({ ...parts, store: withoutCompare('/sync') }),
  },
  {
    name: 'no-barrier',
    fromSeed: 20,
    what: 'a stricter list counts as in force at once (P4.1b)',
    change: (parts) => ({
      ...parts,
      database: (database) => but(database, { settleSyncList: async () => done(undefined) }),
    }),
  },
  {
    name: 'lease-not-awaited',
    fromSeed: 1,
    what: 'async: the epoch is written while the old primary’s lease stands (P3.1)',
    asMode: asAsync,
    change: (parts) => ({
      ...parts,
      decide: (state, o) =>
        parts.decide(state, { ...o, store: { ...o.store, leaseGoneAtMs: o.store.leaseGoneAtMs ?? o.nowMs } }),
      store: withoutLeaseCompare,
    }),
  },
  {
    name: 'deadline-from-the-answer',
    fromSeed: 1,
    what: 'async: the deadline counts from the answer of a slow store, so that it lies a second beyond the lease (P2.1)',
    asMode: asAsync,
    change: (parts) => ({ ...parts, store: (store) => ({ ...store, grant: (ttlMs) => store.grant(ttlMs - 1_000) }) }),
  },
  {
    name: 'promise-not-kept',
    fromSeed: 61,
    what: 'async: an attestation is taken for granted when nobody answers (P6)',
    asMode: asAsync,
    change: (parts) => ({
      ...parts,
      network: (network) => ({
        listen: (node, handlers) => network.listen(node, handlers),
        order: (node, order, timeoutMs) => network.order(node, order, timeoutMs),
        attest: async () => ({ kind: 'done' }),
      }),
    }),
  },
  {
    name: 'promote-with-an-empty-list',
    fromSeed: 1,
    what: 'a reign begins with nobody to confirm, whatever the record says later (P5)',
    change: (parts) => ({
      ...parts,
      database: (database) =>
        but(database, {
          setSyncList: (list: SyncList) => database.setSyncList({ ...list, w: 0, names: [] }),
          settleSyncList: async () => done(undefined),
        }),
    }),
  },
  {
    name: 'cancelled-wait-is-acknowledged',
    fromSeed: 39,
    what: 'the WARNING of a cancelled wait is overlooked (P7.3)',
    change: (parts) => ({ ...parts, gatewayRules: { ...parts.gatewayRules, cancelledIsAcked: true } }),
  },
  {
    name: 'old-order-obeyed-late',
    fromSeed: 1,
    what: 'to follow the old primary, accepted before, is obeyed once more after the detach of a newer epoch (P5)',
    faults: UNHEARD,
    asMode: inThreeRegions('semi-sync'),
    change: (parts) => ({
      ...parts,
      database: (database, { agentProcess }) => {
        const detach: RegionDatabase['detach'] = async () => {
          const { upstream } = await database.status();
          const detached = await database.detach();
          if (upstream !== null)
            void agentProcess.sleep(0).then(() => database.follow({ ...upstream, host: '', port: 0 }));
          return detached;
        };
        return but(database, { detach });
      },
    }),
  },
  {
    name: 'late-store-request',
    fromSeed: 55,
    what: 'no write raises the version before a change: a request that its author gave up on still lands (P4.2)',
    asMode: inThreeRegions('semi-sync'),
    change: (parts) => ({ ...parts, store: withoutRaise }),
    faults: LATE_CHANGES,
  },
  {
    ...decides(
      'cold-start-without-quorum',
      1,
      'after everything died, whoever returns first and hears of nobody else takes over (P8.1)',
      (decide) => (state, o) => {
        const { sync } = o.store;
        const isAlone = o.policy.dataNodes.every((node) => node === o.me || !isHeard(o, node));
        if (sync === null || !isAlone) return decide(state, o);
        const everybody = { ...sync, value: { ...sync.value, w: Math.max(sync.value.w, sync.value.names.length) } };
        const seen = state.kind === 'fencing' ? { ...state, record: everybody } : state;
        return decide(seen, { ...o, store: { ...o.store, sync: everybody } });
      },
    ),
    asMode: inThreeRegions('semi-sync'),
    faults: COLD_START_BEHIND,
  },
  {
    name: 'removed-before-it-is-copied',
    fromSeed: 1,
    what: 'a standby whose WAL is gone upstream removes its data, and is cloned then (P3.2)',
    asMode: inThreeRegions('semi-sync'),
    change: (parts) => ({
      ...parts,
      database: (database) =>
        but(database, {
          copyBeside: async (from) => {
            await database.discardBehind(from);
            return refused('removed', 'it is cloned next');
          },
        }),
    }),
    faults: LEFT_BEHIND,
  },
  {
    name: 'duplicate-walsenders',
    fromSeed: 1,
    what: 'a standby has no slot of its own: two walsenders under one name count twice',
    asMode: inThreeRegions('sync'),
    change: (parts) => ({ ...parts, hasSlots: false }),
    faults: CONNECTED_TWICE,
  },
];
