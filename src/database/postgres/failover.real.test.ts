import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareLsn } from '../../base/lsn.ts';
import type { SyncList } from '../../ports/database.ts';
import { type TestGroup, type TestNode, must, oneVersionOrMore, realClock, startTestGroup, until } from './testing.ts';

/** One story on three nodes, told in order: first primary, clones, failover, rejoin, divergence. */
describe.each(oneVersionOrMore)('failover on PostgreSQL ($label)', (version) => {
  let group: TestGroup;
  let a: TestNode;
  let b: TestNode;
  let c: TestNode;
  const noProgress = (): void => undefined;
  const never = new AbortController().signal;

  beforeAll(async () => {
    group = await startTestGroup({
      ...version,
      names: ['eu-west-1', 'us-east-1', 'ap-south-1'],
      folder: 'with space-',
    });
    const [first, second, third] = group.nodes;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
    [a, b, c] = [first, second, third];
  });
  afterAll(() => group.end());

  const setAndSettle = async (node: TestNode, list: SyncList): Promise<void> => {
    must(await node.db.setSyncList(list));
    must(await node.db.settleSyncList(list, ['in-force', 'flushed'], 10_000));
  };

  test('an empty directory is `empty`; init fills it once, and says the same again', async () => {
    expect((await a.db.status()).state).toBe('empty');
    const { systemId } = must(await a.db.init(noProgress));
    expect(systemId).toMatch(/^\d{15,}$/);
    expect((await a.db.status()).state).toBe('stopped');
    expect(must(await a.db.init(noProgress))).toEqual({ systemId });
  });

  test('the first primary has roles, schema and epoch, and can be made only once', async () => {
    const { systemId } = must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
    const status = await a.db.status();
    expect(status).toMatchObject({ state: 'primary', systemId, timeline: 1, storedEpoch: 1, syncList: { w: 0 } });
    expect(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] })).toMatchObject({
      kind: 'refused',
      code: 'not-fresh',
    });
    expect(await a.db.init(noProgress)).toMatchObject({ kind: 'refused', code: 'FSH_STATE_FOREIGN' });
    expect(await a.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'runs-as-primary' });
    const app = await a.connect('app');
    await app.query('CREATE TABLE kept (id int PRIMARY KEY)');
    await app.end();
  });

  test('an application can read the epoch, and can neither write it nor cancel a wait', async () => {
    const app = await a.connect('app');
    expect((await app.query('SELECT n::int FROM farshore.epoch')).rows).toEqual([{ n: 1 }]);
    await expect(app.query('DELETE FROM farshore.epoch')).rejects.toMatchObject({ code: '42501' });
    await expect(app.query('SELECT pg_cancel_backend(1)')).rejects.toMatchObject({ code: '42501' });
    await expect(app.query('SELECT pg_terminate_backend(1)')).rejects.toMatchObject({ code: '42501' });
    await app.end();
  });

  test('two clones start isolated, then stream', async () => {
    for (const node of [b, c]) {
      must(await node.db.clone(a.upstream(1), noProgress, never));
      must(await node.db.startIsolated());
      expect(await node.db.status()).toMatchObject({
        state: 'standby',
        upstream: null,
        receiving: false,
        storedEpoch: 1,
      });
      expect(must(await node.db.compareWith(a.upstream(1))).verdict).toBe('same-branch');
      must(await node.db.follow(a.upstream(1)));
      const following = await until(node.db, (status) => status.receiving);
      expect(following.upstream).toEqual({ node: a.node, epoch: 1 });
    }
    const seen = await until(a.db, (status) => status.standbys.filter((s) => s.state === 'streaming').length === 2);
    expect(seen.standbys.map((standby) => standby.epoch)).toEqual([1, 1]);
  });

  test('what must be equal on every node is, and a change shows (I9)', async () => {
    const before = must(await a.db.settings());
    expect(before).toMatchObject({ fsync: 'on', synchronous_commit: 'on', wal_level: 'logical', encoding: 'UTF8' });
    expect(before['missing_extensions']).toBe('');
    expect(must(await b.db.settings())).toEqual(before);
    const admin = await b.connect('farshore_admin');
    await admin.query(`ALTER SYSTEM SET synchronous_commit = 'off'`);
    expect(must(await b.db.settings())['synchronous_commit']).toBe('off');
    await admin.query('ALTER SYSTEM RESET synchronous_commit');
    expect(must(await b.db.settings())).toEqual(before);
    await admin.end();
  });

  test('the sync list comes into force and a heartbeat is confirmed under it', async () => {
    const list: SyncList = { epoch: 1, w: 1, names: [b.node, c.node] };
    await setAndSettle(a, list);
    const before = (await a.db.status()).heartbeatSeq ?? 0;
    const calledAtMs = realClock.nowMs();
    const beat = must(await a.db.heartbeat(5_000));
    expect(beat.seq).toBe(before + 1);
    expect(beat.sentAtMs).toBeGreaterThanOrEqual(calledAtMs);
    expect(beat.sentAtMs).toBeLessThanOrEqual(realClock.nowMs());
    const status = await a.db.status();
    expect(status.syncList).toEqual(list);
    expect(status.standbys.map((standby) => standby.syncState)).toEqual(['quorum', 'quorum']);
    const replayed = await until(b.db, (standby) => standby.heartbeatSeq === before + 1);
    expect(replayed.heartbeatAgeMs).toBeGreaterThanOrEqual(0);
    expect(replayed.heartbeatAgeMs).toBeLessThan(20_000);
  });

  const acknowledged: number[] = [];

  test('detaching both standbys ends every acknowledgement of the primary (P3.1)', async () => {
    const writer = await a.connect('app');
    let id = 0;
    let ended = false;
    const writing = (async () => {
      for (;;) {
        await writer.query('INSERT INTO kept VALUES ($1)', [++id]);
        acknowledged.push(id);
      }
    })().catch(() => {
      ended = true;
    });
    await expect.poll(() => acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(50);
    const [atB, atC] = await Promise.all([b.db.detach(), c.db.detach()]);
    const count = acknowledged.length;
    const [positionB, positionC] = [must(atB), must(atC)];
    expect(positionB).toMatchObject({ timeline: 1, storedEpoch: 1 });
    expect((await b.db.status()).endLsn).toBe(positionB.lsn);
    await realClock.sleep(1_000);
    // One reply may have been on its way while the last receiver ended.
    expect(acknowledged.length - count).toBeLessThanOrEqual(1);
    expect(ended).toBe(false);
    expect(await a.db.heartbeat(300)).toMatchObject({ kind: 'unknown' });
    expect((await a.db.status()).state).toBe('primary');

    const better = compareLsn(positionB.lsn, positionC.lsn) >= 0 ? b : c;
    if (better === c) [b, c] = [c, b];
    must(await a.db.stop('kill'));
    await writing;
  });

  test('the standby that holds more is promoted without the old list, and nothing acknowledged is missing', async () => {
    const alone: SyncList = { epoch: 2, w: 0, names: [] };
    must(await b.db.setSyncList(alone));
    const position = must(await b.db.promote(2));
    expect(position).toMatchObject({ timeline: 2, storedEpoch: 2 });
    expect(must(await b.db.promote(2))).toMatchObject({ timeline: 2, storedEpoch: 2 });
    expect(await b.db.promote(1)).toMatchObject({ kind: 'refused', code: 'older-epoch' });
    expect(await b.db.promote(3)).toMatchObject({ kind: 'refused', code: 'is-primary' });
    const promoted = await b.db.status();
    expect(promoted).toMatchObject({ state: 'primary', syncList: alone, timeline: 2 });
    expect(promoted.history).toEqual([{ timeline: 1, lsn: expect.stringMatching(/^0\/[0-9A-F]+$/) }]);
    const app = await b.connect('app');
    const rows = (await app.query<{ id: number }>('SELECT id FROM kept')).rows.map((row) => row.id);
    await app.end();
    expect(acknowledged.length).toBeGreaterThan(50);
    expect(acknowledged.filter((id) => !rows.includes(id))).toEqual([]);
  });

  test('the other standby is pointed at it without a restart', async () => {
    expect(must(await c.db.compareWith(b.upstream(2))).verdict).toBe('same-branch');
    must(await c.db.follow(b.upstream(2)));
    await setAndSettle(b, { epoch: 2, w: 1, names: [c.node] });
    expect(must(await b.db.heartbeat(5_000)).seq).toBeGreaterThan(0);
    const status = await until(c.db, (standby) => standby.storedEpoch === 2);
    expect(status).toMatchObject({ timeline: 2, upstream: { node: b.node, epoch: 2 }, receiving: true });
  });

  test('the old primary starts as a standby; its unconfirmed commits make it diverged, and it is kept, not wiped', async () => {
    must(await a.db.startIsolated());
    const alone = await until(a.db, (status) => status.localWalReplayed);
    expect(alone).toMatchObject({ state: 'standby', upstream: null, timeline: 1, storedEpoch: 1 });
    const compared = must(await a.db.compareWith(b.upstream(2)));
    expect(compared.verdict, compared.why).toBe('diverged');
    expect(await a.db.setAside('too early')).toMatchObject({ kind: 'refused', code: 'runs' });
    must(await a.db.stop('fast'));
    const { keptAt } = must(await a.db.setAside('diverged e2'));
    expect(existsSync(`${keptAt}/PG_VERSION`)).toBe(true);
    expect((await a.db.status()).state).toBe('empty');
    must(await a.db.clone(b.upstream(2), noProgress, never));
    // A promotion of the copy goes on with it.
    expect(existsSync(`${a.config.dataDir}/pg_wal/00000002.history`)).toBe(true);
    must(await a.db.startIsolated());
    must(await a.db.follow(b.upstream(2)));
    await until(a.db, (status) => status.receiving);
  });

  test('a crashed primary that is not ahead follows again as it is', async () => {
    await setAndSettle(b, { epoch: 2, w: 2, names: [a.node, c.node] });
    must(await b.db.stop('fast'));
    const position = must(await a.db.detach());
    must(await c.db.detach());
    const seen: string[] = [];
    must(await a.db.promote(3, { salvageSlot: true, onPromoted: () => void seen.push('promoted') }));
    expect(seen).toEqual(['promoted']);
    // P8.3: it is there before anybody can write.
    const admin = await a.connect('farshore_admin');
    const { rows } = await admin.query(
      'SELECT slot_name::text, plugin::text FROM pg_replication_slots WHERE plugin IS NOT NULL',
    );
    expect(rows).toEqual([{ slot_name: 'farshore_salvage', plugin: 'test_decoding' }]);
    await admin.end();
    must(await b.db.startIsolated());
    await until(b.db, (status) => status.localWalReplayed);
    const compared = must(await b.db.compareWith(a.upstream(3)));
    expect(compared.verdict, `${compared.why}; promoted at ${position.lsn}`).toBe('same-branch');
    must(await b.db.follow(a.upstream(3)));
    must(await c.db.follow(a.upstream(3)));
    const status = await until(b.db, (standby) => standby.storedEpoch === 3);
    expect(status.timeline).toBe(3);
  });

  test('the list of an old reign is gone after a restart (P8.4)', async () => {
    must(await b.db.stop('kill'));
    must(await b.db.startIsolated());
    const admin = await b.connect('farshore_admin');
    const { rows } = await admin.query(
      `SELECT current_setting('synchronous_standby_names') AS list, current_setting('primary_conninfo') AS conninfo`,
    );
    await admin.end();
    expect(rows).toEqual([{ list: '', conninfo: '' }]);
  });

  test('a standby that applies late is detached at once, and its position counts what it received', async () => {
    const admin = await c.connect('farshore_admin');
    await admin.query(`ALTER SYSTEM SET recovery_min_apply_delay = '60s'`);
    await admin.query('SELECT pg_reload_conf()');
    await admin.end();
    must(await a.db.heartbeat(5_000));
    const app = await a.connect('app');
    await app.query('INSERT INTO kept VALUES (-1)');
    await app.end();
    const written = (await a.db.status()).endLsn ?? '0/0';
    await until(a.db, (s) =>
      s.standbys.some((x) => x.node === c.node && compareLsn(x.flushLsn ?? '0/0', written) >= 0),
    );
    const startedMs = realClock.nowMs();
    const position = must(await c.db.detach());
    expect(realClock.nowMs() - startedMs).toBeLessThan(4_000);
    expect(compareLsn(position.lsn, written)).toBeGreaterThanOrEqual(0);
    const status = await c.db.status();
    expect(compareLsn(status.replayLsn ?? '0/0', position.lsn)).toBeLessThan(0);
    expect(status.localWalReplayed).toBe(false);
  });

  test('another cluster is foreign', async () => {
    must(await c.db.stop('kill'));
    must(await c.db.setAside('foreign test'));
    must(await c.db.init(noProgress));
    must(await c.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
    must(await c.db.stop('fast'));
    must(await c.db.startIsolated());
    await until(c.db, (status) => status.localWalReplayed);
    expect(must(await c.db.compareWith(a.upstream(3))).verdict).toBe('foreign');
  });
});
