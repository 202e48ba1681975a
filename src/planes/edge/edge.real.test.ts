import { expect, onTestFinished, test } from 'vitest';
import { aStore, anEdge, healthOf, NEVER_MS, threeRegions, untilHealthy } from '../rig.testing.ts';
import { A, ask, B, C, publish, type RegionProcess, startLoad, startRegion, tableOf, until } from './testing.ts';
import { freePort } from '../../world/free-ports.ts';

const regionsIn = (answers: readonly { headers: Record<string, unknown> }[]) =>
  new Set(answers.map((answer) => answer.headers['x-farshore-region']));

test('kill -9 of the nearest region under load: no read fails, and it gets its traffic back after it returned', async () => {
  const [a, b, c] = await threeRegions();
  const client = aStore().connect();
  await publish(client, tableOf({ primary: B }));
  const edge = await anEdge([a, b, c], client);
  await untilHealthy(edge);

  const load = startLoad(edge.port, 16, '/orders?ms=5');
  onTestFinished(() => load.stop());
  await until('the nearest serves', () => load.answers.length > 200);
  expect(regionsIn(load.answers)).toEqual(new Set([A]));

  await a.kill();
  await until('it is noticed', () => healthOf(edge, A) === 'unhealthy');
  const atFall = load.answers.length;
  await until('the next one serves', () => load.answers.length > atFall + 200);
  expect(load.failures).toEqual([]);
  expect(regionsIn(load.answers.slice(atFall + 32))).toEqual(new Set([B]));

  const back = await startRegion(A, a.port);
  onTestFinished(() => back.kill());
  await until('it is back', () => healthOf(edge, A) === 'healthy');
  const atRise = load.answers.length;
  await until('it serves again', () => load.answers.length > atRise + 200);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(regionsIn(load.answers.slice(atRise + 32))).toEqual(new Set([A]));
});

test('a frozen region: its checks time out, and the reads it swallowed are answered elsewhere', async () => {
  const [a, b, c] = await threeRegions();
  const client = aStore().connect();
  await publish(client, tableOf({ primary: B }));
  const edge = await anEdge([a, b, c], client, { limits: { checkTimeoutMs: 500 } });
  await untilHealthy(edge);
  const load = startLoad(edge.port, 8, '/orders');
  onTestFinished(() => load.stop());
  await until('the nearest serves', () => load.answers.length > 50);
  a.child.kill('SIGSTOP');
  await until('it is noticed', () => healthOf(edge, A) === 'unhealthy');
  const atFall = load.answers.length;
  await until('the next one serves', () => load.answers.length > atFall + 100);
  await load.stop();
  expect(load.failures).toEqual([]);
  const swallowed = load.answers.filter((answer) => String(answer.headers['x-farshore-why']).includes('given-up@'));
  expect(swallowed.length).toBeGreaterThan(0);
  expect(regionsIn(swallowed)).toEqual(new Set([B]));
});

test('writes reach the region of the primary and no other, once each, while primaries change and die', async () => {
  const [a, b, c] = await threeRegions();
  const byRegion = new Map([a, b, c].map((region) => [String(region.region), region]));
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A, epoch: 1 }));
  const edge = await anEdge([a, b, c], client, { limits: { writeHoldMs: NEVER_MS } });
  await untilHealthy(edge);

  const acknowledged = new Map<string, string>();
  const counts = { unknown: 0, refused: 0 };
  let stopped = false;
  const writer = async (name: number) => {
    for (let i = 0; !stopped; i += 1) {
      const id = `w${name}-${i}`;
      const answer = await ask(edge.port, `/orders?id=${id}&ms=3`, { method: 'POST', body: '{}' });
      if (answer.status === 200) acknowledged.set(id, String(answer.headers['x-farshore-region']));
      else if (answer.headers['x-farshore-outcome'] === 'unknown') counts.unknown += 1;
      else if (answer.headers['x-farshore-outcome'] === 'refused') counts.refused += 1;
      else throw new Error(`${answer.status} ${answer.body}`);
    }
  };
  const writers = Array.from({ length: 8 }, (_, name) => writer(name));
  const acknowledgedBy = (region: string) => [...acknowledged.values()].filter((each) => each === region).length;

  await until('A takes writes', () => acknowledgedBy(A) > 50);
  await publish(client, tableOf({ primary: B, epoch: 2 }));
  await until('B takes writes', () => acknowledgedBy(B) > 50);
  const seenByB = await b.writes();
  await b.kill();
  await until('its loss is noticed', () => healthOf(edge, B) === 'unhealthy');
  await publish(client, tableOf({ primary: C, epoch: 3 }));
  await until('C takes writes', () => acknowledgedBy(C) > 50);
  stopped = true;
  await Promise.all(writers);

  const seen = [...(await a.writes()), ...(await c.writes()), ...seenByB];
  expect(new Set(seen).size).toBe(seen.length);
  for (const [id, region] of acknowledged) {
    if (region !== B) expect(await cachedWrites(byRegion.get(region))).toContain(id);
  }
  expect(counts.refused).toBe(0);
  expect(counts.unknown).toBeLessThanOrEqual(8);
});

const caches = new WeakMap<RegionProcess, Promise<ReadonlySet<string>>>();
function cachedWrites(region: RegionProcess | undefined): Promise<ReadonlySet<string>> {
  if (region === undefined) return Promise.resolve(new Set<string>());
  const cached = caches.get(region) ?? region.writes().then((ids) => new Set(ids));
  caches.set(region, cached);
  return cached;
}

test('a dead primary: writes to it are refused in bounded time and never go to a healthy region', async () => {
  const [, b, c] = await threeRegions();
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A }));
  const edge = await anEdge([{ region: A, port: await freePort() }, b, c], client, { limits: { writeHoldMs: 300 } });
  await until('the others are healthy', () => healthOf(edge, B) === 'healthy' && healthOf(edge, C) === 'healthy');
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => ask(edge.port, `/orders?id=${i}`, { method: 'POST', body: '{}' })),
  );
  for (const answer of answers) {
    expect(answer.status).toBe(503);
    expect(answer.headers).toMatchObject({ 'x-farshore-outcome': 'refused', 'retry-after': '1' });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'refused' });
    expect(answer.headers['x-farshore-why']).toContain(`connect@${A}`);
  }
  expect([await b.writes(), await c.writes()]).toEqual([[], []]);
});

test('without a primary a write waits for the next table, and reads go on', async () => {
  const [a, b, c] = await threeRegions();
  const client = aStore().connect();
  await publish(client, tableOf({ primary: null, epoch: 4 }));
  const edge = await anEdge([a, b, c], client, { limits: { writeHoldMs: NEVER_MS } });
  await until('the table is read', () => edge.status().table !== null);
  const write = ask(edge.port, '/orders?id=waits', { method: 'PUT', body: 'x' });
  await until('it waits', () => edge.status().waiting === 1);
  expect((await ask(edge.port, '/orders')).status).toBe(200);
  await publish(client, tableOf({ primary: C, epoch: 5 }));
  const answer = await write;
  expect(answer).toMatchObject({ status: 200, headers: { 'x-farshore-region': C, 'x-farshore-why': 'primary' } });
  expect(await c.writes()).toEqual(['waits']);
});

test('a write that was sent and not answered is unknown, says so, and is not sent again', async () => {
  const [a, b, c] = await threeRegions();
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A }));
  const edge = await anEdge([a, b, c], client);
  await until('the table is read', () => edge.status().table !== null);
  const write = ask(edge.port, '/orders?id=lost&ms=60000', { method: 'POST', body: '{}' });
  await until('it was sent', async () => (await a.writes()).includes('lost'));
  await a.kill();
  const answer = await write;
  expect(answer.status).toBe(502);
  expect(answer.headers['x-farshore-outcome']).toBe('unknown');
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'outcome-unknown' });
  expect([await b.writes(), await c.writes()]).toEqual([[], []]);
});

test('active-passive: reads sit out the failover and are answered by the new primary', async () => {
  const [a, b] = await threeRegions();
  const client = aStore().connect();
  const pair = [
    [A, 'active'],
    [B, 'passive'],
  ] as const;
  await publish(client, tableOf({ primary: A, regions: pair }));
  const edge = await anEdge([a, b], client, { limits: { readRetryForMs: NEVER_MS } });
  await untilHealthy(edge);
  const load = startLoad(edge.port, 8, '/orders');
  onTestFinished(() => load.stop());
  await until('the primary serves', () => load.answers.length > 50);
  await a.kill();
  await until('the loss is noticed', () => healthOf(edge, A) === 'unhealthy');
  expect(edge.status().routes.read.why[0]?.code).toBe('all-unhealthy-hold');
  expect(regionsIn(load.answers)).toEqual(new Set([A]));
  const before = load.answers.length;
  await publish(client, tableOf({ primary: B, epoch: 2, regions: pair }));
  await until('the new primary serves', () => load.answers.length > before + 50);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(regionsIn(load.answers.slice(before))).toEqual(new Set([B]));
});

test('the store is gone: the last table is held; broken and older tables change nothing', async () => {
  const [a, b, c] = await threeRegions();
  const store = aStore();
  const client = store.connect();
  const good = tableOf({ primary: B, epoch: 7 });
  await publish(client, good);
  const edgesClient = store.connect();
  const edge = await anEdge([a, b, c], edgesClient, { limits: { rereadEveryMs: 50, retryStoreMs: 20 } });
  await until('the table is read', () => edge.status().table?.epoch === 7);
  await publish(client, '{"generation": 9');
  await publish(client, tableOf({ primary: A, epoch: 6 }));
  await until('both are refused', () => edge.status().refusedTables.count >= 2);
  expect(edge.status().table).toMatchObject({ epoch: 7, primary: { region: B } });

  // Every call of the edge is refused from now on.
  await edgesClient.close();
  await until('the loss is noticed', () => edge.status().store.state === 'trouble');
  expect(await ask(edge.port, '/orders?id=1', { method: 'POST' })).toMatchObject({ status: 200 });
  expect(await b.writes()).toEqual(['1']);
  expect((await ask(edge.port, '/orders')).headers['x-farshore-region']).toBe(A);
});

test('a new table is picked up by the watch at once, and by a new one after the watch was cut', async () => {
  const [a, b, c] = await threeRegions();
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A, epoch: 1 }));
  let cut = () => {};
  const cuttable: typeof client = {
    ...client,
    watch: (prefix, fromRevision, handlers) => {
      const stop = client.watch(prefix, fromRevision, handlers);
      cut = () => {
        stop();
        handlers.onEnd('cut by the test');
      };
      return stop;
    },
  };
  const edge = await anEdge([a, b, c], cuttable, { limits: { rereadEveryMs: NEVER_MS, retryStoreMs: 20 } });
  await until('the first is read', () => edge.status().table?.epoch === 1);
  await publish(client, tableOf({ primary: B, epoch: 2 }));
  await until('the watch brings the second', () => edge.status().table?.epoch === 2);
  cut();
  await publish(client, tableOf({ primary: C, epoch: 3 }));
  await until('it is read again', () => edge.status().table?.epoch === 3);
  await publish(client, tableOf({ primary: A, epoch: 4 }));
  await until('it is watched again', () => edge.status().table?.epoch === 4);
});

test('the status is for this machine only, and says why', async () => {
  const [a, b, c] = await threeRegions();
  const client = aStore().connect();
  await publish(client, tableOf({ primary: B }));
  const edge = await anEdge([a, b, c], client);
  await untilHealthy(edge);
  const status = await ask(edge.port, '/.farshore/edge');
  expect(JSON.parse(status.body)).toMatchObject({
    schema: 'farshore.edge/v1',
    table: { epoch: 1, primary: { region: B } },
    store: { state: 'reachable' },
    routes: { read: { candidates: [A, B, C] }, write: { candidates: [B], why: [{ code: 'primary' }] } },
  });
  const through = await ask(edge.port, '/.farshore/edge', { headers: { 'x-forwarded-for': '203.0.113.9' } });
  expect(JSON.parse(through.body)).toMatchObject({ region: A, path: '/.farshore/edge' });
});
