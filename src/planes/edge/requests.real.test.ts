import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { memoryStore } from '../../coordination/memory.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { EDGE_LIMITS, type EdgeLimits } from './limits.ts';
import { startEdge } from './server.ts';
import { A, ask, configOf, publish, tableOf, until } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A region whose application this test plays: what it is asked, and what becomes of each write. */
async function regionThat(
  onWrite: (count: number) => 'answer' | 'reset' | 'silence',
  limits: Partial<EdgeLimits> = {},
) {
  const seen: IncomingHttpHeaders[] = [];
  let writes = 0;
  const server: Server = createServer((request, response) => {
    if (request.url === '/healthz') return void response.end();
    seen.push(request.headers);
    const what = request.method === 'POST' ? onWrite((writes += 1)) : onWrite(0);
    if (what === 'reset') return void request.socket.destroy();
    request.resume().on('end', () => {
      if (what === 'answer') response.end('done');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const store = memoryStore(nodeClock);
  cleanups.push(() => store.close());
  const client = store.connect();
  await publish(client, tableOf({ primary: A, regions: [[A, 'active']] }));
  const upstreams = [{ region: A, port: (server.address() as AddressInfo).port }];
  const edge = await startEdge(configOf(upstreams), client, nodeClock, { ...EDGE_LIMITS, drainMs: 200, ...limits });
  cleanups.push(() => edge.close());
  await until('it is healthy', () => edge.status().regions.every((each) => each.health === 'healthy'));
  return { edge, seen, writes: () => writes };
}

const KEY = { 'idempotency-key': 'order-17' };

test('a write with an idempotency key whose answer was lost is sent again, within the retry budget', async () => {
  const { edge, writes } = await regionThat((count) => (count === 1 ? 'reset' : 'answer'));
  const answer = await ask(edge.port, '/orders', { method: 'POST', body: 'one', headers: KEY });
  expect(answer.status).toBe(200);
  expect(writes()).toBe(2);
  expect(answer.headers['x-farshore-why']).toContain(`reset@${A}`);
});

test('without a key it is sent once, and its outcome is unknown', async () => {
  const { edge, writes } = await regionThat((count) => (count === 1 ? 'reset' : 'answer'));
  const answer = await ask(edge.port, '/orders', { method: 'POST', body: 'one' });
  expect(answer.status).toBe(502);
  expect(answer.headers['x-farshore-outcome']).toBe('unknown');
  expect(writes()).toBe(1);
});

test('a key does not make an outcome certain: when no answer comes at all it is unknown, never refused', async () => {
  const { edge, writes } = await regionThat(() => 'reset', { readRetryForMs: 400 });
  const answer = await ask(edge.port, '/orders', { method: 'POST', body: 'one', headers: KEY });
  expect(answer.status).toBe(502);
  expect(answer.headers['x-farshore-outcome']).toBe('unknown');
  expect(writes()).toBeGreaterThan(1);
});

test('the client says how long it waits: the region hears it, and nobody waits longer', async () => {
  const { edge, seen } = await regionThat(() => 'silence');
  const read = await ask(edge.port, '/orders', { headers: { 'farshore-timeout-ms': '300' } });
  expect(read.status).toBe(504);
  expect(read.tookMs).toBeLessThan(2_000);
  expect(seen[0]?.['farshore-timeout-ms']).toBe('300');
  const write = await ask(edge.port, '/orders', {
    method: 'POST',
    body: 'x',
    headers: { 'farshore-timeout-ms': '300' },
  });
  expect(write.headers['x-farshore-outcome']).toBe('unknown');
  expect(write.tookMs).toBeLessThan(2_000);
});

test('request ids and traces: kept when they are valid, made when they are not', async () => {
  const { edge, seen } = await regionThat(() => 'answer');
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const own = { 'x-request-id': 'abc-1', traceparent: trace, tracestate: 'x=1' };
  const kept = await ask(edge.port, '/orders', { headers: own });
  expect(seen[0]).toMatchObject(own);
  expect(kept.headers['x-request-id']).toBe('abc-1');
  const bad = { 'x-request-id': 'a\tb', traceparent: '00-0-0-0', tracestate: 'x=1' };
  const made = await ask(edge.port, '/orders', { headers: bad });
  expect(seen[1]?.['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  expect(made.headers['x-request-id']).toBe(seen[1]?.['x-request-id']);
  expect(seen[1]?.['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  expect(seen[1]?.['tracestate']).toBeUndefined();
});
