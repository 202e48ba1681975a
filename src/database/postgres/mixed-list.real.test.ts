import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SyncList } from '../../ports/database.ts';
import { applicationName, renderSyncList } from './names.ts';
import { type TestGroup, type TestNode, must, oneVersionOrMore, startTestGroup, until } from './testing.ts';

/** Bytes that wait in the receive buffer of the connection between two ports of loopback. */
function bytesWaiting(port: number, peerPort: number): number {
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(4, '0');
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    if (local?.endsWith(`:${hex(port)}`) === true && remote?.endsWith(`:${hex(peerPort)}`) === true)
      return Number.parseInt(queues?.split(':')[1] ?? '0', 16);
  }
  return 0;
}

/**
 * While a reload is on its way from `ANY 1 (b)` to `ANY 2 (b, c)`, each walsender asks for as many as its own list says, and
 * counts whoever says of itself that it is named (docs/adr/0018). This is why a record of "1 of b" does not cover the change.
 */
describe.each(oneVersionOrMore)('a mix of two lists on PostgreSQL ($label)', (version) => {
  let group: TestGroup;
  let a: TestNode;
  let b: TestNode;
  let c: TestNode;

  beforeAll(async () => {
    group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1', 'ap-south-1'] });
    const [first, second, third] = group.nodes;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
    [a, b, c] = [first, second, third];
    must(await a.db.init(() => undefined));
    must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
    for (const standby of [b, c]) {
      must(await standby.db.clone(a.upstream(1), () => undefined, new AbortController().signal));
      must(await standby.db.startIsolated());
      must(await standby.db.follow(a.upstream(1)));
      await until(standby.db, (status) => status.receiving);
    }
    const app = await a.connect('app');
    await app.query('CREATE TABLE t (id int)');
    await app.end();
  });
  afterAll(() => group.end());

  const only = <T>(rows: readonly T[]): T => {
    const [row] = rows;
    if (row === undefined) throw new Error('one row was expected');
    return row;
  };

  const walsenderOf = async (node: TestNode) => {
    const admin = await a.connect('farshore_admin');
    const name = applicationName('main', node.node, 1);
    const { rows } = await admin.query<{ pid: number; client_port: number; flush_lsn: string; sync_state: string }>(
      'SELECT pid, client_port, flush_lsn::text, sync_state FROM pg_stat_replication WHERE application_name = $1',
      [name],
    );
    await admin.end();
    return only(rows);
  };

  const isPast = async (end: string, has: string): Promise<boolean> => {
    const admin = await a.connect('farshore_admin');
    const { rows } = await admin.query<{ past: boolean }>('SELECT $1::pg_lsn >= $2::pg_lsn AS past', [has, end]);
    await admin.end();
    return only(rows).past;
  };

  test('the walsender with the old list releases a commit that only a standby of the new list has (P4.1)', async () => {
    const before: SyncList = { epoch: 1, w: 1, names: [b.node] };
    const after: SyncList = { epoch: 1, w: 2, names: [b.node, c.node] };
    must(await a.db.setSyncList(before));
    must(await a.db.settleSyncList(before, ['in-force', 'flushed'], 10_000));
    await until(c.db, (status) => status.receiving);
    const admin = await a.connect('farshore_admin');
    const onB = await b.connect('farshore_admin', 'postgres');
    const receiver = only(
      (await onB.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver'`)).rows,
    );
    const old = await walsenderOf(b);
    const frozen: number[] = [];
    const freeze = (pid: number): void => {
      process.kill(pid, 'SIGSTOP');
      frozen.push(pid);
    };
    try {
      freeze(old.pid);
      // An answer of `b` from before the commit is on its way to its walsender; nothing newer will come.
      await expect.poll(() => bytesWaiting(a.config.port, old.client_port), { timeout: 5_000 }).toBeGreaterThan(0);
      freeze(receiver.pid);

      // The reload has reached the walsender of `c`, and not yet the one of `b`.
      await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '${renderSyncList('main', after)}'`);
      process.kill((await walsenderOf(c)).pid, 'SIGHUP');
      await expect.poll(async () => (await walsenderOf(c)).sync_state, { timeout: 5_000 }).not.toBe('async');

      const app = await a.connect('app');
      let over = false;
      const commit = app.query('INSERT INTO t VALUES (1)').then(() => {
        over = true;
      });
      const waits = `SELECT 1 FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'SyncRep'`;
      await expect.poll(async () => (await admin.query(waits)).rowCount, { timeout: 5_000 }).toBe(1);
      const { end } = only((await admin.query<{ end: string }>('SELECT pg_current_wal_flush_lsn()::text AS end')).rows);
      await expect.poll(async () => isPast(end, (await walsenderOf(c)).flush_lsn), { timeout: 5_000 }).toBe(true);
      // `c` has it and has said so: by the list that its own walsender has, one more is needed.
      expect(over).toBe(false);

      process.kill(old.pid, 'SIGCONT');
      await commit;
      const has = only((await onB.query<{ lsn: string }>('SELECT pg_last_wal_receive_lsn()::text AS lsn')).rows).lsn;
      // Acknowledged, and the one standby of the old list does not have it: a takeover that reads `b` would lose it.
      expect(await isPast(end, has)).toBe(false);
      await app.end();
    } finally {
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
    }
    must(await a.db.setSyncList(after));
    must(await a.db.settleSyncList(after, ['in-force', 'flushed'], 20_000));
    await onB.end();
    await admin.end();
  });
});
