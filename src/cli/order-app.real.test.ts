import { type ChildProcess, spawn } from 'node:child_process';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  NPM_18,
  poll,
  startPostgres,
  startTestGateway,
  tempDir,
  type TestGateway,
  type TestPostgres,
} from '../database/gateway/bench/world.ts';
import { SCHEMA } from '../database/postgres/schema.ts';
import { freePort } from '../world/free-ports.ts';
import { ask } from '../planes/edge/testing.ts';

/** The example application as it is shipped, on a real PostgreSQL behind a real gateway. Needs `npm run build`. */
const APP = fileURLToPath(new URL('../../examples/app/server.mjs', import.meta.url));
const REGIONS = ['aws:eu-west-1', 'aws:us-east-1', 'gcp:asia-east1'];

let temp: Awaited<ReturnType<typeof tempDir>>;
let postgres: TestPostgres;
let gateway: TestGateway;
let ports: readonly number[] = [];
const apps: ChildProcess[] = [];

const admin = (sql: string, database = 'app') =>
  postgres.sql(sql, { database, env: { PGOPTIONS: '-c synchronous_commit=local' } });

const post = (port: number, order: unknown) =>
  ask(port, '/orders', { method: 'POST', body: typeof order === 'string' ? order : JSON.stringify(order) });

async function closeGateway(epoch: number): Promise<void> {
  await gateway.table({ epoch, local: 'closed', open: false, primary: null });
}

beforeAll(async () => {
  temp = await tempDir();
  postgres = await startPostgres(`${temp.dir}/pg`, NPM_18, []);
  await admin("create role app login password 'for-tests'", 'postgres');
  await admin('create database app owner app', 'postgres');
  await admin(`${SCHEMA}; insert into farshore.epoch values (1, 'a', 1, now())`);
  gateway = await startTestGateway(temp.dir, 'a', postgres, { waitForPrimaryMs: 500 });
  await closeGateway(1);
  ports = await Promise.all(REGIONS.map(() => freePort()));
  for (const [index, region] of REGIONS.entries()) startApp(region, ports[index] ?? 0, gateway.rw, gateway.ro);
});

function startApp(region: string, port: number, rw: number, ro: number, as = 'orders'): void {
  const env = {
    ...process.env,
    PORT: String(port),
    FARSHORE_REGION: region,
    DATABASE_URL: `postgres://app:for-tests@127.0.0.1:${rw}/app?application_name=${as}-rw`,
    DATABASE_URL_RO: `postgres://app:for-tests@127.0.0.1:${ro}/app?application_name=${as}-ro`,
  };
  apps.push(spawn(process.execPath, [APP], { env, stdio: 'ignore' }));
}

afterAll(async () => {
  for (const app of apps) app.kill('SIGKILL');
  await gateway?.stop();
  await postgres?.stop();
  await temp?.remove();
});

async function heard(port: number): Promise<void> {
  for (let times = 0; times < 3; times += 1) expect(await answers(port, '/healthz')).toBe(200);
}

const answers = async (port: number, path: string): Promise<number> => {
  try {
    return (await ask(port, path)).status;
  } catch {
    return 0;
  }
};

test('three applications that start before there is a primary are up, say so, and make one table when it comes', async () => {
  for (const port of ports) await poll('it is up', async () => (await answers(port, '/healthz')) === 200);
  const [first = 0] = ports;
  expect((await ask(first, '/healthz/deep')).status).toBe(503);
  await gateway.table({ epoch: 2 });
  for (const port of ports) await poll('it has its table', async () => (await answers(port, '/orders')) === 200);
  for (const port of ports) expect((await ask(port, '/healthz/deep')).status).toBe(200);
});

test('an order is added once, however often and wherever it is sent', async () => {
  const order = { id: 'once', item: 'tea', quantity: 2 };
  const all = await Promise.all([...ports, ...ports, ...ports].map((port) => post(port, order)));
  expect(new Set(all.map((answer) => answer.status))).toEqual(new Set([201]));
  const bodies = all.map((answer) => JSON.parse(answer.body) as { seq: number; region: string; existed: boolean });
  expect(new Set(bodies.map((body) => `${body.seq} ${body.region}`)).size).toBe(1);
  expect(bodies.filter((body) => !body.existed).length).toBe(1);
  const [first = 0] = ports;
  expect(JSON.parse((await ask(first, '/orders/once')).body)).toMatchObject(order);
  expect((await post(first, { ...order, quantity: 3 })).status).toBe(409);
});

test('what it can not take is refused with the reason', async () => {
  const [port = 0] = ports;
  const wrong = ['{', '[]', 'null', { id: 1, item: 'x', quantity: 1 }, { id: 'a', item: 'x', quantity: 0.5 }];
  for (const body of [...wrong, { id: 'a\0', item: 'x', quantity: 1 }])
    expect((await post(port, body)).status).toBe(400);
  expect((await post(port, 'x'.repeat(100_000))).status).toBe(413);
  expect((await ask(port, '/orders?limit=0')).status).toBe(400);
  expect((await ask(port, '/orders/%ff')).status).toBe(400);
  expect((await ask(port, '/orders/none')).status).toBe(404);
  expect((await ask(port, '/nowhere')).status).toBe(404);
});

test('while primaries change under load every order is acknowledged, and every acknowledged order is there once', async () => {
  let stopped = false;
  const acknowledged: string[] = [];
  const failed: string[] = [];
  const users = ports.map(async (port, user) => {
    for (let i = 0; !stopped; i += 1) {
      const id = `user${user}-${i}`;
      const answer = await post(port, { id, item: 'tea', quantity: 1 });
      if (answer.status === 201) acknowledged.push(id);
      else failed.push(`${answer.status} ${answer.body}`);
    }
  });
  for (let epoch = 3; epoch < 9; epoch += 2) {
    const before = acknowledged.length;
    await poll('orders are added', async () => acknowledged.length > before + 20);
    await closeGateway(epoch);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await gateway.table({ epoch: epoch + 1 });
  }
  stopped = true;
  await Promise.all(users);
  expect(failed).toEqual([]);
  const { out } = await admin("select id from orders where id like 'user%'");
  expect(out.trim().split('\n').toSorted()).toEqual(acknowledged.toSorted());
});

test('no primary for longer than it waits: refused, and the header says that nothing was done', async () => {
  const [port = 0] = ports;
  await closeGateway(20);
  const answer = await post(port, { id: 'refused', item: 'tea', quantity: 1 });
  expect(answer).toMatchObject({ status: 503, headers: { 'x-farshore-outcome': 'refused', 'retry-after': '1' } });
  await gateway.table({ epoch: 21 });
  expect((await admin("select count(*) from orders where id = 'refused'")).out.trim()).toBe('0');
});

test('a commit that no standby confirms is unknown; asked again it is acknowledged, once it is confirmed', async () => {
  const [port = 0] = ports;
  const order = { id: 'unconfirmed', item: 'tea', quantity: 1 };
  await admin("alter system set synchronous_standby_names = 'nobody'");
  await admin('select pg_reload_conf()');
  const lost = await post(port, order);
  expect(lost).toMatchObject({ status: 503, headers: { 'x-farshore-outcome': 'unknown' } });
  expect(JSON.parse(lost.body)).toMatchObject({ code: 'outcome-unknown' });
  // The waits are ended, and the row is visible though no standby has it: asked again, it must not be acknowledged either.
  await admin("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
  await poll('the row is visible', async () => {
    return (await admin("select count(*) from orders where id = 'unconfirmed'")).out.trim() === '1';
  });
  expect((await post(port, order)).status).toBe(503);
  await admin("alter system set synchronous_standby_names = ''");
  await admin('select pg_reload_conf()');
  const again = await post(port, order);
  expect(again.status).toBe(201);
  expect(JSON.parse(again.body)).toMatchObject({ existed: true });
});

test('what was not begun when its client left is never begun', async () => {
  const [port = 0] = ports;
  const locker = new pg.Client({ host: postgres.socketDir, port: postgres.port, user: 'postgres', database: 'app' });
  await locker.connect();
  await locker.query('begin; lock table orders');
  const busy = Array.from({ length: 10 }, (_, i) => post(port, { id: `busy-${i}`, item: 'tea', quantity: 1 }));
  await poll('every connection of its pool waits', async () => {
    const waits = "select count(*) from pg_stat_activity where usename = 'app' and wait_event_type = 'Lock'";
    return (await admin(waits)).out.trim() === '10';
  });
  const leaving = Array.from({ length: 20 }, (_, i) => {
    const sent = request({ host: '127.0.0.1', port, method: 'POST', path: '/orders', agent: false });
    sent.on('error', () => undefined);
    sent.end(JSON.stringify({ id: `left-${i}`, item: 'tea', quantity: 1 }));
    return sent;
  });
  // What came before an answer to a newer connection is there by then: first the requests, then their ends.
  await heard(port);
  for (const sent of leaving) sent.destroy();
  await heard(port);
  const behind = post(port, { id: 'behind', item: 'tea', quantity: 1 });
  await locker.query('commit');
  await locker.end();
  for (const answer of await Promise.all([...busy, behind])) expect(answer.status).toBe(201);
  expect((await admin("select count(*) from orders where id like 'left-%'")).out.trim()).toBe('0');
});

test('a connection that takes longer to stand than a request waits serves the next one', async () => {
  const slow = createServer((socket) => {
    const far = connect({ host: '127.0.0.1', port: gateway.rw });
    for (const one of [socket, far]) one.on('error', () => undefined);
    setTimeout(() => void socket.pipe(far).pipe(socket), 4_500);
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const address = slow.address();
  const door = typeof address === 'object' && address !== null ? address.port : 0;
  const port = await freePort();
  startApp('aws:eu-west-1', port, door, door);
  await poll('it serves', async () => (await answers(port, '/orders')) === 200, 30_000);
  apps.pop()?.kill('SIGKILL');
  slow.close();
});

test('connections are there before anybody asks, and again after a failover', async () => {
  startApp('aws:eu-west-1', await freePort(), gateway.rw, gateway.ro, 'warm');
  const standing = async (sinceMs: number) => {
    const recent = `backend_start > to_timestamp(${sinceMs / 1000})`;
    const several = `select application_name from pg_stat_activity where ${recent} group by 1 having count(*) >= 2`;
    const { out } = await admin(`${several} order by 1`);
    return out.includes('warm-ro\nwarm-rw');
  };
  await poll('two of each stand', () => standing(0));
  // All but one are lost, and that one is idle: it must not count as the answer to what is asked for.
  const mine = "from pg_stat_activity where application_name = 'warm-rw'";
  const lost = (await admin(`select pid ${mine} order by backend_start desc offset 1`)).out
    .trim()
    .split('\n')
    .join(', ');
  await admin(`select pg_terminate_backend(pid) from unnest(array[${lost}]) pid`);
  await poll('there are two again', async () => {
    return Number((await admin(`select count(*) ${mine} and pid not in (${lost})`)).out) >= 2;
  });
  // Before the closing: a reader's door stays open, and it may stand again before the closing is answered.
  const closingMs = Date.now();
  await closeGateway(30);
  await gateway.table({ epoch: 31 });
  await poll('two of each stand again', () => standing(closingMs));
  apps.pop()?.kill('SIGKILL');
});

test('told to stop, it answers what is in flight and leaves', async () => {
  const [app] = apps;
  const ended = new Promise((resolve) => app?.once('exit', resolve));
  app?.kill('SIGTERM');
  expect(await ended).toBe(0);
});
