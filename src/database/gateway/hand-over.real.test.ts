import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEBIAN_15, poll, startPostgres, startTestGateway, tempDir } from './bench/world.ts';
import type { TestGateway, TestPostgres } from './bench/world.ts';
import { RawClient } from './raw-client.testing.ts';

/** What clients of `rw` see when the primary behind their gateway hands over (P7.2). */

let temp: Awaited<ReturnType<typeof tempDir>>;
let postgres: TestPostgres;
let gateway: TestGateway;

const admin = async (sql: string): Promise<string> => (await postgres.sql(sql)).out.trim();
const status = async () => {
  const answer = await gateway.client.status();
  if (answer.kind !== 'done') throw new Error(answer.why);
  return answer.value;
};
const handOver = (): Promise<void> => gateway.table({ closing: true });
const gone = (client: RawClient): Promise<readonly string[]> => client.until((_seen, closed) => closed);

beforeAll(async () => {
  temp = await tempDir();
  postgres = await startPostgres(`${temp.dir}/pg`, DEBIAN_15);
  await admin('create table t (v int)');
});
beforeEach(async () => {
  gateway = await startTestGateway(temp.dir, 'a', postgres, { waitForPrimaryMs: 20_000 });
  await gateway.table();
});
afterEach(() => gateway.stop());
afterAll(async () => {
  await postgres.stop();
  await temp.remove();
});

describe('a primary that hands over', () => {
  it('sends an idle writer away at once, and leaves a reader alone', async () => {
    const writer = await RawClient.open(gateway.rw);
    const reader = await RawClient.open(gateway.ro);
    expect((await status()).connections).toMatchObject({ rw: 1, ro: 1, writers: 1 });
    await handOver();
    expect(await gone(writer)).toEqual(['E 57P01']);
    reader.query('select 1');
    expect(await reader.until((seen) => seen.includes('Z I'))).not.toContain('E 57P01');
    expect((await status()).connections).toMatchObject({ rw: 0, ro: 1, writers: 0 });
    // Nothing was cut.
    expect((await status()).counters).toMatchObject({ fenced: 0, inFlightUnknown: 0 });
  });

  it('lets a transaction end: the commit is acknowledged and kept, then the writer is sent away', async () => {
    const writer = await RawClient.open(gateway.rw);
    writer.query('begin; insert into t values (1)');
    await writer.until((seen) => seen.includes('Z T'));
    await handOver();
    expect((await status()).connections.writers).toBe(1);
    writer.query('insert into t values (1)');
    await writer.until((seen) => seen.filter((one) => one === 'Z T').length === 2);
    writer.query('commit');
    expect((await gone(writer)).slice(-3)).toEqual(['C', 'Z I', 'E 57P01']);
    expect(await admin('select count(*) from t where v = 1')).toBe('2');
    expect((await status()).connections.writers).toBe(0);
  });

  it('lets a statement that runs alone be answered', async () => {
    const writer = await RawClient.open(gateway.rw);
    writer.query('insert into t select 2 from pg_sleep(0.5)');
    await poll('the statement runs', async () => (await status()).connections.writers === 1);
    await handOver();
    expect((await gone(writer)).slice(-3)).toEqual(['C', 'Z I', 'E 57P01']);
    expect(await admin('select count(*) from t where v = 2')).toBe('1');
  });

  it('whose time is up: 57P01 inside a transaction, 08007 for a commit in flight', async () => {
    const open = await RawClient.open(gateway.rw);
    open.query('begin; insert into t values (3)');
    await open.until((seen) => seen.includes('Z T'));
    const committing = await RawClient.open(gateway.rw);
    committing.query('insert into t select 4 from pg_sleep(60)');
    const sleeps = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    await poll('the statement runs', async () => (await admin(sleeps)) === '1');
    await handOver();
    expect((await status()).connections.writers).toBe(2);
    await gateway.table({ open: false });
    expect((await gone(open)).slice(-1)).toEqual(['E 57P01']);
    expect(await gone(committing)).toEqual(['E 08007']);
    expect((await status()).connections.writers).toBe(0);
    await admin("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
    await poll('the open transaction is gone', async () => {
      return (await admin("select count(*) from pg_stat_activity where state like 'idle in%'")) === '0';
    });
    expect(await admin('select count(*) from t where v = 3')).toBe('0');
  });

  it('keeps a new writer waiting and serves it under the next epoch', async () => {
    await handOver();
    const waiting = RawClient.open(gateway.rw);
    await poll('it waits', async () => (await status()).connections.waiting === 1);
    expect((await status()).connections.writers).toBe(0);
    await gateway.table({ epoch: 2 });
    const client = await waiting;
    client.query('insert into t values (5)');
    expect(await client.until((seen) => seen.includes('Z I'))).toEqual(['C', 'Z I']);
  });
});
