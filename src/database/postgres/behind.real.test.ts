import { afterEach, describe, expect, test } from 'vitest';
import { type TestGroup, type TestNode, must, postgresVersions, startTestGroup, until } from './testing.ts';

const unseen = (): void => undefined;
let group: TestGroup | null = null;
afterEach(async () => {
  await group?.end();
  group = null;
});

/** A primary and a standby that followed it and stands isolated now. */
async function pair(version: (typeof postgresVersions)[number]): Promise<readonly [TestNode, TestNode]> {
  group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1'] });
  const [a, b] = group.nodes;
  if (a === undefined || b === undefined) throw new Error('two nodes');
  must(await a.db.init(unseen));
  must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
  must(await b.db.clone(a.upstream(1), unseen, new AbortController().signal));
  must(await b.db.startIsolated());
  must(await b.db.follow(a.upstream(1)));
  await until(b.db, (status) => status.receiving);
  must(await b.db.detach());
  await until(b.db, (status) => status.localWalReplayed);
  return [a, b];
}

/** The primary keeps no WAL that it does not need itself, whatever its slots say. */
async function forgetWal(a: TestNode): Promise<void> {
  const admin = await a.connect('farshore_admin');
  await admin.query(`ALTER SYSTEM SET wal_keep_size = 0`);
  await admin.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
  await admin.query('SELECT pg_reload_conf()');
  await admin.query('CREATE TABLE later AS SELECT 1 AS id');
  const segments = async (): Promise<string> =>
    String((await admin.query('SELECT min(name) AS first FROM pg_ls_waldir()')).rows[0]?.first);
  const before = await segments();
  for (let tries = 0; tries < 20 && (await segments()) === before; tries += 1) {
    await admin.query('SELECT pg_switch_wal()');
    await admin.query('INSERT INTO later VALUES (1)');
    await admin.query('CHECKPOINT');
  }
  expect(await segments()).not.toBe(before);
  await admin.end();
}

describe.each(postgresVersions)('a standby that was away for long on PostgreSQL ($label)', (version) => {
  test('while the WAL it needs is there its data stays; once it is gone the data goes, and a clone follows (I7)', async () => {
    const [a, b] = await pair(version);
    expect(must(await b.db.compareWith(a.upstream(1))).verdict).toBe('same-branch');
    expect(await b.db.discardBehind(a.upstream(1))).toMatchObject({ kind: 'refused', code: 'same-branch' });
    expect(await b.db.status()).toMatchObject({ state: 'standby', storedEpoch: 1 });

    await forgetWal(a);
    expect(must(await b.db.compareWith(a.upstream(1))).verdict).toBe('behind');
    must(await b.db.discardBehind(a.upstream(1)));
    expect(await b.db.status()).toMatchObject({ state: 'empty' });
    must(await b.db.clone(a.upstream(1), unseen, new AbortController().signal));
    must(await b.db.startIsolated());
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
  });

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
    expect(await b.db.status()).toMatchObject({ state: 'standby', storedEpoch: 2 });
  });
});
