import { describe, expect, it } from 'vitest';
import { placeOf } from '../base/ids.ts';
import { defaultKnobs } from '../base/knobs.ts';
import { memoryStore } from '../coordination/memory.ts';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, B, policy as testPolicy, W } from '../decide/failover/testing.ts';
import { tableWithHold } from '../decide/routing/next-table.ts';
import { parseRouteTable } from '../decide/routing/table.ts';
import type { Coordination } from '../ports/coordination.ts';
import { type EpochRecord, keysOf, type RouteTable } from '../ports/records.ts';
import { GroupStore, put } from './group-store.ts';
import { publishRoutes } from './reign.ts';

const keys = keysOf('shop', 'main');
const regions = [A, B, W].map((node) => ({ id: placeOf(node), role: 'active' as const, weight: 1 }));
const policy = { ...testPolicy, regions };
const before: RouteTable = {
  generation: 3,
  epoch: 4,
  primary: { node: A, region: placeOf(A) },
  regions: regions.map((region) => ({ ...region, state: 'serving' })),
  ramp: null,
  released: 0,
  reason: { code: 'test', text: 'before' },
};

/** A store with a table and an epoch, and an agent that knows both; `meanwhile` runs right before the agent's next write of routes. */
async function about(meanwhile: (store: Coordination) => Promise<void>) {
  const clock = new VirtualClock();
  const store = memoryStore(clock).connect();
  const epoch: EpochRecord = { n: 5, holder: B, systemId: '7', operation: 'takeover-5' };
  await store.txn([], [put(keys.routes, before), put(keys.epoch, epoch)]);
  let pending: typeof meanwhile | null = meanwhile;
  const raced: Coordination = {
    ...store,
    watch: (...args) => store.watch(...args),
    txn: async (compare, ops) => {
      const writes = ops.some((op) => 'put' in op && op.put === keys.routes);
      const now = writes ? pending : null;
      if (now !== null) pending = null;
      await now?.(store);
      return store.txn(compare, ops);
    },
  };
  const group = new GroupStore(B, raced, keys, clock, defaultKnobs(), () => undefined);
  group.start();
  await clock.advance(10);
  const epochModRevision = group.view().epoch?.modRevision ?? 0;
  const reign = { epoch: 5, epochModRevision, beganAtLsn: '0/1' };
  const outcome = await publishRoutes(group, policy, B, reign, 'takeover-5');
  group.close();
  const read = await store.txn([], [{ get: keys.routes }]);
  const table = read.kind === 'done' ? parseRouteTable(read.value.responses[0]?.[0]?.value ?? '') : null;
  if (table === null || !table.ok) throw new Error('there is a table');
  return { outcome, table: table.value };
}

const drain = async (store: Coordination): Promise<void> => {
  const next = tableWithHold(before, placeOf(W), 'drained', 'by a person');
  if (!next.ok) throw new Error(next.error);
  await store.txn([], [put(keys.routes, next.value)]);
};
const stateOf = (table: RouteTable, node: typeof A) => table.regions.find(({ id }) => id === placeOf(node))?.state;

describe('the route table of a new reign', () => {
  it('is written over the one that the agent knows', async () => {
    const { outcome, table } = await about(async () => undefined);
    expect(outcome.kind).toBe('done');
    expect(table).toMatchObject({ epoch: 5, generation: 4, primary: { node: B } });
    expect(stateOf(table, W)).toBe('serving');
  });

  it('keeps what a person drained in the same moment', async () => {
    const { outcome, table } = await about(drain);
    expect(outcome.kind).toBe('done');
    expect(table).toMatchObject({ epoch: 5, generation: 5, primary: { node: B } });
    expect(stateOf(table, W)).toBe('drained');
  });

  it('is not written when the reign is over', async () => {
    const { outcome, table } = await about(async (store) => {
      await drain(store);
      await store.txn([], [put(keys.epoch, { n: 6, operation: 'takeover-6' })]);
    });
    expect(outcome).toMatchObject({ kind: 'refused', code: 'record-changed' });
    expect(table).toMatchObject({ epoch: 4, primary: { node: A } });
  });
});
