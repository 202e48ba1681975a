import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEBIAN_15, NPM_18, poll, startPostgres, startTestGateway, tempDir } from './bench/world.ts';
import type { TestGateway, TestPostgres } from './bench/world.ts';
import { RawClient } from './raw-client.testing.ts';

type Message = readonly [string, string];
const execute = (text: string): readonly Message[] => RawClient.execute(text);
const INSERT = 'insert into t values (1)';
const query = (text: string): Message => ['Q', `${text}\0`];
const SYNC: Message = ['S', ''];
const FLUSH: Message = ['H', ''];

/** Each waits for standbys that don't exist. `before` runs first and is answered. */
const WAITS: readonly { readonly name: string; readonly before?: string; readonly messages: readonly Message[] }[] = [
  { name: 'simple, autocommit', messages: [query(INSERT)] },
  { name: 'simple, COMMIT', before: `begin; ${INSERT}`, messages: [query('commit')] },
  { name: 'simple, several statements', messages: [query(`${INSERT}; select 1; ${INSERT}`)] },
  { name: 'simple, a whole transaction in one text', messages: [query(`begin; ${INSERT}; commit; select 1`)] },
  { name: 'extended, autocommit', messages: [...execute(INSERT), SYNC] },
  { name: 'extended, autocommit with Flush', messages: [...execute(INSERT), FLUSH, SYNC] },
  { name: 'extended, COMMIT', before: `begin; ${INSERT}`, messages: [...execute('commit'), SYNC] },
  { name: 'extended, pipelined in one batch', messages: [...execute(INSERT), ...execute(INSERT), SYNC] },
  { name: 'extended, pipelined batches', messages: [...execute('select 1'), SYNC, ...execute(INSERT), SYNC] },
  {
    name: 'extended, a transaction in one batch',
    messages: [...execute('begin'), ...execute(INSERT), ...execute('commit'), SYNC],
  },
];

describe.each([
  ['15', DEBIAN_15],
  ['18', NPM_18],
])('a cancelled wait for synchronous replication (P7.3), PostgreSQL %s', (_version, binDir) => {
  let temp: Awaited<ReturnType<typeof tempDir>>;
  let postgres: TestPostgres;
  let gateway: TestGateway;

  const admin = (sql: string) => postgres.sql(sql, { env: { PGOPTIONS: '-c synchronous_commit=local' } });
  const waiting = async (): Promise<boolean> =>
    (await admin("select count(*) from pg_stat_activity where wait_event = 'SyncRep'")).out.trim() === '1';

  beforeAll(async () => {
    temp = await tempDir();
    postgres = await startPostgres(`${temp.dir}/pg`, binDir, []);
    gateway = await startTestGateway(temp.dir, 'a', postgres);
    await gateway.table();
    await admin('create table t (v int)');
    await admin("alter system set synchronous_standby_names = 'nobody'");
    await admin('select pg_reload_conf()');
  });
  afterAll(async () => {
    await gateway.stop();
    await postgres.stop();
    await temp.remove();
  });

  it.each(WAITS)('$name: the client sees 08007 and no success', async ({ before, messages }) => {
    const client = await RawClient.open(gateway.rw);
    if (before !== undefined) {
      client.query(before);
      await client.until((seen) => seen.includes('Z T'));
      client.seen.length = 0;
    }
    client.send(...messages);
    await poll('the commit waits', waiting);
    const answered = client.seen.filter((one) => one === 'Z I').length;
    await admin("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
    const seen = await client.until((_seen, closed) => closed);
    expect(seen.at(-1)).toBe('E 08007');
    expect(seen.filter((one) => one === 'Z I').length).toBe(answered);
    expect(seen.filter((one) => one === 'N 01000')).toEqual([]);
    if (!messages.some(([, body]) => body.includes(';')) && answered === 0) expect(seen).not.toContain('C');
  });

  it('a terminated backend in the wait ends with 08007 too', async () => {
    const client = await RawClient.open(gateway.rw);
    client.query(INSERT);
    await poll('the commit waits', waiting);
    await admin("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
    expect((await client.until((_seen, closed) => closed)).filter((one) => one !== 'N 57P01')).toEqual(['E 08007']);
  });

  it('counts them', async () => {
    const status = await gateway.client.status();
    expect(status.kind === 'done' && status.value.counters.cancelledSyncWaits).toBeGreaterThanOrEqual(WAITS.length);
  });

  it('Execute and Flush without Sync is answered: nothing was committed yet', async () => {
    const client = await RawClient.open(gateway.rw);
    client.send(...execute(INSERT), FLUSH);
    expect(await client.until((seen) => seen.includes('C'))).toEqual(['1', '2', 'C']);
    client.socket.destroy();
  });
});
