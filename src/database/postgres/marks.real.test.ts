import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareLsn } from '../../base/lsn.ts';
import { type TestGroup, type TestNode, must, postgresVersions, startTestGroup, until } from './testing.ts';

/** P9: which writes a node has seen, and which a failover lost, by `farshore.mark()` and `farshore.seen()`. */
describe.each(postgresVersions)('marks of writes on PostgreSQL ($label)', (version) => {
  let group: TestGroup;
  let a: TestNode;
  let b: TestNode;
  let c: TestNode;
  const clients: pg.Client[] = [];
  const never = new AbortController().signal;

  const connect = async (node: TestNode, user: 'app' | 'farshore_admin' = 'app'): Promise<pg.Client> => {
    const client = await node.connect(user);
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };
  const insert = async (client: pg.Client): Promise<string> =>
    (await client.query<{ mark: string }>('INSERT INTO kept VALUES (1) RETURNING farshore.mark() AS mark')).rows[0]
      ?.mark ?? '';
  const seen = async (client: pg.Client, mark: string): Promise<string> =>
    (await client.query<{ seen: string }>('SELECT farshore.seen($1) AS seen', [mark])).rows[0]?.seen ?? '';
  const lsnOf = (mark: string) => (mark.split('.')[2] ?? '').replace('-', '/');
  const follows = async (node: TestNode, upstream: TestNode, epoch: number): Promise<void> => {
    must(await node.db.follow(upstream.upstream(epoch)));
    await until(node.db, (status) => status.receiving && status.storedEpoch === epoch);
  };
  const clone = async (node: TestNode, upstream: TestNode, epoch: number): Promise<void> => {
    must(await node.db.clone(upstream.upstream(epoch), () => undefined, never));
    must(await node.db.startIsolated());
    await follows(node, upstream, epoch);
  };

  beforeAll(async () => {
    group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1', 'ap-south-1'] });
    const [first, second, third] = group.nodes;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
    [a, b, c] = [first, second, third];
    must(await a.db.init(() => undefined));
    must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
    await (await connect(a)).query('CREATE TABLE kept (id int)');
    await clone(b, a, 1);
    await clone(c, a, 1);
  });
  afterAll(async () => {
    for (const client of clients) await client.end().catch(() => undefined);
    await group.end();
  });

  const marks = { early: '', straddling: '', between: '', lost: '', givenUp: '' };

  test('in one epoch: yes once it is replayed here, not yet before; open and rolled back transactions are not seen', async () => {
    const [writer, reader, admin] = [await connect(a), await connect(b), await connect(b, 'farshore_admin')];
    marks.early = await insert(writer);
    expect(marks.early).toMatch(/^1\.\d+\.[0-9A-F]+-[0-9A-F]+$/);
    expect(await seen(writer, marks.early)).toBe('yes');
    await expect.poll(() => seen(reader, marks.early)).toBe('yes');
    await admin.query('SELECT pg_wal_replay_pause()');
    const later = await insert(writer);
    expect(await seen(reader, later)).toBe('not-yet');
    await admin.query('SELECT pg_wal_replay_resume()');
    await expect.poll(() => seen(reader, later)).toBe('yes');

    await writer.query('BEGIN');
    const open = await insert(writer);
    const other = await connect(a);
    expect(await seen(other, open)).toBe('not-yet');
    await insert(other);
    await expect.poll(() => seen(reader, open)).toBe('not-yet');
    await writer.query('ROLLBACK');
    expect(await seen(other, open)).toBe('not-yet');
    expect(await seen(reader, `2.${open.slice(2)}`)).toBe('not-yet');
  });

  test('after a failover: what is before the fork is there, what is beyond it is lost, and so is a commit alone beyond it', async () => {
    const [open, writer, reader] = [await connect(a), await connect(a), await connect(b)];
    await open.query('BEGIN');
    marks.straddling = await insert(open);
    marks.between = await insert(writer);
    await expect.poll(() => seen(reader, marks.between)).toBe('yes');
    must(await b.db.detach());
    must(await c.db.detach());
    await open.query('COMMIT');
    expect(await seen(writer, marks.straddling)).toBe('yes');
    marks.lost = await insert(writer);
    must(await a.db.stop('kill'));
    must(await b.db.promote(2));
    await follows(c, b, 2);

    const { rows } = await (await connect(b)).query('SELECT n::int, fork::text FROM farshore.epoch ORDER BY n');
    const history = (await b.db.status()).history ?? [];
    expect(rows).toEqual([
      { n: 1, fork: null },
      { n: 2, fork: history.at(-1)?.lsn },
    ]);
    // By its position this one is on the right side: only what became of the transaction tells.
    expect(compareLsn(lsnOf(marks.straddling), rows[1]?.fork)).toBeLessThan(0);
    // New transactions get the numbers of those that are lost.
    const [onB, onC] = [await connect(b), await connect(c)];
    for (let i = 0; i < 10; i += 1) await insert(onB);
    for (const client of [onB, onC]) {
      expect(await seen(client, marks.early)).toBe('yes');
      expect(await seen(client, marks.between)).toBe('yes');
      expect(await seen(client, marks.lost)).toBe('lost');
    }
    expect(await seen(onB, marks.straddling)).toBe('lost');
    // A standby may leave it to the primary.
    expect(['lost', 'not-yet']).toContain(await seen(onC, marks.straddling));
  });

  test('a reign that a forced failover gave up: all that it wrote is lost, what was before it is there', async () => {
    must(await c.db.detach());
    marks.givenUp = await insert(await connect(b));
    must(await b.db.stop('kill'));
    // C goes on as if it had never heard of epoch 3, which B had begun: the row is not there.
    marks.givenUp = marks.givenUp.replace(/^2/, '3');
    must(await c.db.promote(4));
    const onC = await connect(c);
    expect(await seen(onC, marks.givenUp)).toBe('lost');
    expect(await seen(onC, marks.early)).toBe('yes');
    expect(await seen(onC, marks.lost)).toBe('lost');
  });

  test('a database that was made without them gets them when the next epoch begins', async () => {
    const admin = await connect(c, 'farshore_admin');
    await admin.query('DROP FUNCTION farshore.seen; DROP FUNCTION farshore.mark; ALTER TABLE farshore.epoch DROP fork');
    must(await c.db.stop('fast'));
    must(await c.db.startIsolated());
    await until(c.db, (status) => status.localWalReplayed);
    must(await c.db.promote(5));
    const app = await connect(c);
    const mark = await insert(app);
    expect(await seen(app, mark)).toBe('yes');
    expect((await app.query('SELECT fork FROM farshore.epoch WHERE n = 5')).rows[0]).not.toEqual({ fork: null });
  });
});
