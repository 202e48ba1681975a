import { expect, it } from 'vitest';
import { defaultKnobs } from '../base/knobs.ts';
import { done } from '../base/result.ts';
import { memoryStore } from '../coordination/memory.ts';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, B, record, standby } from '../decide/failover/testing.ts';
import type { RegionDatabase } from '../ports/database.ts';
import type { GatewayControl } from '../ports/gateway.ts';
import { keysOf, type OperationRecord } from '../ports/records.ts';
import { GroupStore, put } from './group-store.ts';
import { handOver } from './hand-over.ts';

const keys = keysOf('shop', 'main');
const OPERATION = 'switchover-1';

const asked: OperationRecord = {
  id: OPERATION,
  kind: 'switchover',
  epoch: 0,
  actor: 'operator',
  reason: { code: 'asked', text: 'maintenance' },
  state: 'running',
  request: null,
  driver: B,
  steps: [],
};

/** A hands over to B while a client keeps its transaction open. `during` happens 50 ms after the door began to close. */
async function handOverWith(
  during: (store: ReturnType<ReturnType<typeof memoryStore>['connect']>) => Promise<unknown>,
) {
  const clock = new VirtualClock();
  const store = memoryStore(clock).connect();
  const epoch = { n: 4, holder: A, systemId: '7', operation: 'bootstrap-1' };
  const wrote = await store.txn(
    [],
    [
      put(keys.epoch, epoch),
      put(keys.sync, record()),
      put(keys.slot, { id: OPERATION }),
      put(keys.journal(OPERATION), asked),
    ],
  );
  if (wrote.kind !== 'done') throw new Error('not written');
  const group = new GroupStore(A, store, keys, clock, defaultKnobs(), () => undefined);
  group.start();
  await clock.advance(10);
  const doors: string[] = [];
  let closingAtMs = Number.NaN;
  const stops: number[] = [];
  const database = {
    checkpoint: () => Promise.resolve(done(undefined)),
    status: () => Promise.resolve(standby({ state: 'primary', upstream: null })),
    stop: () => {
      stops.push(clock.nowMs() - closingAtMs);
      return Promise.resolve(done({ evidence: 'gone', end: { timeline: 1, lsn: '0/600' } }));
    },
  } as unknown as RegionDatabase;
  const gateway = {
    status: () => Promise.resolve(done({ table: { closing: true }, connections: { writers: 1 } })),
  } as unknown as GatewayControl;
  const ended = handOver(
    {
      me: A,
      database,
      gateway,
      group,
      clock,
      isOpen: () => true,
      door: (state) => {
        doors.push(state);
        if (state === 'closing') closingAtMs = clock.nowMs();
      },
    },
    {
      do: 'hand-over',
      operation: OPERATION,
      step: 'hand-over',
      epoch: 4,
      epochModRevision: wrote.value.revision,
      by: B,
    },
    { epoch: 4, signal: new AbortController().signal, valid: () => true },
  );
  await clock.advance(50);
  await during(store);
  await clock.advance(1_000);
  group.close();
  return { ended: await ended, doors, stops };
}

it('stops PostgreSQL when the time to end a transaction is up', async () => {
  const { ended, doors, stops } = await handOverWith(() => Promise.resolve());
  expect(ended).toMatchObject({ kind: 'done', value: { position: { lsn: '0/600', systemId: '7' } } });
  expect(doors).toEqual(['closing', 'closed']);
  expect(stops).toEqual([250]);
});

it('opens again, and stops nothing, when it is cancelled while sessions end their transactions', async () => {
  const { ended, doors, stops } = await handOverWith((store) =>
    store.txn([], [put(keys.journal(OPERATION), { ...asked, state: 'cancelled' }), { delete: keys.slot }]),
  );
  expect(ended).toMatchObject({ kind: 'refused', code: 'cancelled' });
  expect(doors).toEqual(['closing', 'open']);
  expect(stops).toEqual([]);
});
