import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NodeId } from '../base/ids.ts';
import { compareLsn } from '../base/lsn.ts';
import type { Outcome } from '../base/result.ts';
import type { DatabaseStatus, RegionDatabase, SyncList, Upstream } from '../ports/database.ts';

/** How one commit ended for its client. `warned`: reported as a success, with the WARNING of a cancelled wait (P7.3). */
export type WriteEnd = 'committed' | 'warned' | 'lost';

/** One node under test, and what an application and an administrator do to it. */
export interface ContractNode {
  readonly node: NodeId;
  readonly db: RegionDatabase;
  upstream(epoch: number): Upstream;
  /** Commits one row as an application does. */
  write(): Promise<WriteEnd>;
  /** How many of those rows a query sees here. */
  rows(): Promise<number>;
  /** pg_cancel_backend on everybody who waits for a standby; how many. */
  cancelWaits(): Promise<number>;
  /** The checkpointer reads no settings until the returned function is called. */
  holdCheckpointer(): Promise<() => Promise<void>>;
}

export interface DatabaseRig {
  /** Three nodes with empty data directories. */
  readonly nodes: readonly ContractNode[];
  /** Makes room for the rows of `write`, on a first primary that is open. */
  prepare(primary: ContractNode): Promise<void>;
  nowMs(): number;
  sleep(ms: number): Promise<void>;
  close(): Promise<void>;
}

const SETTLE_MS = 10_000;
const noProgress = (): void => undefined;
const never = new AbortController().signal;

function must<T>(outcome: Outcome<T>): T {
  if (outcome.kind !== 'done') throw new Error(`expected done, got ${JSON.stringify(outcome)}`);
  return outcome.value;
}

/** What every implementation of the port must do: one story on three nodes, told in order. */
export function databaseContract(name: string, make: () => Promise<DatabaseRig>): void {
  describe(`RegionDatabase: ${name}`, () => {
    let rig: DatabaseRig;
    let a: ContractNode;
    let b: ContractNode;
    let c: ContractNode;
    /** Rows that a client was told of, and rows that are in the first primary all the same. */
    let acknowledged = 0;
    let others = 0;

    beforeAll(async () => {
      rig = await make();
      const [first, second, third] = rig.nodes;
      if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
      [a, b, c] = [first, second, third];
    });
    afterAll(() => rig.close());

    const nobody = (epoch: number): SyncList => ({ epoch, w: 0, names: [] });
    const until = async (db: RegionDatabase, wanted: (status: DatabaseStatus) => boolean): Promise<DatabaseStatus> => {
      const deadlineMs = rig.nowMs() + 20_000;
      for (;;) {
        const status = await db.status();
        if (wanted(status)) return status;
        if (rig.nowMs() > deadlineMs) throw new Error(`not reached: ${JSON.stringify(status)}`);
        await rig.sleep(10);
      }
    };
    const settle = async (on: ContractNode, list: SyncList): Promise<void> => {
      must(await on.db.setSyncList(list));
      must(await on.db.settleSyncList(list, ['in-force'], SETTLE_MS));
    };
    const cloneAndFollow = async (node: ContractNode, from: ContractNode, epoch: number): Promise<void> => {
      must(await node.db.clone(from.upstream(epoch), noProgress, never));
      must(await node.db.startIsolated());
      must(await node.db.follow(from.upstream(epoch)));
      await until(node.db, (status) => status.receiving);
    };

    test('a fresh cluster is opened once, as the primary of epoch 1', async () => {
      expect((await a.db.status()).state).toBe('empty');
      const made = must(await a.db.init(noProgress));
      expect(must(await a.db.init(noProgress))).toEqual(made);
      expect((await a.db.status()).state).toBe('stopped');
      expect(await a.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'fresh' });
      expect(must(await a.db.startFirst(1, nobody(1)))).toEqual(made);
      expect(await a.db.status()).toMatchObject({
        state: 'primary',
        systemId: made.systemId,
        timeline: 1,
        storedEpoch: 1,
        storedBy: a.node,
        syncList: { w: 0, names: [] },
      });
      expect(await a.db.startFirst(1, nobody(1))).toMatchObject({ kind: 'refused', code: 'not-fresh' });
      expect(await a.db.init(noProgress)).toMatchObject({ kind: 'refused' });
      expect(await a.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'runs-as-primary' });
      expect(await a.db.detach()).toMatchObject({ kind: 'refused', code: 'is-primary' });
      await rig.prepare(a);
    });

    test('a clone starts isolated, and streams only when it is told to (P8.1)', async () => {
      expect(await b.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'empty' });
      must(await b.db.clone(a.upstream(1), noProgress, never));
      expect((await b.db.status()).state).toBe('stopped');
      expect(await b.db.clone(a.upstream(1), noProgress, never)).toMatchObject({ kind: 'refused' });
      must(await b.db.startIsolated());
      await rig.sleep(500);
      expect(await b.db.status()).toMatchObject({ state: 'standby', upstream: null, receiving: false, storedEpoch: 1 });
      expect((await a.db.status()).standbys).toEqual([]);
      expect(must(await b.db.compareWith(a.upstream(1))).verdict).toBe('same-branch');
      must(await b.db.follow(a.upstream(1)));
      const following = await until(b.db, (status) => status.receiving);
      expect(following.upstream).toEqual({ node: a.node, epoch: 1 });
      const seen = await until(a.db, (status) => status.standbys.some(({ state }) => state === 'streaming'));
      expect(seen.standbys).toMatchObject([{ node: b.node, epoch: 1, syncState: 'async' }]);
      expect(await b.db.heartbeat(2_000)).toMatchObject({ kind: 'refused', code: '25006' });
      expect(await b.write()).toBe('lost');
    });

    test('a list that is configured is not in force until it is settled (P4.1b)', async () => {
      const list: SyncList = { epoch: 1, w: 1, names: [c.node] };
      const release = await a.holdCheckpointer();
      must(await a.db.setSyncList(list));
      expect(await a.db.settleSyncList(list, ['in-force'], 1_000)).toMatchObject({ kind: 'unknown' });
      expect((await a.db.status()).syncList).toEqual(list);
      // Nobody who is named is there, and still it is acknowledged.
      expect(await a.write()).toBe('committed');
      acknowledged += 1;
      await release();
      must(await a.db.settleSyncList(list, ['in-force'], SETTLE_MS));
      expect(await a.db.settleSyncList({ ...list, names: [b.node] }, ['in-force'], 500)).toMatchObject({
        kind: 'unknown',
      });
      expect(await a.db.settleSyncList(list, ['in-force', 'flushed'], 1_000)).toMatchObject({ kind: 'unknown' });
    });

    test('a commit waits for who is named; a wait that is cancelled is a success with a warning (P7.3)', async () => {
      let end: WriteEnd | null = null;
      const writing = a.write().then((how) => {
        end = how;
      });
      await rig.sleep(700);
      expect(end).toBeNull();
      // Not acknowledged, and nobody sees it yet.
      expect(await a.rows()).toBe(acknowledged);
      expect(await a.cancelWaits()).toBe(1);
      await writing;
      expect(end).toBe('warned');
      others += 1;
      expect(await a.rows()).toBe(acknowledged + others);
    });

    test('a heartbeat that waits is joined, not repeated; cancelled, it is no acknowledgement', async () => {
      const before = (await a.db.status()).heartbeatSeq ?? 0;
      const calledAtMs = rig.nowMs();
      expect(await a.db.heartbeat(300)).toMatchObject({ kind: 'unknown' });
      expect(await a.db.heartbeat(300)).toMatchObject({ kind: 'unknown' });
      const joined = a.db.heartbeat(20_000);
      const joinedAtMs = rig.nowMs();
      must(await a.db.setSyncList(nobody(1)));
      const beat = must(await joined);
      expect(beat.seq).toBe(before + 1);
      expect(beat.sentAtMs).toBeGreaterThanOrEqual(calledAtMs);
      expect(beat.sentAtMs).toBeLessThan(joinedAtMs);
      await settle(a, { epoch: 1, w: 1, names: [c.node] });
      expect(await a.db.heartbeat(300)).toMatchObject({ kind: 'unknown' });
      const cancelled = a.db.heartbeat(20_000);
      expect(await a.cancelWaits()).toBe(1);
      expect(await cancelled).toMatchObject({ kind: 'refused', code: 'sync-wait-cancelled' });
      await settle(a, nobody(1));
      expect(must(await a.db.heartbeat(5_000)).seq).toBe(before + 3);
    });

    test('standbys that stream confirm; the barrier proves that each has everything', async () => {
      await cloneAndFollow(c, a, 1);
      const list: SyncList = { epoch: 1, w: 1, names: [b.node, c.node] };
      must(await a.db.setSyncList(list));
      must(await a.db.settleSyncList(list, ['in-force', 'flushed'], SETTLE_MS));
      for (let i = 0; i < 5; i++) {
        expect(await a.write()).toBe('committed');
        acknowledged += 1;
      }
      const seen = await until(a.db, ({ standbys }) => standbys.every(({ syncState }) => syncState === 'quorum'));
      expect(seen.standbys).toHaveLength(2);
      // The names carry the epoch: an old reign's standbys never match (P10.2).
      const next: SyncList = { ...list, epoch: 2 };
      await settle(a, next);
      expect(await a.db.heartbeat(400)).toMatchObject({ kind: 'unknown' });
      await settle(a, list);
      expect(await a.write()).toBe('committed');
      acknowledged += 1;
    });

    test('detached standbys end every acknowledgement, and their positions no longer move (P3.1)', async () => {
      const [atB, atC] = (await Promise.all([b.db.detach(), c.db.detach()])).map(must);
      expect(atB).toMatchObject({ timeline: 1, storedEpoch: 1 });
      let end: WriteEnd | null = null;
      const writing = a.write().then((how) => {
        end = how;
      });
      await rig.sleep(1_000);
      expect(end).toBeNull();
      expect(await b.db.status()).toMatchObject({ upstream: null, receiving: false, endLsn: atB?.lsn });
      expect(await c.db.status()).toMatchObject({ upstream: null, receiving: false, endLsn: atC?.lsn });
      // Asked again, the answer is the same.
      expect(must(await b.db.detach()).lsn).toBe(atB?.lsn);
      expect(must(await a.db.stop('kill')).end).toBeNull();
      await writing;
      expect(end).toBe('lost');
      others += 1;
      if (compareLsn(atB?.lsn ?? '0/0', atC?.lsn ?? '0/0') < 0) [b, c] = [c, b];
    });

    test('a promotion ends recovery on a new timeline and stores the epoch; repeated, it is the same (P5)', async () => {
      must(await b.db.setSyncList(nobody(2)));
      expect(must(await b.db.promote(2))).toMatchObject({ timeline: 2, storedEpoch: 2 });
      expect(must(await b.db.promote(2))).toMatchObject({ timeline: 2, storedEpoch: 2 });
      expect(await b.db.promote(1)).toMatchObject({ kind: 'refused', code: 'older-epoch' });
      expect(await b.db.promote(3)).toMatchObject({ kind: 'refused', code: 'is-primary' });
      const status = await b.db.status();
      expect(status).toMatchObject({ state: 'primary', storedEpoch: 2, storedBy: b.node, syncList: { w: 0 } });
      expect(status.history).toMatchObject([{ timeline: 1 }]);
      // Everything acknowledged and what was warned of is here; the write that nobody confirmed is not.
      expect(await b.rows()).toBe(acknowledged + others - 1);
    });

    test('a standby is pointed at the new primary without a restart, and has its epoch then', async () => {
      expect(must(await c.db.compareWith(b.upstream(2))).verdict).toBe('same-branch');
      must(await c.db.follow(b.upstream(2)));
      const status = await until(c.db, (standby) => standby.storedEpoch === 2);
      expect(status).toMatchObject({ timeline: 2, upstream: { node: b.node, epoch: 2 }, receiving: true });
      must(await c.db.detach());
      expect(await c.db.promote(2)).toMatchObject({ kind: 'refused', code: 'epoch-used' });
      must(await c.db.follow(b.upstream(2)));
      await until(c.db, (standby) => standby.receiving);
      await settle(b, { epoch: 2, w: 1, names: [c.node] });
      expect(await b.write()).toBe('committed');
      acknowledged += 1;
    });

    test('a crashed primary holds what was in doubt: it is diverged, and moved aside whole (P8.2, I7)', async () => {
      must(await a.db.startIsolated());
      const alone = await until(a.db, (status) => status.localWalReplayed);
      expect(alone).toMatchObject({ state: 'standby', upstream: null, timeline: 1, storedEpoch: 1 });
      // All but the last one, which came after it.
      expect(await a.rows()).toBe(acknowledged - 1 + others);
      expect(must(await a.db.compareWith(b.upstream(2))).verdict).toBe('diverged');
      must(await a.db.follow(b.upstream(2)));
      await rig.sleep(1_500);
      expect((await a.db.status()).receiving).toBe(false);
      expect(await a.db.setAside('too early')).toMatchObject({ kind: 'refused', code: 'runs' });
      // A standby's clean stop is no end of anybody's WAL.
      expect(must(await a.db.stop('fast')).end).toBeNull();
      expect(must(await a.db.setAside('diverged')).keptAt).not.toBe('');
      expect((await a.db.status()).state).toBe('empty');
      await cloneAndFollow(a, b, 2);
      others -= 1;
      const wanted = acknowledged + others;
      await until(a.db, (status) => status.storedEpoch === 2);
      expect(await a.rows()).toBe(wanted);
    });

    test('a fast stop leaves every standby with the last WAL, and says where it ends', async () => {
      const list: SyncList = { epoch: 2, w: 2, names: [a.node, c.node] };
      must(await b.db.setSyncList(list));
      must(await b.db.settleSyncList(list, ['in-force', 'flushed'], SETTLE_MS));
      must(await b.db.checkpoint());
      const { end } = must(await b.db.stop('fast'));
      expect((await b.db.status()).state).toBe('stopped');
      expect(end?.timeline).toBe(2);
      const positions = (await Promise.all([a.db.detach(), c.db.detach()])).map(must);
      for (const position of positions) expect(compareLsn(position.lsn, end?.lsn ?? 'F/0')).toBeGreaterThan(0);
      expect(positions[0]?.lsn).toBe(positions[1]?.lsn);
    });

    test('stopped cleanly and not ahead, it follows again as it is', async () => {
      must(await a.db.setSyncList(nobody(3)));
      must(await a.db.promote(3));
      must(await b.db.startIsolated());
      await until(b.db, (status) => status.localWalReplayed);
      expect(must(await b.db.compareWith(a.upstream(3))).verdict).toBe('same-branch');
      must(await b.db.follow(a.upstream(3)));
      const status = await until(b.db, (standby) => standby.storedEpoch === 3);
      expect(status).toMatchObject({ timeline: 3, receiving: true });
      expect((await a.db.status()).history).toMatchObject([{ timeline: 1 }, { timeline: 2 }]);
    });

    test('another cluster is foreign', async () => {
      must(await c.db.stop('kill'));
      must(await c.db.setAside('foreign'));
      must(await c.db.init(noProgress));
      must(await c.db.startFirst(1, nobody(1)));
      must(await c.db.stop('fast'));
      must(await c.db.startIsolated());
      await until(c.db, (status) => status.localWalReplayed);
      expect(must(await c.db.compareWith(a.upstream(3))).verdict).toBe('foreign');
    });
  });
}
