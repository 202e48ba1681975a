import { expect, it } from 'vitest';
import { defaultKnobs } from '../base/knobs.ts';
import { done } from '../base/result.ts';
import { memoryStore } from '../coordination/memory.ts';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, B, position, record, standby } from '../decide/failover/testing.ts';
import type { Promoting, RegionDatabase } from '../ports/database.ts';
import { keysOf } from '../ports/records.ts';
import { GroupStore, put } from './group-store.ts';
import { promoteSelf } from './reign.ts';

const keys = keysOf('shop', 'main');
const OPERATION = 'switchover-1';

/** A promotes itself under epoch 5. `at` writes a newer epoch right before the step of that name, or in the middle of the promotion. */
async function promoteWith(prepared: boolean, overtakenAt: string | null = null, storingTakesMs = 0) {
  const clock = new VirtualClock();
  const memory = memoryStore(clock).connect();
  const epoch = { n: 5, holder: A, systemId: '7', operation: OPERATION };
  const wrote = await memory.txn([], [put(keys.epoch, epoch), put(keys.sync, record({ epoch: 5, w: 0, names: [] }))]);
  const steps: string[] = [];
  const step = async (name: string) => {
    steps.push(name);
    if (overtakenAt === name) await memory.txn([], [put(keys.epoch, { ...epoch, n: 6, holder: B })]);
  };
  const store = {
    ...memory,
    txn: async (...args: Parameters<typeof memory.txn>) => {
      await step('look');
      return memory.txn(...args);
    },
  };
  const group = new GroupStore(A, store, keys, clock, defaultKnobs(), () => undefined);
  const database = {
    status: async () => standby({ upstream: null }),
    setSyncList: async () => step('list').then(() => done(undefined)),
    settleSyncList: async () => done(undefined),
    promote: async (_epoch: number, how: Promoting) => {
      await step(how.salvageSlot === true ? 'promote, slot first' : 'promote');
      how.onPromoted?.();
      await clock.advance(storingTakesMs);
      await step('stored');
      return done(position('0/600', 2));
    },
  } as unknown as RegionDatabase;
  const order = {
    do: 'promote' as const,
    operation: OPERATION,
    step: 'promote',
    epoch: 5,
    epochModRevision: wrote.kind === 'done' ? wrote.value.revision : 0,
    by: B,
    w: 0,
    names: [],
    restarted: false,
    fence: 'killed' as const,
  };
  const permit = { epoch: 5, signal: new AbortController().signal, valid: () => true };
  const ended = await promoteSelf(A, database, group, order, permit, {
    clock,
    barrierTimeoutMs: null,
    prepared,
  });
  return { ended, steps };
}

it('looks at the store before it changes the list, before it promotes, and while the epoch is stored (P5)', async () => {
  const { ended, steps } = await promoteWith(false);
  expect(ended.kind).toBe('done');
  expect(steps).toEqual(['look', 'list', 'look', 'promote, slot first', 'look', 'stored']);
});

it('with a list that was prepared changes nothing before the promotion, and looks once before it', async () => {
  const { ended, steps } = await promoteWith(true);
  expect(ended.kind).toBe('done');
  expect(steps).toEqual(['list', 'look', 'promote, slot first', 'look', 'stored']);
});

it.each([
  ['before the list, and changes nothing', false, 'look', ['look']],
  ['after the list, and is not promoted', true, 'list', ['list', 'look']],
  [
    'in the promotion, and does not open',
    true,
    'promote, slot first',
    ['list', 'look', 'promote, slot first', 'look', 'stored'],
  ],
])('is refused when it is overtaken %s', async (_when, prepared, at, expected) => {
  const { ended, steps } = await promoteWith(prepared, at);
  expect(ended).toMatchObject({ kind: 'refused', code: 'overtaken' });
  expect(steps).toEqual(expected);
});

it('looks again when storing the epoch took longer than a look may be old (P5)', async () => {
  const { ended, steps } = await promoteWith(true, null, 1_000);
  expect(ended.kind).toBe('done');
  expect(steps).toEqual(['list', 'look', 'promote, slot first', 'look', 'stored', 'look']);
  expect((await promoteWith(true, 'stored', 1_000)).ended).toMatchObject({ kind: 'refused', code: 'overtaken' });
});
