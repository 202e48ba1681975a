import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayTable } from '../../ports/gateway.ts';
import { clocksAhead } from '../../telemetry/clocks-ahead.ts';
import { DEBIAN_15, poll, run, startPostgres, startTestGateway, tempDir } from './bench/world.ts';
import type { TestGateway, TestPostgres } from './bench/world.ts';
import { connectGateway } from './client.ts';
import { cancelRequest, RawClient, startup } from './raw-client.testing.ts';

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

let temp: Awaited<ReturnType<typeof tempDir>>;
let postgres: TestPostgres;
let gateway: TestGateway;

const sleeping = (): Promise<void> =>
  poll('the statement runs', async () => {
    const { out } = await postgres.sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'");
    return out.trim() === '1';
  });
const counters = async () => {
  const status = await gateway.client.status();
  if (status.kind !== 'done') throw new Error('no status');
  return status.value.counters;
};

beforeAll(async () => {
  temp = await tempDir();
  postgres = await startPostgres(`${temp.dir}/pg`, DEBIAN_15);
  await postgres.sql('create table t (v int)');
});
beforeEach(async () => {
  gateway = await startTestGateway(temp.dir, 'a', postgres, { waitForPrimaryMs: 700 });
});
afterEach(async () => {
  await gateway.stop();
  // PostgreSQL lets a statement sleep on when its client is gone, and the next test would see it.
  await postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
});
afterAll(async () => {
  await postgres.stop();
  await temp.remove();
});

const asIfSuspended = (): Pick<GatewayTable, 'deadlineMs' | 'ahead'> => {
  const { bootMs, wallMs } = clocksAhead();
  return { deadlineMs: nowMs() + 60_000, ahead: { bootMs: (bootMs ?? 0) - 61_000, wallMs } };
};

const moves: readonly (readonly [string, () => Promise<void>])[] = [
  ['a newer epoch', () => gateway.table({ epoch: 2, primary: null, local: 'standby', open: false })],
  ['a newer epoch of the same primary', () => gateway.table({ epoch: 2 })],
  ['a primary that closes', () => gateway.table({ open: false })],
  ['a deadline that passes', () => gateway.table({ deadlineMs: nowMs() + 150 })],
  // Since the lease was asked for, CLOCK_BOOTTIME went on for longer than CLOCK_MONOTONIC (P2.2).
  ['a deadline that passed while the machine was suspended', () => gateway.table(asIfSuspended())],
];

describe.each(moves)('%s (P7.2)', (_name, move) => {
  it('ends an idle connection with 57P01', async () => {
    await gateway.table();
    const client = await RawClient.open(gateway.rw);
    await move();
    expect(await client.until((_seen, closed) => closed)).toEqual(['E 57P01']);
    expect((await counters()).fenced).toBe(1);
  });

  it('ends one whose commit may be in flight with 08007', async () => {
    await gateway.table();
    const client = await RawClient.open(gateway.rw);
    // Longer than a busy machine needs to see that it runs.
    client.query('insert into t select 1 from pg_sleep(60)');
    await sleeping();
    await move();
    expect(await client.until((_seen, closed) => closed)).toEqual(['E 08007']);
    expect((await counters()).inFlightUnknown).toBe(1);
  });

  it('ends one in a transaction block with 57P01', async () => {
    await gateway.table();
    const client = await RawClient.open(gateway.rw);
    client.query('begin');
    await client.until((seen) => seen.includes('Z T'));
    client.query('select pg_sleep(60)');
    await sleeping();
    await move();
    expect((await client.until((_seen, closed) => closed)).at(-1)).toBe('E 57P01');
  });

  it('ends those who never pause', async () => {
    await gateway.table();
    const clients = await Promise.all([1, 2, 3, 4].map(() => RawClient.open(gateway.rw)));
    for (const client of clients) {
      client.socket.on('data', () => client.seen.at(-1) === 'Z I' && client.query('select 1'));
      client.query('select 1');
    }
    await Promise.all(clients.map((client) => client.until((seen) => seen.length > 200)));
    await move();
    for (const client of clients) {
      expect((await client.until((_seen, closed) => closed)).at(-1)).toMatch(/^E (?:57P01|08007)$/);
    }
    expect((await counters()).fenced).toBe(4);
  });
});

describe('a new connection (P7.2)', () => {
  it('waits for a primary and goes on when there is one', async () => {
    const opening = RawClient.open(gateway.rw);
    await poll('it waits', async () => {
      const status = await gateway.client.status();
      return status.kind === 'done' && status.value.connections.waiting === 1;
    });
    await gateway.table();
    expect((await opening).closed).toBe(false);
  });

  it('gets 57P03 and the reason when there is none in time', async () => {
    await gateway.table({ open: false });
    const env = { PGUSER: 'postgres' };
    const refused = await run('psql', ['-h', '127.0.0.1', '-p', String(gateway.rw), '-c', 'select 1', 'postgres'], {
      env,
    });
    expect(refused.err).toMatch(/cannot connect now: the primary of epoch 1 is not open yet/);
    expect(refused.code).toBe(2);
  });

  it('is told why when the lease has passed', async () => {
    await gateway.table({ deadlineMs: nowMs() - 1 });
    const client = new RawClient(connect({ host: '127.0.0.1', port: gateway.rw }));
    client.socket.write(startup({ user: 'postgres' }));
    expect(await client.until((_seen, closed) => closed)).toEqual(['E 57P03']);
  });
});

describe('a gateway that was frozen past its deadline (P7.1)', () => {
  it.each([
    ['an acknowledgement', 'insert into t select 1 from pg_advisory_lock(7)'],
    ['rows', 'select pg_advisory_lock(7)'],
  ])('passes on no %s', async (_name, text) => {
    const waiting = async (): Promise<string> =>
      (await postgres.sql("select count(*) from pg_locks where locktype = 'advisory' and not granted")).out.trim();
    const holder = await RawClient.open(postgres.port);
    holder.query('select pg_advisory_lock(7)');
    await holder.until((seen) => seen.includes('Z I'));
    await gateway.table();
    const client = await RawClient.open(gateway.rw);
    client.query(text);
    await poll('the statement waits for the lock', async () => (await waiting()) === '1');
    const deadlineMs = nowMs() + 3_000;
    await gateway.table({ deadlineMs });
    gateway.signal('SIGSTOP');
    holder.socket.destroy();
    await poll('PostgreSQL has answered', async () => (await waiting()) === '0');
    await poll('the deadline has passed', async () => nowMs() > deadlineMs + 50);
    expect(client.seen).toEqual([]);
    gateway.signal('SIGCONT');
    expect(await client.until((_seen, closed) => closed)).toEqual(['E 08007']);
  });
});

describe('the database dies', () => {
  it.each([
    ['idle', null, 'E 57P01'],
    ['commit in flight', 'insert into t select 1 from pg_sleep(60)', 'E 08007'],
  ])('%s', async (_name, text, error) => {
    await gateway.table();
    const client = await RawClient.open(gateway.rw);
    const pid = client.key?.readInt32BE(0) ?? 0;
    if (text !== null) {
      client.query(text);
      await sleeping();
    }
    process.kill(pid, 'SIGKILL');
    const seen = await client.until((_seen, closed) => closed);
    expect(seen.filter((one) => one.startsWith('E'))).toEqual([error]);
    await poll('PostgreSQL is back', async () => (await postgres.sql('select 1')).code === 0);
  });
});

describe('cancel (P7.3)', () => {
  it('reaches the statement, and one that comes too late is counted as unknown', async () => {
    await gateway.table();
    const client = await RawClient.open(gateway.rw);
    const key = client.key ?? Buffer.alloc(0);
    const cancel = (): void => {
      const socket = connect({ host: '127.0.0.1', port: gateway.rw });
      socket.on('error', () => undefined);
      socket.write(cancelRequest(key));
    };
    client.query('select pg_sleep(10)');
    await sleeping();
    cancel();
    expect(await client.until((seen) => seen.includes('Z I'))).toContain('E 57014');
    expect((await counters()).cancelsUnknown).toBe(0);
    client.seen.length = 0;
    cancel();
    await poll('the cancel was forwarded', async () => (await counters()).accepted >= 3);
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.query('select 1');
    await client.until((seen) => seen.includes('Z I'));
    expect((await counters()).cancelsUnknown).toBe(1);
  });
});

describe('the control socket', () => {
  it('is for its owner only, refuses older epochs, and its table outlives the agent', async () => {
    expect((await stat(gateway.controlPath)).mode & 0o777).toBe(0o600);
    await gateway.table({ epoch: 5 });
    await expect(gateway.table({ epoch: 4 })).rejects.toThrow(/epoch 4 is over/);
    gateway.client.close();
    const client = await RawClient.open(gateway.rw);
    client.query('select 1');
    await client.until((seen) => seen.includes('Z I'));
  });

  it('answers unknown or refused when the gateway is gone, and works again when it is back', async () => {
    await gateway.table({ epoch: 5 });
    await gateway.stop();
    const client = connectGateway(gateway.controlPath);
    expect((await client.status()).kind).toBe('refused');
    gateway = await startTestGateway(temp.dir, 'a', postgres);
    expect((await client.status()).kind).toBe('done');
    client.close();
  });
});

describe('a slow client', () => {
  it('does not make the gateway grow', async () => {
    await gateway.table();
    const client = await RawClient.open(gateway.rw);
    client.socket.pause();
    client.query("select repeat('x', 1000) from generate_series(1, 200000)");
    const rssKb = async (): Promise<number> => Number((await run('ps', ['-o', 'rss=', '-p', String(gateway.pid)])).out);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await rssKb()).toBeLessThan(150_000);
    client.socket.destroy();
    await poll('the session ended', async () => {
      const status = await gateway.client.status();
      return status.kind === 'done' && status.value.connections.rw === 0;
    });
  });
});

describe('a replica whose agent is silent', () => {
  const freshFor = (leftMs: number) =>
    gateway.table({
      local: 'standby',
      open: false,
      primary: null,
      readOnly: { local: true, freshUntilMs: nowMs() + leftMs, why: 'fresh', elsewhere: [] },
    });

  it('is left by an idle reader when its time is up, without a new table', async () => {
    await freshFor(30_000);
    const reader = await RawClient.open(gateway.ro);
    const startedMs = nowMs();
    await freshFor(300);
    expect(await reader.until((_seen, closed) => closed)).toEqual(['E 57P01']);
    expect(nowMs() - startedMs).toBeGreaterThanOrEqual(300);
    const refused = await RawClient.open(gateway.ro);
    expect(await refused.until((_seen, closed) => closed)).toEqual([]);
    expect((await counters()).refused).toBe(1);
    // Not a fence: nothing was cut.
    expect((await counters()).fenced).toBe(0);
  });

  it('is left by a busy reader at the end of its transaction, not in the middle', async () => {
    await freshFor(30_000);
    const reader = await RawClient.open(gateway.ro);
    reader.query('begin');
    await reader.until((seen) => seen.includes('Z T'));
    await freshFor(100);
    await new Promise((resolve) => setTimeout(resolve, 300));
    reader.query('select 1');
    expect(await reader.until((seen) => seen.filter((one) => one === 'Z T').length === 2)).not.toContain('E 57P01');
    expect(reader.closed).toBe(false);
    reader.query('commit');
    expect((await reader.until((_seen, closed) => closed)).slice(-2)).toEqual(['Z I', 'E 57P01']);
  });
});
