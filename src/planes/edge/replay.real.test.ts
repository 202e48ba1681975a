import { createServer, type IncomingHttpHeaders } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import type { PlaceId } from '../../base/ids.ts';
import { defaultRouting } from '../../decide/routing/defaults.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { aStore, anEdge, untilHealthy } from '../rig.testing.ts';
import { A, ask, B, C, listen, publish, tableOf, until } from './testing.ts';

interface Seen {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An application that answers with its region, or asks for the primary while `replay` says so. */
async function appOf(region: PlaceId, replay: () => string | null) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/healthz') return void response.end();
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push({ method: request.method ?? '', headers: request.headers, body });
      const asks = replay();
      if (asks !== null) response.setHeader('farshore-replay', asks);
      response.end(asks === null ? region : 'not here');
    });
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { region, port, seen };
}

async function world(
  asks: Readonly<Record<'a' | 'b' | 'c', () => string | null>>,
  routing: Partial<RoutingPolicy> = {},
  primary = B,
) {
  const apps = await Promise.all([appOf(A, asks.a), appOf(B, asks.b), appOf(C, asks.c)]);
  const client = aStore().connect();
  const move = (to: PlaceId, epoch: number) => {
    const table = tableOf({ primary: to, epoch });
    return publish(client, { ...table, routing: { ...defaultRouting(table.regions), ...routing } });
  };
  await move(primary, 1);
  const config = { trust: { networks: ['127.0.0.0/8'], placeHeader: 'x-place' } };
  const edge = await anEdge(apps, client, { config, limits: { writeHoldMs: 1_500 } });
  await untilHealthy(edge);
  const [a, b, c] = apps;
  return { edge, a, b, c, move };
}
const never = () => null;

test('a read that turns out to be a write goes to the primary, with its body, the epoch, and who sent it', async () => {
  const { edge, a, b } = await world({ a: () => 'primary; state=cart-7', b: never, c: never });
  const forged = { 'farshore-epoch': '99', 'farshore-replay-src': 'region=mars', 'content-length': '4' };
  const answer = await ask(edge.port, '/visit', { body: 'once', headers: forged });
  expect(answer).toMatchObject({ status: 200, body: B, headers: { 'x-farshore-region': B } });
  expect(answer.headers['x-farshore-why']).toContain(`replay@${A}`);
  expect(answer.headers['farshore-replay']).toBeUndefined();
  expect(a.seen[0]?.headers).not.toHaveProperty('farshore-epoch');
  expect(a.seen[0]?.headers).not.toHaveProperty('farshore-replay-src');
  expect(b.seen).toHaveLength(1);
  expect(b.seen[0]).toMatchObject({ method: 'GET', body: 'once' });
  expect(b.seen[0]?.headers).toMatchObject({
    'farshore-epoch': '1',
    'farshore-replay-src': `region=${A}; state=cart-7`,
  });
  expect(edge.status().counters.replays).toBe(1);
});

test('a primary that is none any more: the write waits for the newer table and goes to the next one, never back', async () => {
  const { edge, b, c, move } = await world({ a: never, b: () => 'primary; epoch=2', c: never });
  const asked = ask(edge.port, '/orders', { method: 'POST', body: 'one' });
  await until('the old primary was asked', () => b.seen.length === 1);
  await move(C, 2);
  expect(await asked).toMatchObject({ status: 200, body: C });
  expect(c.seen).toMatchObject([{ body: 'one', headers: { 'farshore-epoch': '2' } }]);
  expect(b.seen).toHaveLength(1);
});

test('an application that knows of a newer epoch than the edge: nothing goes to the old primary', async () => {
  const { edge, b } = await world({ a: () => 'primary; epoch=2', b: never, c: never });
  const answer = await ask(edge.port, '/visit');
  expect(answer).toMatchObject({ status: 503, headers: { 'x-farshore-outcome': 'refused' } });
  expect(b.seen).toEqual([]);
});

test('a circle ends: every region asks for the primary', async () => {
  const everybody = () => 'primary';
  const { edge, a, b, c, move } = await world({ a: everybody, b: everybody, c: everybody });
  const answer = ask(edge.port, '/visit');
  await until('the primary was asked', () => b.seen.length === 1);
  await move(C, 2);
  await until('the next one was asked', () => c.seen.length === 1);
  await move(A, 3);
  expect(await answer).toMatchObject({ status: 508, headers: { 'x-farshore-outcome': 'refused' } });
  expect([a.seen.length, b.seen.length, c.seen.length]).toEqual([2, 1, 1]);
});

test('a body that is too large to be sent twice, and a header that says nothing, are refused', async () => {
  const { edge, c } = await world({ a: () => 'primary; to=mars', b: () => 'primary', c: never });
  const large = await ask(edge.port, '/orders', { method: 'POST', body: Buffer.alloc(200_000, 'x') });
  expect(large).toMatchObject({ status: 413, headers: { 'x-farshore-outcome': 'refused' } });
  expect(await ask(edge.port, '/visit')).toMatchObject({ status: 502 });
  expect(c.seen).toEqual([]);
});

test('I11: a fenced user stays inside, whatever an application asks', async () => {
  const fences = [{ name: 'gdpr', countries: ['DE'], regions: [A] }];
  const { edge, b } = await world({ a: () => 'primary', b: never, c: never }, { fences, policies: ['latency'] });
  const german = await ask(edge.port, '/visit', { headers: { 'x-place': 'DE' } });
  expect(german).toMatchObject({ status: 451, headers: { 'x-farshore-outcome': 'refused' } });
  expect(b.seen).toEqual([]);
  const other = await ask(edge.port, '/visit', { headers: { 'x-place': 'US' } });
  expect(other).toMatchObject({ status: 200, body: B });
});
