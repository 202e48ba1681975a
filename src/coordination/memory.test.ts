import { expect, test } from 'vitest';
import { coordinationContract } from './coordination.contract.ts';
import { memoryStore } from './memory.ts';
import { must } from './must.contract.ts';
import { VirtualClock } from './virtual-clock.contract.ts';

coordinationContract('in memory, on a virtual clock', async () => {
  const clock = new VirtualClock();
  const store = memoryStore(clock);
  return {
    connect: () => store.connect(),
    sleep: (ms) => clock.advance(ms),
    nowMs: () => clock.nowMs(),
    compact: async (revision) => store.compact(revision),
    expiryLateMs: 50,
    close: async () => store.close(),
  };
});

test('a lease expires exactly at its TTL, and the watcher hears of it without anyone asking', async () => {
  const clock = new VirtualClock();
  const store = memoryStore(clock);
  const client = store.connect();
  const lease = must(await client.grant(1_500));
  expect(lease).toEqual({ id: '1', ttlMs: 2_000 });
  await client.txn([], [{ put: '/a', value: '', lease: lease.id }]);
  const at: number[] = [];
  client.watch('/', 3, { onEvents: () => void at.push(clock.nowMs()), onEnd: () => {} });
  await clock.advance(1_999);
  expect(at).toEqual([]);
  await clock.advance(1_000);
  expect(at).toEqual([2_000]);
  store.close();
});
