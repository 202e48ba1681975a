import { createServer, type IncomingHttpHeaders } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { aStore, anEdge, NEVER_MS, untilHealthy } from '../rig.testing.ts';
import type { EdgeLimits } from './limits.ts';
import { A, ask, listen, publish, tableOf } from './testing.ts';

/** A region whose application this test plays: what it is asked, and what becomes of each write. */
async function regionThat(
  onWrite: (count: number) => 'answer' | 'reset' | 'silence',
  limits: Partial<EdgeLimits> = {},
) {
  const seen: IncomingHttpHeaders[] = [];
  let writes = 0;
  const server = createServer((request, response) => {
    if (request.url === '/healthz') return void response.end();
    seen.push(request.headers);
    const what = request.method === 'POST' ? onWrite((writes += 1)) : onWrite(0);
    if (what === 'reset') return void request.socket.destroy();
    request.resume().on('end', () => {
      if (what === 'answer') response.end('done');
    });
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A, regions: [[A, 'active']] }));
  const edge = await anEdge([{ region: A, port }], client, { limits });
  await untilHealthy(edge);
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
  const patient = { readTryMs: NEVER_MS, readRetryForMs: NEVER_MS, writeAnswerMs: NEVER_MS };
  const { edge, seen } = await regionThat(() => 'silence', patient);
  const read = await ask(edge.port, '/orders', { headers: { 'farshore-timeout-ms': '300' } });
  expect(read.status).toBe(504);
  expect(seen[0]?.['farshore-timeout-ms']).toBe('300');
  const write = await ask(edge.port, '/orders', {
    method: 'POST',
    body: 'x',
    headers: { 'farshore-timeout-ms': '300' },
  });
  expect(write.headers['x-farshore-outcome']).toBe('unknown');
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
