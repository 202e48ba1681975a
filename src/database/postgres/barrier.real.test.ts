import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Secrets } from '../../ports/config.ts';
import type { SyncList } from '../../ports/database.ts';
import { connectUpstream } from './clone.ts';
import { processesOf } from '../keeper/processes.ts';
import { hangUp } from './connections.ts';
import { terminateWalsenders, walsendersNow } from './sync-list.ts';
import { type TestGroup, type TestNode, must, oneVersionOrMore, realClock, startTestGroup, until } from './testing.ts';

/** A backend that was about to end may be gone by then; its postmaster, once thawed, reaps it. */
function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const LATEST_WALSENDER = `
SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender' ORDER BY backend_start DESC LIMIT 1`;

describe.each(oneVersionOrMore)('barrier and waits on PostgreSQL ($label)', (version) => {
  let group: TestGroup;
  let a: TestNode;
  let b: TestNode;
  let c: TestNode;
  const nobody: SyncList = { epoch: 1, w: 0, names: [] };

  beforeAll(async () => {
    group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1', 'ap-south-1'] });
    const [first, second, third] = group.nodes;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
    [a, b, c] = [first, second, third];
    must(await a.db.init(() => undefined));
    must(await a.db.startFirst(1, nobody));
    must(await b.db.clone(a.upstream(1), () => undefined, new AbortController().signal));
    must(await b.db.startIsolated());
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
    const app = await a.connect('app');
    await app.query('CREATE TABLE t (id int)');
    await app.end();
  });
  afterAll(() => group.end());

  const relax = async (): Promise<void> => {
    must(await a.db.setSyncList(nobody));
    must(await a.db.settleSyncList(nobody, ['in-force'], 10_000));
    await until(b.db, (status) => status.receiving);
  };

  /** What a backend of PostgreSQL waits for, by pid. */
  const waitEvent = async (pid: number): Promise<string | null> => {
    const admin = await a.connect('farshore_admin');
    const { rows } = await admin.query('SELECT wait_event FROM pg_stat_activity WHERE pid = $1', [pid]);
    await admin.end();
    return (rows as { wait_event: string | null }[])[0]?.wait_event ?? null;
  };

  test('a name that never flushed keeps `flushed` unknown and is named; `in-force` is proven without it', async () => {
    const list: SyncList = { epoch: 1, w: 1, names: [b.node, c.node] };
    must(await a.db.setSyncList(list));
    must(await a.db.settleSyncList(list, ['in-force'], 10_000));
    const outcome = await a.db.settleSyncList(list, ['in-force', 'flushed'], 1_500);
    expect(outcome).toMatchObject({ kind: 'unknown', why: expect.stringContaining('ap-south-1') });
    expect(JSON.stringify(outcome)).not.toContain('us-east-1');
    await relax();
  });

  test('a list that is not the configured one is never settled', async () => {
    const list: SyncList = { epoch: 1, w: 1, names: [b.node] };
    expect(await a.db.settleSyncList(list, ['in-force'], 500)).toMatchObject({ kind: 'unknown' });
  });

  test('walsenders are known by pid and start: those of before are ended, one that came later is not', async () => {
    const admin = await a.connect('farshore_admin');
    const secrets = JSON.parse(await readFile(a.config.secretsPath, 'utf8')) as Secrets;
    const open = (): Promise<pg.Client> => connectUpstream(a.upstream(1), secrets, 5_000);
    const pidsNow = async (): Promise<number[]> => {
      const { rows } = await admin.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender'`,
      );
      return rows.map((row) => row.pid);
    };
    const early = await open();
    const before = await walsendersNow(admin);
    const pidsBefore = await pidsNow();
    // This one and the standby's; the database may hold one of its own.
    expect(before.length).toBeGreaterThanOrEqual(2);
    expect(new Set(before.map((walsender) => Number(walsender.split('@')[0])))).toEqual(new Set(pidsBefore));
    const late = await open();
    const [{ pid: latePid } = { pid: 0 }] = (await admin.query<{ pid: number }>(LATEST_WALSENDER)).rows;
    expect(pidsBefore).not.toContain(latePid);
    // The same pids with another start are other processes.
    const others = before.map((walsender) => `${walsender}1`);
    expect(await terminateWalsenders(admin, others)).toBe(0);
    expect(await terminateWalsenders(admin, before)).toBe(before.length);
    await expect.poll(() => terminateWalsenders(admin, before), { timeout: 10_000 }).toBe(0);
    const pids = await pidsNow();
    expect(pids).toContain(latePid);
    expect(pids.filter((pid) => pidsBefore.includes(pid))).toEqual([]);
    await expect(early.query('IDENTIFY_SYSTEM')).rejects.toThrow();
    expect((await late.query('IDENTIFY_SYSTEM')).rows).toHaveLength(1);
    hangUp(late);
    await admin.end();
    await until(b.db, (status) => status.receiving);
  });

  test('a backend that has not read the new list waits by it after the barrier', async () => {
    const app = await a.connect('app');
    const { pid } = (await app.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0] ?? { pid: 0 };
    // Settings are read between two messages of a client: this backend keeps the empty list until its COMMIT is over.
    let over = false;
    const commit = app
      .query(
        `BEGIN; INSERT INTO t VALUES (1); SELECT pg_sleep(3); SELECT current_setting('synchronous_standby_names') AS s; COMMIT`,
      )
      .then((result) => {
        over = true;
        return result as unknown as readonly { readonly rows: readonly { readonly s?: string }[] }[];
      });
    const list: SyncList = { epoch: 1, w: 1, names: [c.node] };
    must(await a.db.setSyncList(list));
    must(await a.db.settleSyncList(list, ['in-force'], 2_500));
    expect(over).toBe(false);
    await expect.poll(() => waitEvent(pid), { timeout: 10_000 }).toBe('SyncRep');
    await realClock.sleep(500);
    expect(over).toBe(false);
    await relax();
    const results = await commit;
    // The test is only worth something if this backend really had the old list.
    expect(results.flatMap((result) => result.rows.map((row) => row.s)).filter((s) => s !== undefined)).toContain('');
    await app.end();
  });

  test('a walsender with the old list is waited for: frozen, it keeps the barrier unknown', async () => {
    const first: SyncList = { epoch: 1, w: 1, names: [b.node] };
    must(await a.db.setSyncList(first));
    must(await a.db.settleSyncList(first, ['in-force', 'flushed'], 10_000));
    const admin = await a.connect('farshore_admin');
    const { pid } = (await admin.query<{ pid: number }>('SELECT pid FROM pg_stat_replication')).rows[0] ?? { pid: 0 };
    process.kill(pid, 'SIGSTOP');
    const second: SyncList = { epoch: 1, w: 1, names: [c.node] };
    must(await a.db.setSyncList(second));
    try {
      // Time enough for two checkpoints on a busy machine: the walsender is what is left then.
      expect(await a.db.settleSyncList(second, ['in-force'], 6_000)).toMatchObject({
        kind: 'unknown',
        why: expect.stringContaining('walsender'),
      });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    must(await a.db.settleSyncList(second, ['in-force'], 10_000));
    const left = await admin.query('SELECT FROM pg_stat_replication WHERE pid = $1', [pid]);
    expect(left.rowCount).toBe(0);
    await admin.end();
    await relax();
  });

  test('the checkpointer is waited for: frozen, commits still pass without a wait, and the barrier is unknown', async () => {
    const admin = await a.connect('farshore_admin');
    const { rows } = await admin.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`,
    );
    const pid = rows[0]?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    const list: SyncList = { epoch: 1, w: 1, names: [c.node] };
    try {
      must(await a.db.setSyncList(list));
      expect(await a.db.settleSyncList(list, ['in-force'], 1_000)).toMatchObject({ kind: 'unknown' });
      // The list is configured and shown, nobody on it streams, and still a commit is acknowledged.
      expect((await a.db.status()).syncList).toEqual(list);
      expect((await a.db.heartbeat(2_000)).kind).toBe('done');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    must(await a.db.settleSyncList(list, ['in-force'], 10_000));
    expect(await a.db.heartbeat(300)).toMatchObject({ kind: 'unknown' });
    await admin.end();
    await relax();
  });

  test('a heartbeat that waits is joined, not repeated, and a cancelled wait is no acknowledgement (P7.3)', async () => {
    const list: SyncList = { epoch: 1, w: 1, names: [c.node] };
    must(await a.db.setSyncList(list));
    must(await a.db.settleSyncList(list, ['in-force'], 10_000));
    expect(await a.db.heartbeat(200)).toMatchObject({ kind: 'unknown' });
    expect(await a.db.heartbeat(200)).toMatchObject({ kind: 'unknown' });
    const admin = await a.connect('farshore_admin');
    const waiting = await admin.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'`);
    expect(waiting.rows).toHaveLength(1);
    const joined = a.db.heartbeat(5_000);
    await admin.query('SELECT pg_cancel_backend($1)', [waiting.rows[0]?.pid]);
    expect(await joined).toMatchObject({ kind: 'refused', code: 'sync-wait-cancelled' });
    await admin.end();
    await relax();
    expect((await a.db.heartbeat(5_000)).kind).toBe('done');
  });

  test('a heartbeat that was joined says when it was sent, not when it was joined (P2.1)', async () => {
    const list: SyncList = { epoch: 1, w: 1, names: [c.node] };
    must(await a.db.setSyncList(list));
    must(await a.db.settleSyncList(list, ['in-force'], 10_000));
    const calledAtMs = realClock.nowMs();
    expect(await a.db.heartbeat(400)).toMatchObject({ kind: 'unknown' });
    const joinedAtMs = realClock.nowMs();
    const joined = a.db.heartbeat(30_000);
    // Nobody to wait for any more: what waits is released.
    must(await a.db.setSyncList(nobody));
    const { sentAtMs } = must(await joined);
    expect(sentAtMs).toBeGreaterThanOrEqual(calledAtMs);
    expect(sentAtMs).toBeLessThan(joinedAtMs);
    await relax();
  });

  test('defaults that the application gives its database do not weaken the heartbeat', async () => {
    const app = await a.connect('app');
    await app.query('ALTER DATABASE app SET synchronous_commit = off');
    await app.query(`ALTER DATABASE app SET search_path = 'public'`);
    const list: SyncList = { epoch: 1, w: 1, names: [c.node] };
    must(await a.db.setSyncList(list));
    must(await a.db.settleSyncList(list, ['in-force'], 10_000));
    const admin = await a.connect('farshore_admin', 'postgres');
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()`,
    );
    await admin.end();
    await expect
      .poll(() => a.db.heartbeat(300), { timeout: 5_000 })
      .toMatchObject({ why: 'not confirmed within 300 ms' });
    await relax();
    const again = await a.connect('app');
    await again.query('ALTER DATABASE app RESET ALL');
    await again.end();
    expect(await b.db.heartbeat(2_000)).toMatchObject({ kind: 'refused', code: '25006' });
  });

  test('a standby that connects again while its old walsender lives on does not count twice (I3)', async () => {
    const admin = await a.connect('farshore_admin');
    const senders = async () =>
      (await admin.query<{ pid: number; state: string }>('SELECT pid, state FROM pg_stat_replication')).rows;
    await until(b.db, (status) => status.receiving);
    const [old] = await senders();
    // As behind a slow or cut link: the end of the old connection reaches the primary late.
    process.kill(old?.pid ?? 0, 'SIGSTOP');
    try {
      const receiver = await b.connect('farshore_admin', 'postgres');
      const found = await receiver.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver'`,
      );
      process.kill(found.rows[0]?.pid ?? 0, 'SIGTERM');
      await receiver.end();
      const streaming: number[] = [];
      for (let looks = 0; looks < 20; looks++) {
        streaming.push((await senders()).filter((it) => it.state === 'streaming').length);
        await new Promise((wake) => setTimeout(wake, 50));
      }
      expect(Math.max(...streaming)).toBe(1);
    } finally {
      process.kill(old?.pid ?? 0, 'SIGCONT');
    }
    await until(b.db, (status) => status.receiving);
    await expect
      .poll(async () => (await senders()).some((it) => it.state === 'streaming' && it.pid !== old?.pid))
      .toBe(true);
    await admin.end();
  });

  test('status of a frozen PostgreSQL is `starting`, in bounded time; after the thaw it is read again', async () => {
    const members = processesOf(b.config.dataDir);
    for (const { pid } of members) signal(pid, 'SIGSTOP');
    const startedMs = realClock.nowMs();
    const frozen = await b.db.status();
    const tookMs = realClock.nowMs() - startedMs;
    for (const { pid } of members) signal(pid, 'SIGCONT');
    expect(frozen.state).toBe('starting');
    expect(tookMs).toBeLessThan(2_000);
    await until(b.db, (status) => status.state === 'standby');
  });
});
