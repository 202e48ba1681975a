import { rename } from 'node:fs/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { compareLsn } from '../../base/lsn.ts';
import { type SilentPath, silentPath } from './testing-path.ts';
import {
  forgetWal,
  must,
  oneVersionOrMore,
  pairOf,
  realClock,
  startTestGroup,
  type TestGroup,
  type TestNode,
  until,
} from './testing.ts';

/** What the slot of the copy that is made keeps. */
const BACKLOG = `
SELECT coalesce(max(pg_current_wal_lsn() - restart_lsn), 0)::float8 AS bytes
FROM pg_replication_slots WHERE slot_name LIKE 'farshore_member%'`;
const END_STREAM = `
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name LIKE 'farshore_member%' AND active`;

const unseen = (): void => undefined;
let group: TestGroup | null = null;
let path: SilentPath | null = null;
afterEach(async () => {
  await path?.end();
  await group?.end();
  [path, group] = [null, null];
});

async function pair(version: (typeof oneVersionOrMore)[number]): Promise<readonly [TestNode, TestNode]> {
  group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1'] });
  return pairOf(group);
}

describe.each(oneVersionOrMore)('a standby that was away for long on PostgreSQL ($label)', (version) => {
  test('while the WAL it needs is there its data stays; once it is gone the data goes, and a clone follows (I7)', async () => {
    const [a, b] = await pair(version);
    expect(must(await b.db.compareWith(a.upstream(1))).verdict).toBe('same-branch');
    expect(await b.db.discardBehind(a.upstream(1))).toMatchObject({ kind: 'refused', code: 'not-behind-now' });
    expect(await b.db.status()).toMatchObject({ state: 'standby', storedEpoch: 1 });

    await forgetWal(a);
    expect(must(await b.db.compareWith(a.upstream(1))).verdict).toBe('behind');
    must(await b.db.discardBehind(a.upstream(1)));
    expect(await b.db.status()).toMatchObject({ state: 'empty' });
    // A primary does so all the while: the slot whose WAL is gone can't be used again.
    must(await a.db.keepSalvageSlot(null));
    must(await b.db.clone(a.upstream(1), unseen, new AbortController().signal));
    must(await b.db.startIsolated());
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
  });

  test('the data stays, and can be read and promoted, until a copy beside it is whole (P3.2)', async () => {
    const [a, b] = await pair(version);
    const app = await a.connect('app');
    await app.query('CREATE TABLE big AS SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 20000) g');
    await app.end();
    await forgetWal(a);
    path = await silentPath(a.upstream(1));
    const from = path.upstream;
    expect(must(await b.db.compareWith(from)).verdict).toBe('behind');
    expect(await b.db.replace(from, 'behind')).toMatchObject({ kind: 'refused', code: 'no-copy' });

    path.hold(3_000_000);
    let isWhole = false;
    const told: string[] = [];
    const copying = b.db.copyBeside(from, (text) => void told.push(text), new AbortController().signal);
    void copying.then(() => (isWhole = true));
    await path.silent();
    expect(await b.db.status()).toMatchObject({ state: 'standby', localWalReplayed: true, storedEpoch: 1 });
    const reader = await b.connect('app');
    expect((await reader.query('SELECT n::int FROM farshore.epoch')).rows).toEqual([{ n: 1 }]);
    await reader.end();
    expect(isWhole).toBe(false);

    // A takeover needs this node now: the copy is given up, the data is as it was.
    const abort = new AbortController();
    const given = b.db.copyBeside(from, () => abort.abort(new Error('enough')), abort.signal);
    expect(await given).toMatchObject({ kind: 'refused', code: 'aborted' });
    expect(await copying).toMatchObject({ kind: 'refused' });
    expect(await b.db.status()).toMatchObject({ state: 'standby', storedEpoch: 1 });

    path.release();
    must(await b.db.copyBeside(from, (text) => void told.push(text), new AbortController().signal));
    expect(told).toContain('copying');
    expect(await b.db.status()).toMatchObject({ state: 'standby' });
    // A primary does so all the while: the slot whose WAL is gone can't be used again.
    must(await a.db.keepSalvageSlot(null));
    must(await b.db.replace(from, 'behind'));
    expect(await b.db.status()).toMatchObject({ state: 'stopped' });
    // Killed between the two renames of another one: the data is not taken to be gone.
    await rename(b.config.dataDir, `${b.config.dataDir}.replaced`);
    expect(await b.db.status()).toMatchObject({ state: 'stopped' });
    must(await b.db.startIsolated());
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
    const copied = await b.connect('app');
    expect((await copied.query('SELECT count(*)::int AS n FROM big')).rows).toEqual([{ n: 20_000 }]);
    await copied.end();
  });

  test('a copy during which the primary writes more WAL than it keeps is made, waits, and follows (P3.2)', async () => {
    const [a, b] = await pair(version);
    const app = await a.connect('app');
    await app.query('CREATE TABLE big AS SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 20000) g');
    await forgetWal(a);
    const admin = await a.connect('farshore_admin');
    await admin.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '48MB'`);
    await admin.query('SELECT pg_reload_conf()');
    const slots = `SELECT slot_name::text AS name, wal_status, restart_lsn FROM pg_replication_slots WHERE slot_name LIKE 'farshore_member%'`;
    expect((await admin.query(slots)).rows).toMatchObject([{ wal_status: 'lost' }]);
    /** 96 MB, where 48 are kept; no faster than the link carries them, or nobody could ever follow. */
    const writeMuch = async (): Promise<void> => {
      for (let segments = 0; segments < 6; segments += 1) {
        await admin.query('INSERT INTO later VALUES (2)');
        await admin.query('SELECT pg_switch_wal()');
        await admin.query('CHECKPOINT');
        for (let tries = 0; tries < 100 && Number((await admin.query(BACKLOG)).rows[0]?.bytes) > 24_000_000; tries += 1)
          await realClock.sleep(100);
      }
    };

    path = await silentPath(a.upstream(1));
    const from = path.upstream;
    path.hold(3_000_000);
    const copying = b.db.copyBeside(from, unseen, new AbortController().signal);
    await path.silent();
    path.holdNoMore();
    await writeMuch();
    path.release();
    must(await copying);
    // As the barrier of a change of the list does.
    expect((await admin.query(END_STREAM)).rowCount).toBe(1);
    await writeMuch();
    must(await a.db.keepSalvageSlot(null));
    expect((await admin.query(slots)).rows).not.toMatchObject([{ wal_status: 'lost' }]);
    must(await b.db.replace(from, 'behind'));
    must(await b.db.startIsolated());
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
    await admin.query('INSERT INTO later VALUES (3)');
    const end = String((await admin.query('SELECT pg_current_wal_flush_lsn() AS lsn')).rows[0]?.lsn);
    await until(b.db, (status) => compareLsn(status.replayLsn ?? '0/0', end) >= 0);
    const copied = await b.connect('farshore_admin');
    const counted = `SELECT (SELECT count(*)::int FROM big) AS big, (SELECT count(*)::int FROM later WHERE id > 1) AS later`;
    expect((await copied.query(counted)).rows).toEqual([{ big: 20_000, later: 13 }]);
    await Promise.all([app, admin, copied].map((client) => client.end()));
  }, 90_000);

  test('what holds something alone is never removed, however far behind the upstream it seems (I7)', async () => {
    const [a, b] = await pair(version);
    must(await b.db.promote(2));
    const app = await b.connect('app');
    await app.query('CREATE TABLE alone (id int)');
    await app.end();
    must(await b.db.stop('fast'));
    must(await b.db.startIsolated());
    await until(b.db, (status) => status.localWalReplayed);
    await forgetWal(a);
    expect(await b.db.discardBehind(a.upstream(1))).toMatchObject({ kind: 'refused', code: 'diverged' });
    must(await b.db.copyBeside(a.upstream(1), unseen, new AbortController().signal));
    expect(await b.db.replace(a.upstream(1), 'behind')).toMatchObject({ kind: 'refused', code: 'diverged' });
    expect(await b.db.status()).toMatchObject({ state: 'standby', storedEpoch: 2 });
  });
});
