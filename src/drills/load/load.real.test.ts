import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, startTestGroup, type TestGroup, type TestNode, until } from '../../database/postgres/testing.ts';
import { lossOf } from '../checks/loss.ts';
import { type Ledger, type LedgerRow, parseLedger } from '../ledger.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { HttpCohortConfig, SqlCohortConfig } from './config.ts';
import { LoadProcess } from './process.ts';

const RATE = 50;
let group: TestGroup;
let node: TestNode;
let orders: Server;
/** What the stand-in for an edge does with a POST. */
let onPost: 'create' | 'hang' | 'break' | 'refuse' = 'create';
const created = new Set<string>();

beforeAll(async () => {
  group = await startTestGroup({ names: ['eu-west-1'], folder: 'farshore load ' });
  const [first] = group.nodes;
  if (first === undefined) throw new Error('no node');
  node = first;
  must(await node.db.init(() => undefined));
  must(await node.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
  const client = await node.connect('app');
  await client.query('CREATE TABLE drill_ledger (id text, client text, seq bigint, at timestamptz)');
  await client.end();
  orders = createServer((request, response) => {
    response.setHeader('x-farshore-region', 'aws:eu-west-1');
    if (request.method === 'GET') return void response.end('{}');
    let body = '';
    request.on('data', (chunk: Buffer) => void (body += chunk.toString('utf8')));
    request.on('end', () => {
      if (onPost === 'hang') return;
      if (onPost === 'break') return void request.socket.destroy();
      if (onPost === 'refuse') return void response.writeHead(503, { 'x-farshore-outcome': 'refused' }).end();
      created.add((JSON.parse(body) as { id: string }).id);
      response.writeHead(201).end('{}');
    });
  });
  await new Promise<void>((resolve) => orders.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  orders.closeAllConnections();
  orders.close();
  await group.end();
});

const sql = (): SqlCohortConfig => ({
  kind: 'sql',
  name: 'sql@aws:eu-west-1',
  host: node.config.runDir,
  port: node.config.port,
  user: 'app',
  database: 'app',
  table: 'drill_ledger',
  ratePerSecond: RATE,
  deadlineMs: 1_000,
  poolWaitMs: 500,
  sessions: 4,
  sessionSetup: null,
});
const http = (): HttpCohortConfig => ({
  kind: 'http',
  resolve: null,
  connections: 'kept',
  name: 'http@aws:eu-west-1',
  host: '127.0.0.1',
  port: (orders.address() as AddressInfo).port,
  writesPerSecond: RATE,
  readsPerSecond: RATE,
  writeDeadlineMs: 500,
  readDeadlineMs: 500,
});

/** Starts the load; `rows` are what it has written so far. */
async function startLoad(drill: string) {
  const ledgerPath = join(group.dir, `${drill}.ledger.jsonl`);
  const { secretsPath } = node.config;
  const cohorts = [sql(), http()];
  const load = new LoadProcess(
    { schema: 'farshore.load/v1', drill, ledgerPath, secretsPath, maxDurationMs: 60_000, cohorts },
    join(group.dir, `${drill}.json`),
  );
  await load.started();
  const rows: LedgerRow[] = [];
  const seen = async (what: (row: LedgerRow) => boolean, count: number): Promise<void> => {
    const endMs = monotonicMs() + 20_000;
    while (rows.filter(what).length < count) {
      rows.push(...load.newRows());
      if (monotonicMs() > endMs) throw new Error(`not seen; the last row is ${JSON.stringify(rows.at(-1))}`);
      await pause(20);
    }
  };
  const ledger = (): Ledger => parseLedger(readFileSync(ledgerPath, 'utf8'));
  return { load, seen, ledger };
}

async function idsInDatabase(drill: string): Promise<ReadonlyMap<string, number>> {
  const client = await node.connect('app');
  const text = 'SELECT id, count(*)::int AS n FROM drill_ledger WHERE id LIKE $1 GROUP BY id';
  const { rows } = await client.query<{ id: string; n: number }>(text, [`${drill}.%`]);
  await client.end();
  return new Map(rows.map((row) => [row.id, row.n]));
}

const ofOp = (ledger: Ledger, op: LedgerRow['op']) => ledger.rows.filter((row) => row.op === op);

const autogroup = '/proc/self/autogroup';

describe('the load process', () => {
  it.runIf(process.getuid?.() === 0 && existsSync(autogroup))('goes first, alone in its session', async () => {
    const before = readFileSync(autogroup, 'utf8');
    const { load } = await startLoad('first');
    expect(readFileSync(`/proc/${load.pid}/autogroup`, 'utf8')).toMatch(/nice -10$/m);
    expect(readFileSync(autogroup, 'utf8')).toBe(before);
    await load.stop(10_000);
  });

  it('writes one row per intention, tells who served it, and agrees with the database', async () => {
    const { load, seen, ledger } = await startLoad('calm');
    await seen((row) => row.outcome === 'ok', 150);
    await load.stop(10_000);
    const found = ledger();
    expect(found.complete).toBe(true);
    const writes = ofOp(found, 'sql-write');
    expect(writes.map((row) => row.seq).toSorted((a, b) => a - b)).toEqual(writes.map((_, seq) => seq));
    expect(writes.every((row) => row.timeline === 1 && /^\w+\/\w+$/.test(row.lsn ?? ''))).toBe(true);
    expect(ofOp(found, 'http-write').every((row) => row.region === 'aws:eu-west-1' && created.has(row.id))).toBe(true);
    const contents = { node: 'n', isPrimary: true, counts: await idsInDatabase('calm') };
    expect(lossOf(writes, [contents], monotonicMs(), true)).toMatchObject({ lost: [], phantom: [], duplicates: [] });
  });

  it('goes on at its own pace while PostgreSQL is dead, calls nothing acknowledged, and reconnects', async () => {
    const { load, seen, ledger } = await startLoad('dead');
    await seen((row) => row.op === 'sql-write' && row.outcome === 'ok', 50);
    await node.keeper.call({ do: 'stop', how: 'kill', graceMs: 0 }, 30_000);
    const diedMs = monotonicMs();
    await seen((row) => row.op === 'sql-write' && row.outcome !== 'ok', 60);
    const backMs = monotonicMs();
    must(await node.db.startIsolated());
    must(await node.db.promote(2));
    await until(node.db, (status) => status.state === 'primary');
    await seen((row) => row.op === 'sql-write' && row.outcome === 'ok' && row.timeline === 2, 20);
    await load.stop(10_000);
    const writes = ofOp(ledger(), 'sql-write');
    const whileDead = writes.filter((row) => row.intendedMs > diedMs && row.intendedMs < backMs - 600);
    // One intention every 20 ms, whatever becomes of them.
    expect(whileDead.length).toBeGreaterThan(((backMs - 600 - diedMs) / 1000) * RATE - 3);
    expect(whileDead.filter((row) => row.outcome === 'ok')).toEqual([]);
    const contents = { node: 'n', isPrimary: true, counts: await idsInDatabase('dead') };
    expect(lossOf(writes, [contents], diedMs, true)).toMatchObject({ lost: [], phantom: [], duplicates: [] });
  });

  it('tells a write that was refused from one that nobody knows about', async () => {
    const { load, seen, ledger } = await startLoad('edge');
    const isWrite = (row: LedgerRow) => row.op === 'http-write';
    for (const mood of ['hang', 'break', 'refuse'] as const) {
      onPost = mood;
      const code = { hang: 'deadline', break: 'ECONNRESET', refuse: '503' }[mood];
      await seen((row) => isWrite(row) && row.code === code, 5);
    }
    onPost = 'create';
    await load.stop(10_000);
    const outcomes = new Map(ofOp(ledger(), 'http-write').map((row) => [row.code, row.outcome]));
    expect(outcomes.get('deadline')).toBe('info');
    expect(outcomes.get('ECONNRESET')).toBe('info');
    expect(outcomes.get('503')).toBe('fail');
  });

  it('leaves a ledger that says it is incomplete when it is killed', async () => {
    const { load, seen, ledger } = await startLoad('killed');
    await seen((row) => row.outcome === 'ok', 20);
    if (load.pid !== null) process.kill(load.pid, 'SIGKILL');
    await load.stop(5_000);
    expect(ledger().rows.length).toBeGreaterThanOrEqual(20);
    expect(ledger().complete).toBe(false);
  });
});
