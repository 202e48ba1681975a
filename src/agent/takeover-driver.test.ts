import { expect, it } from 'vitest';
import { defaultKnobs } from '../base/knobs.ts';
import { unknown } from '../base/result.ts';
import { memoryStore } from '../coordination/memory.ts';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, B, record } from '../decide/failover/testing.ts';
import type { Coordination } from '../ports/coordination.ts';
import { type EpochRecord, type FenceRecord, keysOf } from '../ports/records.ts';
import { GroupStore, put } from './group-store.ts';
import { TakeoverDriver } from './takeover-driver.ts';

const keys = keysOf('shop', 'main');
const OPERATION = 'switchover-1';

/** The store holds what a driver before this one wrote for the same operation; this one's own write gets no answer. */
async function beginUnheard(found: EpochRecord) {
  const clock = new VirtualClock();
  const memory = memoryStore(clock).connect();
  await memory.txn([], [put(keys.epoch, found), put(keys.sync, record())]);
  const silent: Coordination = {
    ...memory,
    watch: (...args) => memory.watch(...args),
    txn: (compare, then, orElse) =>
      then.some((op) => 'put' in op && op.put === keys.epoch)
        ? Promise.resolve(unknown('no answer'))
        : memory.txn(compare, then, orElse),
  };
  const group = new GroupStore(B, silent, keys, clock, defaultKnobs(), () => undefined);
  group.start();
  await clock.advance(10);
  const driver = new TakeoverDriver(B, 'semi-sync', group, clock, () => Promise.reject(new Error('no order is sent')));
  const move = { operation: OPERATION, kind: 'switchover', target: B, handedOver: null, force: null } as const;
  const begun = driver.begin({
    do: 'begin-takeover',
    epoch: 6,
    record: { value: record(), modRevision: 1 },
    leaseMustBeGone: false,
    epochModRevision: 1,
    reason: { code: 'asked', text: 'asked' },
    move,
  });
  await clock.advance(10);
  group.close();
  return begun;
}

it('takes no epoch of an earlier driver of the same operation for the one that it wrote (P1.1, I1)', async () => {
  const systemId = '7';
  expect(await beginUnheard({ n: 5, holder: A, systemId, operation: OPERATION })).toMatchObject({ kind: 'unknown' });
  expect(await beginUnheard({ n: 6, holder: A, systemId, operation: OPERATION })).toMatchObject({ kind: 'unknown' });
  expect(await beginUnheard({ n: 6, holder: B, systemId, operation: OPERATION })).toMatchObject({
    kind: 'done',
    epoch: 6,
  });
});

/** Records a takeover by B under this fence, in a store that knows a position of the old reign; gives whether it still does. */
async function keepsPosition(more: Partial<FenceRecord>): Promise<boolean> {
  const clock = new VirtualClock();
  const memory = memoryStore(clock).connect();
  const found = { n: 5, holder: B, systemId: '7', operation: OPERATION };
  const position = put(keys.position, { epoch: 4, timeline: 1, lsn: '0/900' });
  const wrote = await memory.txn([], [put(keys.epoch, found), put(keys.sync, record()), position]);
  const modRevision = wrote.kind === 'done' ? wrote.value.revision : 0;
  const group = new GroupStore(B, memory, keys, clock, defaultKnobs(), () => undefined);
  const driver = new TakeoverDriver(B, 'semi-sync', group, clock, () => Promise.reject(new Error('no order is sent')));
  const recorded = await driver.record({
    do: 'record-takeover',
    target: B,
    fence: { epoch: 5, kind: 'operator-said', by: B, atWallMs: 0, evidence: [], ...more },
    takeover: {
      epoch: 5,
      epochModRevision: modRevision,
      operation: OPERATION,
      startedAtMs: 0,
      record: { value: record(), modRevision },
      move: null,
      unseen: false,
      ended: null,
    },
  });
  expect(recorded).toMatchObject({ kind: 'done' });
  const read = await memory.txn([], [{ get: keys.position }]);
  return read.kind === 'done' && read.value.responses[0]?.length === 1;
}

it('forgets the recorded position when a person accepted the loss: it would forbid the next promotion as well (P1.4, I6)', async () => {
  expect(await keepsPosition({})).toBe(true);
  expect(await keepsPosition({ lossAccepted: { ms: 'any', actor: 'ada@ops', reason: 'burnt' } })).toBe(false);
});
