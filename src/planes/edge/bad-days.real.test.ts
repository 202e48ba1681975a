import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { aStore, anEdge, untilHealthy } from '../rig.testing.ts';
import { A, ask, B, listen, publish, startRegion, tableOf, until } from './testing.ts';

test('the store is gone for an hour: users are served by the last table, and the status says how old it is', async () => {
  const region = await startRegion(A);
  onTestFinished(() => region.kill());
  const store = aStore();
  const [writer, edges] = [store.connect(), store.connect()];
  const table = tableOf({
    primary: A,
    regions: [
      [A, 'active'],
      [B, 'active'],
    ],
  });
  await publish(writer, table);
  let aheadMs = 0;
  const clock = { ...nodeClock, nowMs: () => nodeClock.nowMs() + aheadMs };
  const edge = await anEdge([region], edges, { clock, limits: { rereadEveryMs: 50, retryStoreMs: 20 } });
  await untilHealthy(edge);

  // I12: newer, whole, and it would leave nobody anywhere to go.
  const drained = table.regions.map((each) => ({ ...each, state: 'drained' as const }));
  await publish(writer, { ...table, generation: table.generation + 1, regions: drained });
  await until('it is refused', () => edge.status().refusedTables.count === 1);
  expect(edge.status().refusedTables.last).toContain('every region is drained');
  expect(edge.status().table?.generation).toBe(table.generation);

  await edges.close();
  await until('the loss is noticed', () => edge.status().store.state === 'trouble');
  aheadMs = 3_600_000;
  await until('it is healthy an hour later', () => edge.status().regions[0]?.health === 'healthy');
  expect(edge.status().table?.confirmedAgoMs).toBeGreaterThanOrEqual(3_600_000);
  expect((await ask(edge.port, '/orders')).status).toBe(200);
  expect((await ask(edge.port, '/orders?id=1', { method: 'POST' })).status).toBe(200);
});

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
test.each([
  ['more than it said, which looks like another answer', `${ANSWER}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npwned!`],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 6\r\n\r\npwned!'],
  ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\npwned!'],
  ['a length that is none', 'HTTP/1.1 200 OK\r\ncontent-length: 6x\r\n\r\npwned!'],
  ['no HTTP', 'pwned!'],
])('a region that lies about its length: %s: nobody gets what is not his', async (_, bytes) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => socket.write(chunk.includes('/healthz') ? ANSWER : bytes));
  });
  const port = await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A, regions: [[A, 'active']] }));
  const edge = await anEdge([{ region: A, port }], client, { limits: { readRetryForMs: 300, readTryMs: 300 } });
  await until('it has its table', () => edge.status().table !== null);
  for (let i = 0; i < 6; i += 1) {
    const { status, body } = await ask(edge.port, '/orders');
    expect(status === 200 ? body : 'refused').toMatch(/^(ok|refused|)$/);
  }
  // Writes are not sent twice: a broken answer is unknown, or whole.
  const write = await ask(edge.port, '/orders', { method: 'POST', body: 'x' });
  expect(write.status === 200 ? write.body : write.headers['x-farshore-outcome']).toMatch(/^(ok|unknown|)$/);
});
