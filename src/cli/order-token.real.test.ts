import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { poll } from '../database/gateway/bench/world.ts';
import { freePort } from '../world/free-ports.ts';
import { must, startTestGroup, type TestGroup, type TestNode, until } from '../database/postgres/testing.ts';
import { ask } from '../planes/edge/testing.ts';

/** The example application in two regions, the second one reading from a real standby that can be held back. Needs `npm run build`. */
const APP = fileURLToPath(new URL('../../examples/app/server.mjs', import.meta.url));

let group: TestGroup;
let primary: TestNode;
let standby: TestNode;
let replay: pg.Client;
let near = 0;
let far = 0;
const apps: ChildProcess[] = [];

async function startApp(region: string, rw: TestNode, ro: TestNode): Promise<number> {
  const port = await freePort();
  const { appPassword } = JSON.parse(readFileSync(rw.config.secretsPath, 'utf8')) as { appPassword: string };
  const urlOf = ({ config }: TestNode) =>
    `postgres://app:${encodeURIComponent(appPassword)}@${encodeURIComponent(config.runDir)}:${config.port}/app`;
  const env = { ...process.env, PORT: String(port), FARSHORE_REGION: region };
  const urls = { DATABASE_URL: urlOf(rw), DATABASE_URL_RO: urlOf(ro) };
  apps.push(spawn(process.execPath, [APP], { env: { ...env, ...urls }, stdio: 'ignore' }));
  await poll('it has its table', async () => {
    // Asked of the primary: the replica may be gone.
    const order = JSON.stringify({ id: `first-${port}`, item: 'tea', quantity: 1 });
    const answer = await ask(port, '/orders', { method: 'POST', body: order }).catch(() => null);
    return answer?.status === 201;
  });
  return port;
}

beforeAll(async () => {
  group = await startTestGroup({ names: ['eu-west-1', 'us-east-1'] });
  const [first, second] = group.nodes;
  if (first === undefined || second === undefined) throw new Error('two nodes');
  [primary, standby] = [first, second];
  must(await primary.db.init(() => undefined));
  must(await primary.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
  must(await standby.db.clone(primary.upstream(1), () => undefined, new AbortController().signal));
  must(await standby.db.startIsolated());
  must(await standby.db.follow(primary.upstream(1)));
  await until(standby.db, (status) => status.receiving);
  replay = await standby.connect('farshore_admin');
  near = await startApp('aws:eu-west-1', primary, primary);
  far = await startApp('aws:us-east-1', primary, standby);
});
afterAll(async () => {
  for (const app of apps) app.kill('SIGKILL');
  await replay?.end();
  await group?.end();
});

const order = (id: string) =>
  ask(near, '/orders', { method: 'POST', body: JSON.stringify({ id, item: 'tea', quantity: 1 }) });

test('a replica that lags: without a token it answers what it has, with one the primary is asked', async () => {
  await replay.query('SELECT pg_wal_replay_pause()');
  const written = await order('o1');
  const token = String(written.headers['farshore-seen']);
  expect(written.status).toBe(201);
  expect(token).toMatch(/^1\.\d+\.[0-9A-F]+-[0-9A-F]+\.[\w-]{43}$/);
  expect(written.headers['set-cookie']?.[0]).toContain(`farshore-seen=${token}; Path=/; HttpOnly`);
  expect(await ask(far, '/orders/o1')).toMatchObject({ status: 404, headers: { 'orders-read-from': 'replica' } });

  const fromPrimary = { status: 200, headers: { 'orders-read-from': 'primary' } };
  expect(await ask(far, '/orders/o1', { headers: { 'farshore-seen': token } })).toMatchObject(fromPrimary);
  const cookie = `a=1; farshore-seen=${token}; b=2`;
  expect(await ask(far, '/orders/o1', { headers: { cookie } })).toMatchObject(fromPrimary);
  const list = await ask(far, '/orders', { headers: { cookie } });
  expect(list.body).toContain('"o1"');

  // Made up, or changed: as good as none.
  for (const forged of [token.replace(/^1/, '2'), token.replace('-', '-0'), `${token}x`, '', 'null'])
    expect(await ask(far, '/orders/o1', { headers: { 'farshore-seen': forged } })).toMatchObject({ status: 404 });

  await replay.query('SELECT pg_wal_replay_resume()');
  await poll('the replica has it', async () => {
    const { headers } = await ask(far, '/orders/o1', { headers: { 'farshore-seen': token } });
    return headers['orders-read-from'] === 'replica';
  });
});

test('while orders are added, whoever carries the token of his last one always sees it', async () => {
  await replay.query(`ALTER SYSTEM SET recovery_min_apply_delay = '80ms'`);
  await replay.query('SELECT pg_reload_conf()');
  const seenFrom = new Set<unknown>();
  let missedWithout = 0;
  for (let i = 0; i < 40; i += 1) {
    const { headers } = await order(`many-${i}`);
    const without = await ask(far, `/orders/many-${i}`);
    if (without.status === 404) missedWithout += 1;
    const found = await ask(far, `/orders/many-${i}`, {
      headers: { 'farshore-seen': String(headers['farshore-seen']) },
    });
    expect(found.status).toBe(200);
    seenFrom.add(found.headers['orders-read-from']);
  }
  // The delay was real, and the replica's wait was worth it.
  expect(missedWithout).toBeGreaterThan(0);
  expect(seenFrom).toContain('replica');
});

test('a write that a failover lost: 412, at once and once, from any region; one that it kept is read (P9)', async () => {
  await replay.query('ALTER SYSTEM RESET recovery_min_apply_delay');
  await replay.query('SELECT pg_reload_conf()');
  const kept = String((await order('kept')).headers['farshore-seen']);
  await poll('the standby has it', async () => {
    const { headers } = await ask(far, '/orders/kept', { headers: { 'farshore-seen': kept } });
    return headers['orders-read-from'] === 'replica';
  });
  must(await standby.db.detach());
  const answered = await order('lost');
  expect(answered.status).toBe(201);
  const lost = String(answered.headers['farshore-seen']);
  must(await primary.db.stop('kill'));
  must(await standby.db.promote(2));
  // One whose replica is gone, and one that finds the new primary behind both of its doors.
  const after = await startApp('gcp:asia-east1', standby, standby);
  const lame = await startApp('gcp:us-east4', standby, primary);

  for (const port of [after, lame]) {
    for (const path of ['/orders/lost', '/orders/kept', '/orders']) {
      const startedMs = performance.now();
      const refused = await ask(port, path, { headers: { cookie: `farshore-seen=${lost}` } });
      expect(refused).toMatchObject({ status: 412, body: expect.stringContaining('"write-lost"') });
      expect(refused.headers['set-cookie']?.[0]).toMatch(/^farshore-seen=; .*Max-Age=0$/);
      if (port === after) expect(performance.now() - startedMs).toBeLessThan(1_000);
    }
    expect(await ask(port, '/orders/kept', { headers: { 'farshore-seen': kept } })).toMatchObject({ status: 200 });
  }
  expect(await ask(after, '/orders/lost')).toMatchObject({ status: 404 });
  // Written once more, it is a write of the new reign.
  const again = await ask(after, '/orders', {
    method: 'POST',
    body: JSON.stringify({ id: 'lost', item: 'tea', quantity: 1 }),
  });
  expect(JSON.parse(again.body)).toMatchObject({ id: 'lost', existed: false });
  const headers = { 'farshore-seen': String(again.headers['farshore-seen']) };
  expect(await ask(after, '/orders/lost', { headers })).toMatchObject({ status: 200 });
});
