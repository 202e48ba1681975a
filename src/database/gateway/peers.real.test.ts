import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { placeId } from '../../base/ids.ts';
import type { GatewayTable } from '../../ports/gateway.ts';
import { DEBIAN_15, makeData, poll, run, startPostgres, startTestGateway, tempDir } from './bench/world.ts';
import type { TestGateway, TestPostgres } from './bench/world.ts';
import { cancelRequest, RawClient, startup } from './raw-client.testing.ts';

/** Region A's database is closed; B is the primary. Clients of A go through the gateway of B (P7.1). */
/** As a world has it: of 100. */
const CLIENTS_MAX = 85;
let temp: Awaited<ReturnType<typeof tempDir>>;
let fresh: string;
let postgres: TestPostgres;
let a: TestGateway;
let b: TestGateway;

const atB = () => ({ node: b.node, host: '127.0.0.1', port: b.peer });
const viaB = (): Partial<GatewayTable> => ({
  local: 'closed',
  open: false,
  primary: { node: b.node, region: placeId('test:b'), host: '127.0.0.1', port: b.peer },
  readOnly: { local: false, freshUntilMs: null, why: 'closed', elsewhere: [atB()] },
});
const sleeping = (): Promise<void> =>
  poll('the statement runs', async () => {
    const { out } = await postgres.sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'");
    return out.trim() === '1';
  });

async function startBoth(waitMs: { readonly a: number; readonly b: number }): Promise<void> {
  const nowhere = { socketDir: temp.dir, port: 1 };
  a = await startTestGateway(temp.dir, 'a', nowhere, { waitForPrimaryMs: waitMs.a });
  b = await startTestGateway(temp.dir, 'b', postgres, { waitForPrimaryMs: waitMs.b, clientsMax: CLIENTS_MAX });
}

beforeAll(async () => {
  temp = await tempDir();
  fresh = await makeData(`${temp.dir}/fresh`, DEBIAN_15);
});
beforeEach(async () => {
  postgres = await startPostgres(`${temp.dir}/pg${performance.now()}`, DEBIAN_15, [], fresh);
  await postgres.sql('create table t (v int)');
  await startBoth({ a: 1_500, b: 6_000 });
});
afterEach(async () => {
  await a.stop();
  await b.stop();
  await postgres.stop();
});
afterAll(() => temp.remove());

describe('through the gateway of another region', () => {
  it('a client reads and writes', async () => {
    await b.table();
    await a.table(viaB());
    const client = await RawClient.open(a.rw);
    client.query('insert into t values (1)');
    expect(await client.until((seen) => seen.includes('Z I'))).toEqual(['C', 'Z I']);
    const reader = await RawClient.open(a.ro);
    reader.query('insert into t values (1)');
    expect(await reader.until((seen) => seen.includes('Z I'))).toEqual(['E 25006', 'Z I']);
    const status = await b.client.status();
    expect(status.kind === 'done' && status.value.connections.peer).toBe(2);
  });

  it('a cancel finds its way', async () => {
    await b.table();
    await a.table(viaB());
    const client = await RawClient.open(a.rw);
    client.query('select pg_sleep(60)');
    await sleeping();
    const socket = connect({ host: '127.0.0.1', port: a.rw });
    socket.on('error', () => undefined);
    socket.write(cancelRequest(client.key ?? Buffer.alloc(0)));
    expect(await client.until((seen) => seen.includes('Z I'))).toContain('E 57014');
  });

  it('waits while the other is not open, then 57P03 says what it answered', async () => {
    await b.table({ open: false });
    await a.table(viaB());
    const opening = RawClient.open(a.rw);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await b.table();
    expect((await opening).closed).toBe(false);
    await b.table({ open: false });
    const env = { PGUSER: 'postgres' };
    const refused = await run('psql', ['-h', '127.0.0.1', '-p', String(a.rw), '-c', 'select 1', 'postgres'], { env });
    expect(refused.err).toMatch(/cannot connect now: test:b\/n1: its gateway says: the primary of epoch 1 is not open/);
  });

  it('a storm of clients leaves PostgreSQL connections for Farshore itself, and those who wait get in when others leave', async () => {
    // Long enough for everybody on a busy machine: who gives up is no longer waiting.
    await a.stop();
    await b.stop();
    await startBoth({ a: 60_000, b: 60_000 });
    await b.table({ open: false });
    await a.table(viaB());
    const connecting = Array.from({ length: 150 }, (_, i) => {
      const client = new RawClient(connect({ host: '127.0.0.1', port: i % 4 === 0 ? a.rw : b.rw }));
      client.socket.write(startup({ user: 'postgres', database: 'postgres' }));
      return client;
    });
    // One table lets in everybody who waits, at once: the worst storm.
    await poll('all wait', async () => {
      const both = await Promise.all([a.client.status(), b.client.status()]);
      return both.reduce((sum, it) => sum + (it.kind === 'done' ? it.value.connections.waiting : 0), 0) === 150;
    });
    await b.table();
    const opened = () => connecting.filter((client) => client.seen.includes('Z I'));
    await poll('as many as there is room for', async () => opened().length >= CLIENTS_MAX);
    expect((await postgres.sql('select count(*) from pg_stat_activity')).err).toBe('');
    expect(opened().length).toBe(CLIENTS_MAX);
    const waiting = connecting.filter((client) => !client.seen.includes('Z I') && !client.closed);
    expect(waiting.length).toBeGreaterThan(0);
    for (const client of opened()) client.socket.destroy();
    await poll('the others', async () => waiting.some((client) => client.seen.includes('Z I')));
    expect(connecting.flatMap((client) => client.seen).filter((seen) => seen === 'E 53300')).toEqual([]);
  });

  it.each([
    ['an idle connection', null, 'E 57P01'],
    ['a commit in flight', 'insert into t select 1 from pg_sleep(60)', 'E 08007'],
  ])('%s learns that the region was lost', async (_name, text, error) => {
    await b.table();
    await a.table(viaB());
    const client = await RawClient.open(a.rw);
    if (text !== null) {
      client.query(text);
      await sleeping();
    }
    b.signal('SIGKILL');
    await postgres.crash();
    expect(await client.until((_seen, closed) => closed)).toEqual([error]);
  });

  it('a wrong token is not answered', async () => {
    await b.table();
    const socket = connect({ host: '127.0.0.1', port: b.peer });
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    const preface = { farshore: 1, token: 'not-the-token-at-all!', want: 'rw', epoch: 9, leftMs: null };
    socket.write(`${JSON.stringify(preface)}\n`);
    socket.write(startup({ user: 'postgres' }));
    await new Promise((resolve) => socket.once('close', resolve).once('error', resolve));
    expect(bytes).toBe(0);
    const status = await b.client.status();
    expect(status.kind === 'done' && status.value.epoch).toBe(1);
  });
});

describe('the highest epoch wins (P7.2)', () => {
  it('an old primary that hears of a newer epoch ends its own clients and takes no new ones', async () => {
    await b.table({ epoch: 1 });
    const old = await RawClient.open(b.rw);
    await a.table({ ...viaB(), epoch: 2 });
    const asking = RawClient.open(a.rw);
    expect(await old.until((_seen, closed) => closed)).toEqual(['E 57P01']);
    const refused = await RawClient.open(b.rw);
    expect(refused.closed || refused.seen.length === 0).toBe(true);
    await b.table({ epoch: 2 });
    await asking.catch(() => undefined);
    const fresh = await RawClient.open(a.rw);
    fresh.query('select 1');
    await fresh.until((seen) => seen.includes('Z I'));
  });

  it('a gateway behind is led on by a newer primary, and its connection outlives its own table', async () => {
    await b.table({ epoch: 2 });
    await a.table({ ...viaB(), epoch: 1 });
    const client = await RawClient.open(a.rw);
    const status = await a.client.status();
    expect(status.kind === 'done' && status.value.epoch).toBe(2);
    await a.table({ ...viaB(), epoch: 2 });
    client.query('select 1');
    expect(await client.until((seen) => seen.includes('Z I'))).toEqual(['T', 'D', 'C', 'Z I']);
  });
});
