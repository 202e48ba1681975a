import { afterEach, expect, test } from 'vitest';
import { memoryStore } from '../../coordination/memory.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { EDGE_LIMITS } from './limits.ts';
import { startEdge } from './server.ts';
import { A, ask, B, C, configOf, publish, startLoad, startRegion, tableOf, until } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('a hundred changes of the route table under load: nothing is dropped, what is in flight is answered, every write reaches a primary once', async () => {
  const regions = await Promise.all([A, B, C].map((region) => startRegion(region)));
  for (const region of regions) cleanups.push(() => region.kill());
  const store = memoryStore(nodeClock);
  cleanups.push(() => store.close());
  const client = store.connect();
  await publish(client, tableOf({ epoch: 1, primary: A }));
  const edge = await startEdge(configOf(regions), client, nodeClock, { ...EDGE_LIMITS, drainMs: 200 });
  cleanups.push(() => edge.close());
  await until('all are healthy', () => edge.status().regions.every(({ health }) => health === 'healthy'));

  const load = startLoad(edge.port, 8, '/orders?ms=3');
  cleanups.push(() => load.stop());
  const inFlight = [ask(edge.port, '/orders?ms=1500'), ask(edge.port, '/?id=slow&ms=1500', { method: 'POST' })];
  // They are with a region before the first change; it stays open to what it has.
  await until('the write arrived', async () => (await regions[0]?.writes())?.includes('slow') === true);
  const sent: string[] = [];
  for (let i = 0; i < 100; i += 1) {
    const primary = [A, B, C][i % 3] ?? A;
    const drained = [B, C, A][i % 3];
    const table = tableOf({ epoch: 2 + i, primary });
    await publish(client, {
      ...table,
      regions: table.regions.map((it) => (it.id === drained ? { ...it, state: 'drained' as const } : it)),
    });
    sent.push(`w${i}`);
    const answer = await ask(edge.port, `/?id=w${i}`, { method: 'POST', body: 'x' });
    expect([answer.status, answer.headers['x-farshore-outcome']]).toEqual([200, undefined]);
  }
  await until('the last one is taken over', () => edge.status().table?.epoch === 101);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.answers.length).toBeGreaterThan(100);
  expect((await Promise.all(inFlight)).map(({ status }) => status)).toEqual([200, 200]);
  const written = (await Promise.all(regions.map((region) => region.writes()))).flat();
  expect(written.toSorted()).toEqual(['slow', ...sent].toSorted());
  // It was led by the tables all along.
  expect(new Set(load.answers.map(({ headers }) => headers['x-farshore-region'])).size).toBeGreaterThan(1);
});
