import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { KeeperEvent } from '../../ports/keeper.ts';
import { type TestGroup, type TestNode, must, realClock, startTestGroup, until } from '../postgres/testing.ts';
import { clocksAhead } from '../../telemetry/clocks-ahead.ts';
import { connectKeeper } from './client.ts';
import { processesOf } from './processes.ts';

let group: TestGroup;
let one: TestNode;

beforeAll(async () => {
  group = await startTestGroup({ names: ['eu-west-1'] });
  const [node] = group.nodes;
  if (node === undefined) throw new Error('no node');
  one = node;
  must(await one.db.init(() => undefined));
  must(await one.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
});
afterAll(() => group.end());

/** A test may have left it stopped, as an isolated standby can't write: promote it again. */
beforeEach(async () => {
  const status = await one.db.status();
  if (status.state === 'primary') return;
  must(await one.db.startIsolated());
  must(await one.db.promote(Math.floor(realClock.wallMs() / 10)));
});

/** Sessions that compute without ever waiting: they don't notice that the postmaster is gone. */
async function busySessions(count: number): Promise<number[]> {
  const pids: number[] = [];
  for (let i = 0; i < count; i++) {
    const client = await one.connect('app');
    pids.push((await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0);
    client.query('DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$').catch(() => undefined);
  }
  return pids;
}

/** Milliseconds until no process of the data directory is left. */
async function msUntilGone(timeoutMs: number): Promise<number> {
  const startedMs = realClock.nowMs();
  while (processesOf(one.config.dataDir).length > 0) {
    if (realClock.nowMs() - startedMs > timeoutMs) throw new Error('still there');
    await realClock.sleep(5);
  }
  return realClock.nowMs() - startedMs;
}

const postgresPid = async (): Promise<number | null> => {
  const reply = await one.keeper.call({ do: 'status' });
  return reply.ok ? (reply.status.postgres?.pid ?? null) : null;
};

describe('keeper', () => {
  test('a second keeper on the same socket is refused, and the first goes on', async () => {
    const main = fileURLToPath(new URL('../../../dist/database/keeper/main.js', import.meta.url));
    const file = one.config.keeperSocketPath.replace(/\.sock$/, '.json');
    const second = spawnSync(process.execPath, [main, file], { encoding: 'utf8', timeout: 20_000 });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain('another keeper is alive');
    expect(await postgresPid()).not.toBeNull();
  });

  test('its socket is for the owner only', () => {
    const { stdout } = spawnSync('stat', ['-c', '%a', one.config.keeperSocketPath], { encoding: 'utf8' });
    expect(stdout.trim()).toBe('600');
  });

  test('PostgreSQL outlives its clients; a new client adopts it (P10.1)', async () => {
    const before = await postgresPid();
    one.keeper.close();
    const other = connectKeeper(one.config.keeperSocketPath);
    const reply = await other.call({ do: 'status' });
    other.close();
    expect(reply.ok && reply.status.postgres?.pid).toBe(before);
    expect((await one.db.status()).state).toBe('primary');
  });

  test('start is refused while PostgreSQL runs', async () => {
    const reply = await one.keeper.call({ do: 'start' });
    expect(reply).toMatchObject({ ok: false, code: 'already-running' });
  });

  test('stop kill ends 20 busy sessions and says which processes', async () => {
    const sessions = await busySessions(20);
    const { evidence } = must(await one.db.stop('kill'));
    expect(processesOf(one.config.dataDir)).toEqual([]);
    for (const pid of sessions) {
      expect(evidence).toMatch(new RegExp(`\\b${pid}\\b`));
      expect(existsSync(`/proc/${pid}/cwd`)).toBe(false);
    }
    expect((await one.db.status()).state).toBe('stopped');
  });

  test('stop kill ends frozen processes too', async () => {
    for (const { pid } of processesOf(one.config.dataDir)) process.kill(pid, 'SIGSTOP');
    must(await one.db.stop('kill'));
    expect(processesOf(one.config.dataDir)).toEqual([]);
  });

  test('stop fast leaves a clean shutdown', async () => {
    const { evidence } = must(await one.db.stop('fast'));
    expect(evidence).toContain('fast stop');
    const reply = await one.keeper.call({ do: 'status' });
    expect(reply.ok && reply.status.lastExit).toMatchObject({ code: 0, asked: true });
  });

  test('stop fast says which processes are gone, and ends what is left of PostgreSQL without a parent', async () => {
    const sessions = await busySessions(1);
    // Not the postmaster's child: nothing but its working directory and its name tell whose it is.
    const program = join(dirname(one.config.keeperSocketPath), 'postgres');
    await copyFile('/bin/sleep', program);
    const orphan = spawn(program, ['60'], { cwd: one.config.dataDir });
    const { evidence } = must(await one.db.stop('fast'));
    for (const pid of [...sessions, orphan.pid]) expect(existsSync(`/proc/${pid}/cwd`)).toBe(false);
    expect(evidence).toMatch(new RegExp(`SIGKILL.*\\b${orphan.pid}\\b`));
    must(await one.db.startIsolated());
    const { evidence: clean } = must(await one.db.stop('fast'));
    expect(clean).toMatch(/^fast stop; gone: \d+( \d+){3,}$/);
  });

  test('a kill that is asked for after a start leaves nothing running', async () => {
    must(await one.db.stop('fast'));
    const [, stopped] = await Promise.all([
      one.keeper.call({ do: 'start' }, 10_000),
      one.keeper.call({ do: 'stop', how: 'kill', graceMs: 0 }, 10_000),
    ]);
    expect(stopped.ok).toBe(true);
    expect(await postgresPid()).toBeNull();
    expect(processesOf(one.config.dataDir)).toEqual([]);
  });

  test('past the deadline it kills, and tells its clients (P2.3)', async () => {
    const events: KeeperEvent[] = [];
    const unsubscribe = one.keeper.onEvent((event) => events.push(event));
    const deadlineMs = realClock.nowMs() + 300;
    expect((await one.keeper.call({ do: 'deadline', epoch: 7, deadlineMs })).ok).toBe(true);
    const older = await one.keeper.call({ do: 'deadline', epoch: 6, deadlineMs: null });
    expect(older).toMatchObject({ ok: false, code: 'older-epoch' });
    expect(realClock.nowMs()).toBeLessThan(deadlineMs);
    expect(processesOf(one.config.dataDir)).not.toEqual([]);
    await until(one.db, (status) => status.state === 'stopped');
    expect(realClock.nowMs()).toBeGreaterThanOrEqual(deadlineMs);
    await msUntilGone(2_000);
    await expect.poll(() => events.length, { timeout: 5_000 }).toBe(1);
    expect(events[0]?.status.lastExit).toMatchObject({ asked: false, signal: 'SIGKILL' });
    unsubscribe();
  });

  test('a deadline of the PostgreSQL before does not kill the isolated standby that is started after it (P8.1)', async () => {
    const deadlineMs = realClock.nowMs() + 1_500;
    must(await one.db.killAt(8, deadlineMs));
    must(await one.db.stop('kill'));
    must(await one.db.startIsolated());
    const pid = await postgresPid();
    const reply = await one.keeper.call({ do: 'status' });
    expect(reply.ok && reply.status.deadlineMs).toBeNull();
    await realClock.sleep(Math.max(0, deadlineMs - realClock.nowMs()) + 300);
    expect(await postgresPid()).toBe(pid);
  });

  test('time that the machine was suspended for counts against the deadline; a wall clock that is set does not (P2.2)', async () => {
    const now = clocksAhead();
    const suspended = { bootMs: (now.bootMs ?? 0) - 10_000, wallMs: now.wallMs - 10_000 };
    const [pid, deadlineMs] = [await postgresPid(), realClock.nowMs() + 8_000];
    must(await one.db.killAt(8, deadlineMs, { ...now, wallMs: now.wallMs - 10_000 }));
    await realClock.sleep(600);
    expect(await postgresPid()).toBe(pid);
    must(await one.db.killAt(8, deadlineMs, suspended));
    await until(one.db, (status) => status.state === 'stopped', 4_000);
    expect(realClock.nowMs()).toBeLessThan(deadlineMs);
    must(await one.db.startIsolated());
  });

  test('a deadline taken back does not kill', async () => {
    const deadlineMs = realClock.nowMs() + 200;
    await one.keeper.call({ do: 'deadline', epoch: 8, deadlineMs });
    await one.keeper.call({ do: 'deadline', epoch: 8, deadlineMs: null });
    await realClock.sleep(400);
    expect((await one.db.status()).state).toBe('primary');
  });

  test('an unasked exit of PostgreSQL is an event, and PostgreSQL does not start again by itself', async () => {
    const events: KeeperEvent[] = [];
    const unsubscribe = one.keeper.onEvent((event) => events.push(event));
    await one.keeper.call({ do: 'status' });
    const [session] = await busySessions(1);
    // A crashed backend makes an ordinary PostgreSQL restart as a primary, unasked (P8.1).
    process.kill(session ?? 0, 'SIGKILL');
    await expect.poll(() => events.length, { timeout: 20_000 }).toBe(1);
    expect((await one.db.status()).state).toBe('stopped');
    unsubscribe();
  });

  test("a person's shell in the data directory is no process of PostgreSQL", async () => {
    const shell = spawn('sleep', ['60'], { cwd: one.config.dataDir });
    await expect.poll(() => shell.pid).toBeDefined();
    expect(processesOf(one.config.dataDir).map((member) => member.pid)).not.toContain(shell.pid);
    must(await one.db.stop('kill'));
    expect(shell.exitCode).toBeNull();
    shell.kill('SIGKILL');
  });

  test('when the keeper is killed, PostgreSQL dies within a second, busy sessions too; a new keeper takes the socket', async () => {
    const sessions = await busySessions(20);
    process.kill(one.keeperPid, 'SIGKILL');
    const tookMs = await msUntilGone(10_000);
    for (const pid of sessions) expect(existsSync(`/proc/${pid}/cwd`)).toBe(false);
    process.stdout.write(`keeper killed: 20 busy sessions gone after ${tookMs.toFixed(0)} ms\n`);
    expect((await one.db.status()).state).toBe('stopped');
    expect(must(await one.db.stop('kill')).evidence).toContain('no process');
    await one.restartKeeper();
    expect(await postgresPid()).toBeNull();
  });
});
