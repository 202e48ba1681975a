import { expect, test } from 'vitest';
import { defaultRouting } from '../../decide/routing/defaults.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { aStore, anEdge, healthOf, NEVER_MS, threeRegions, untilHealthy } from '../rig.testing.ts';
import type { EdgeLimits } from './limits.ts';
import type { Edge } from './server.ts';
import { A, ask, B, C, publish, tableOf, until } from './testing.ts';

const TRUST = { networks: ['127.0.0.0/8'], placeHeader: 'x-place' };

async function world(
  routing: Partial<RoutingPolicy>,
  trust: typeof TRUST | null = TRUST,
  limits: Partial<EdgeLimits> = {},
) {
  const regions = await threeRegions();
  const client = aStore().connect();
  const table = tableOf({ primary: B });
  const byDefault = defaultRouting(table.regions);
  // Patient with a busy machine.
  const health = { ...byDefault.health, timeoutMs: 10_000 };
  await publish(client, { ...table, routing: { ...byDefault, health, ...routing } });
  const config = trust === null ? {} : { trust };
  const edge = await anEdge(regions, client, { config, limits });
  await untilHealthy(edge);
  return { edge, regions, client };
}
const regionOf = async (edge: Edge, headers: Record<string, string>, method = 'GET') =>
  (await ask(edge.port, '/orders', { headers, method })).headers['x-farshore-region'];
const someone = (i: number) => ({ 'x-forwarded-for': `203.0.${i % 250}.${i % 200}` });

test('weighted: clients behind a trusted proxy are shared by weight, each of them always the same way', async () => {
  const { edge } = await world({ policies: ['weighted'] });
  const first: unknown[] = [];
  const again: unknown[] = [];
  for (let i = 0; i < 90; i += 1) first.push(await regionOf(edge, someone(i)));
  for (let i = 0; i < 90; i += 1) again.push(await regionOf(edge, someone(i)));
  expect(again).toEqual(first);
  for (const region of [A, B, C]) expect(first.filter((each) => each === region).length).toBeGreaterThan(12);
});

test('the word of a proxy that nobody trusts changes nothing', async () => {
  const { edge } = await world({ policies: ['weighted'] }, null);
  const seen = new Set<unknown>();
  for (let i = 0; i < 20; i += 1) seen.add(await regionOf(edge, someone(i)));
  expect(seen.size).toBe(1);
});

test('I11: a fenced user is answered by his regions or with 451, for reads, writes, canaries and cookies, whatever fails', async () => {
  const { edge, regions } = await world({
    policies: ['latency'],
    fences: [{ name: 'gdpr', countries: ['DE'], regions: [A] }],
    affinity: 'cookie',
    canary: { regions: [C], header: { name: 'x-canary', value: null }, cookie: null },
  });
  const german = { 'x-place': 'DE' };
  const hostile = { ...german, 'x-canary': '1', cookie: `farshore-region=${encodeURIComponent(B)}` };
  expect(await regionOf(edge, german)).toBe(A);
  expect(await regionOf(edge, hostile)).toBe(A);
  const write = await ask(edge.port, '/orders?id=w1', { method: 'POST', headers: german });
  expect(write.status).toBe(451);
  expect(write.headers['x-farshore-outcome']).toBe('refused');
  expect(await regions[1].writes()).toEqual([]);
  expect((await ask(edge.port, '/orders?id=w2', { method: 'POST', headers: { 'x-place': 'US' } })).status).toBe(200);
  await regions[0].kill();
  await until('it is noticed', () => healthOf(edge, A) === 'unhealthy');
  const refused = await ask(edge.port, '/orders', { headers: hostile });
  expect([502, 503]).toContain(refused.status);
  expect(await regionOf(edge, { 'x-place': 'US' })).toBe(B);
}, 60_000);

test('closed: when all look unhealthy users hear an error at once', async () => {
  const { edge, regions } = await world({ whenAllUnhealthy: { kind: 'closed' } }, TRUST, { readRetryForMs: NEVER_MS });
  for (const region of regions) await region.kill();
  await until('all are lost', () => edge.status().regions.every((each) => each.health === 'unhealthy'));
  const answer = await ask(edge.port, '/orders');
  expect(answer.status).toBe(503);
  expect(answer.body).toContain('all regions look unhealthy, and none is used');
});

test('affinity by cookie: set once, kept, and broken when the region is lost', async () => {
  const { edge, regions } = await world({ affinity: 'cookie' });
  const first = await ask(edge.port, '/orders', {
    headers: { cookie: `a=b; farshore-region=${encodeURIComponent(C)}` },
  });
  expect(first.headers['x-farshore-region']).toBe(C);
  expect(first.headers['set-cookie']).toBeUndefined();
  const fresh = await ask(edge.port, '/orders');
  expect(fresh.headers['set-cookie']?.[0]).toContain(`farshore-region=${encodeURIComponent(A)}`);
  await regions[2].kill();
  await until('it is noticed', () => healthOf(edge, C) === 'unhealthy');
  const moved = await ask(edge.port, '/orders', { headers: { cookie: `farshore-region=${encodeURIComponent(C)}` } });
  expect(moved.headers['x-farshore-region']).toBe(A);
  expect(moved.headers['x-farshore-why']).toContain('affinity-broken');
  expect(moved.headers['set-cookie']?.[0]).toContain(encodeURIComponent(A));
});

test('the edge tells why, step by step, to a process of this machine', async () => {
  const { edge } = await world({ policies: ['weighted'], hosts: ['shop.example'] });
  const answer = await ask(edge.port, '/.farshore/why?client=203.0.7.9');
  const told = JSON.parse(answer.body) as {
    hosts: string[];
    decision: { candidates: string[]; steps: { step: string }[] };
  };
  expect(told.decision.steps.map((each) => each.step)).toEqual([
    'eligibility',
    'health',
    'capacity',
    'preference',
    'affinity',
  ]);
  expect(told.decision.candidates[0]).toBe(await regionOf(edge, { 'x-forwarded-for': '203.0.7.9' }));
  expect(told.hosts).toEqual(['shop.example']);
});

test('a client that tells its round trips is led by them, labelled, and nobody else is', async () => {
  const { edge } = await world({ policies: ['latency'] });
  const told = { 'farshore-rtt-ms': `${A}=240, ${B}=100, ${C}=2` };
  expect(await regionOf(edge, told)).toBe(C);
  expect(await regionOf(edge, {})).toBe(A);
  expect(await regionOf(edge, { 'farshore-rtt-ms': `${C}=nothing` })).toBe(A);
  const why = await ask(edge.port, `/.farshore/why?rtts=${encodeURIComponent(told['farshore-rtt-ms'])}`);
  expect(why.body).toContain('2 ms, measured by the client');
});
