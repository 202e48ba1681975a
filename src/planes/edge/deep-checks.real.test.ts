import { expect, test } from 'vitest';
import { defaultRouting } from '../../decide/routing/defaults.ts';
import type { DeepCheck } from '../../ports/routing.ts';
import { aDnsServer, allHealthy, anEdge, aStore, threeRegions, untilHealthy } from '../rig.testing.ts';
import { freePort } from '../../world/free-ports.ts';
import type { Edge } from './server.ts';
import { A, ask, B, C, configOf, publish, tableOf, until } from './testing.ts';

const PACE = { everyMs: 50, timeoutMs: 2_000 };
const HTTP: DeepCheck = { check: 'http', path: '/deep', ...PACE };
const COMMIT: DeepCheck = { check: 'commit', withinMs: 1_000, ...PACE };

const tableWith = (deep: DeepCheck, primary = B, epoch = 1) => {
  const table = tableOf({ primary, epoch });
  const routing = defaultRouting(table.regions);
  return { ...table, routing: { ...routing, health: { ...routing.health, rise: 2, deep } } };
};

/** Edge in A, primary in B. */
async function world(deep: DeepCheck) {
  const regions = await threeRegions();
  const store = aStore();
  const client = store.connect();
  const table = tableWith(deep);
  await publish(client, table);
  const upstreams = configOf(regions).upstreams.map((it, i) => {
    const id = [A, B, C][i] ?? A;
    const node = tableOf({ primary: id }).primary?.node;
    return { ...it, ...(node === undefined ? {} : { agents: [{ node, host: it.host, port: it.port }] }) };
  });
  const listen = { host: '127.0.0.1', port: await freePort() };
  const edge = await anEdge(regions, client, { config: { upstreams, listen }, limits: { writeHoldMs: 300 } });
  await untilHealthy(edge);
  return { edge, regions, client, store };
}

const readOnly = (edge: Edge) => edge.status().regions.flatMap(({ id, readOnly: why }) => (why === null ? [] : [id]));
const write = (edge: Edge, id: string) => ask(edge.port, `/orders?id=${id}`, { method: 'POST' });
const why = async (edge: Edge, query: string) =>
  JSON.parse((await ask(edge.port, `/.farshore/why?${query}`)).body) as {
    decision: { refusal: string | null; steps: { step: string; why: { code: string }[]; left: string[] }[] };
  };

test.each([
  ['http', HTTP, 503],
  ['http, which waits for its database and does not answer', { ...HTTP, timeoutMs: 100 }, 0],
  ['commit', COMMIT, 503],
] as const)(
  'a primary’s region that answers and can’t write keeps its reads, refuses writes honestly, and takes them again: %s',
  async (_, deep, status) => {
    const { edge, regions } = await world(deep);
    const [, primary] = regions;
    expect((await write(edge, 'before')).headers['x-farshore-region']).toBe(B);

    await primary.deep(status);
    await until('its role is known', () => readOnly(edge).includes(B));
    const refused = await write(edge, 'refused');
    expect(refused.status).toBe(503);
    expect(refused.headers['x-farshore-outcome']).toBe('refused');
    expect(refused.body).toContain("can't write now");
    expect(await primary.writes()).toEqual(['before']);

    // Reads stay, also when it is the only region that is left.
    await Promise.all([regions[0].kill(), regions[2].kill()]);
    await until('the others are down', () => edge.status().routes.read.candidates[0] === B);
    const read = await ask(edge.port, '/orders');
    expect([read.status, read.headers['x-farshore-region']]).toEqual([200, B]);
    expect(read.headers['x-farshore-why']).toContain('read-only');

    const asked = await why(edge, 'method=write');
    expect(asked.decision).toMatchObject({
      refusal: 'read-only',
      steps: [
        { step: 'eligibility', left: [B] },
        { step: 'health', left: [], why: [{ code: 'read-only' }] },
      ],
    });

    await primary.deep(200);
    await until('it can write again', () => readOnly(edge).length === 0);
    expect((await write(edge, 'after')).headers['x-farshore-region']).toBe(B);
    expect(await primary.writes()).toEqual(['before', 'after']);
  },
);

test('a region that is no primary and can’t write keeps its reads; its writes go to the primary’s region as ever', async () => {
  const { edge, regions } = await world(HTTP);
  await regions[0].deep(503);
  await until('its role is known', () => readOnly(edge).includes(A));
  const read = await ask(edge.port, '/orders');
  expect([read.status, read.headers['x-farshore-region']]).toEqual([200, A]);
  expect((await write(edge, 'one')).headers['x-farshore-region']).toBe(B);
});

test('a write that waits for a primary that can’t write goes to the next one, and deep checks begin anew with its reign', async () => {
  const { edge, regions, client } = await world(COMMIT);
  await regions[1].deep(503);
  await until('its role is known', () => readOnly(edge).includes(B));
  await publish(client, tableWith(COMMIT, C, 2));
  await until('the table is there', () => edge.status().table?.epoch === 2);
  expect(readOnly(edge)).toEqual([]);
  expect((await write(edge, 'next')).headers['x-farshore-region']).toBe(C);
});

test('the DNS server hears of it from the edges, says so, and answers the same addresses: a role is no matter of eligibility', async () => {
  const { edge, regions, store } = await world(HTTP);
  const dnsRegions = regions.map(({ region, port }, i) => ({
    region,
    addresses: [`127.0.99.${i + 1}`],
    check: { host: '127.0.0.1', port, rttMs: i },
  }));
  const dns = await aDnsServer(dnsRegions, store.connect());
  await untilHealthy(dns);
  const before = dns.status().route.candidates;
  await regions[1].deep(503);
  await until('the edge knows', () => readOnly(edge).includes(B));
  await until('DNS has heard it', () => dns.status().regions.some(({ id, readOnly: by }) => id === B && by !== null));
  expect(dns.status().route.candidates).toEqual(before);
  expect(dns.status().route.why.map(({ code }) => code)).toContain('read-only');
  expect(allHealthy(dns)).toBe(true);
});
