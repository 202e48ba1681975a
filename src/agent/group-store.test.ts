import { describe, expect, it } from 'vitest';
import { defaultKnobs } from '../base/knobs.ts';
import { done, unknown } from '../base/result.ts';
import { memoryStore } from '../coordination/memory.ts';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, B, record, W } from '../decide/failover/testing.ts';
import type { Coordination } from '../ports/coordination.ts';
import type { RegionDatabase, SyncList } from '../ports/database.ts';
import { keysOf, type SeenRecord } from '../ports/records.ts';
import { GroupStore, put } from './group-store.ts';
import { SyncSet } from './sync-set.ts';

const keys = keysOf('shop', 'main');
const knobs = defaultKnobs();

async function started(clock: VirtualClock, store: Coordination): Promise<GroupStore> {
  const group = new GroupStore(B, store, keys, clock, knobs, () => undefined);
  group.start();
  await clock.advance(10);
  return group;
}

const verdict = (over: Partial<SeenRecord> = {}): SeenRecord => ({
  observer: W,
  epoch: 4,
  primary: A,
  verdict: 'cannot-see-commit',
  code: 'broken',
  atWallMs: 0,
  ...over,
});

describe('a watch that is stuck', () => {
  /** `stuck`: nothing comes through a watch that was opened before, as behind a link that was cut, and nobody says that it ended. */
  async function behindALink() {
    const clock = new VirtualClock();
    const store = memoryStore(clock).connect();
    let opened = 0;
    let stuck = 0;
    const link: Coordination = {
      ...store,
      txn: (...args) => store.txn(...args),
      watch: (prefix, from, handlers) => {
        const mine = ++opened;
        const through = { ...handlers, onProgress: () => undefined };
        return store.watch(prefix, from, {
          ...through,
          onEvents: (events, revision) => void (mine > stuck && handlers.onEvents(events, revision)),
        });
      },
    };
    const group = await started(clock, link);
    return { clock, store, group, cut: () => void (stuck = opened), opened: () => opened };
  }
  const epoch = { n: 5, holder: A, systemId: '7', operation: 'takeover-5' };

  it('is opened anew half a second after a write of this node that it does not show', async () => {
    const { clock, store, group, cut, opened } = await behindALink();
    cut();
    await store.txn([], [put(keys.epoch, epoch)]);
    await clock.advance(2_000);
    // Nothing was written here: nobody knows that something is missing.
    expect([group.epoch, opened()]).toEqual([null, 1]);
    await group.write([], [put(keys.seen(B), verdict({ observer: B }))], 'the verdict');
    await clock.advance(480);
    expect(group.epoch).toBeNull();
    await clock.advance(40);
    expect(group.epoch?.value.n).toBe(5);
    expect([group.view().state, opened()]).toEqual(['current', 2]);
    await store.txn([], [put(keys.epoch, { ...epoch, n: 6 })]);
    await clock.advance(10);
    expect(group.epoch?.value.n).toBe(6);
    group.close();
  });

  it('that ended, and a read after it that gets no answer: the next write that does begins another', async () => {
    const clock = new VirtualClock();
    const store = memoryStore(clock).connect();
    let end = (): void => undefined;
    let swallows = false;
    const link: Coordination = {
      ...store,
      txn: (compare, then, orElse) =>
        swallows && then.some((op) => 'getPrefix' in op)
          ? new Promise(() => undefined)
          : store.txn(compare, then, orElse),
      watch: (prefix, from, handlers) => {
        end = () => handlers.onEnd('cut');
        return store.watch(prefix, from, handlers);
      },
    };
    const group = await started(clock, link);
    swallows = true;
    end();
    await clock.advance(300);
    swallows = false;
    const write = async () => {
      await group.write([], [put(keys.seen(B), verdict({ observer: B }))], 'the verdict');
      await clock.advance(10);
    };
    await write();
    expect(group.view().state).toBe('stale');
    await clock.advance(250);
    await write();
    expect(group.view().state).toBe('current');
    await clock.advance(10_000);
    await store.txn([], [put(keys.epoch, epoch)]);
    await clock.advance(10);
    expect(group.epoch?.value.n).toBe(5);
    group.close();
  });

  it('one that shows what is written stays', async () => {
    const { clock, group, opened } = await behindALink();
    for (let i = 0; i < 5; i += 1) {
      await group.write([], [put(keys.seen(B), verdict({ observer: B, atWallMs: i }))], 'the verdict');
      await clock.advance(300);
    }
    expect(opened()).toBe(1);
    group.close();
  });
});

describe('verdicts of others (P3.4)', () => {
  it('count for three repetitions and no longer', async () => {
    const clock = new VirtualClock();
    const store = memoryStore(clock).connect();
    const group = await started(clock, store);
    await store.txn([], [put(keys.seen(W), verdict())]);
    await clock.advance(10);
    expect(group.view().seen).toHaveLength(1);
    await clock.advance(3 * knobs.verdictEveryMs);
    expect(group.view().seen).toHaveLength(0);
    group.close();
  });

  it('that were there before this process started are stale, and reading everything again makes none fresh (I8)', async () => {
    const clock = new VirtualClock();
    const memory = memoryStore(clock);
    const store = memory.connect();
    await store.txn([], [put(keys.seen(W), verdict())]);
    let end: (() => void) | null = null;
    const cuttable: Coordination = {
      ...store,
      txn: (...args) => store.txn(...args),
      watch: (prefix, from, handlers) => {
        end = () => handlers.onEnd('cut');
        return store.watch(prefix, from, handlers);
      },
    };
    const group = await started(clock, cuttable);
    expect(group.view().seen).toHaveLength(0);
    await store.txn([], [put(keys.seen(W), verdict({ code: 'silent' }))]);
    await clock.advance(10);
    expect(group.view().seen).toHaveLength(1);
    await clock.advance(3 * knobs.verdictEveryMs + 10);
    (end as (() => void) | null)?.();
    await clock.advance(1_000);
    expect(group.view().state).toBe('current');
    expect(group.view().seen).toHaveLength(0);
    group.close();
  });

  it('leave a node able to take back its own, however old it is', async () => {
    const clock = new VirtualClock();
    const store = memoryStore(clock).connect();
    await store.txn([], [put(keys.seen(B), verdict({ observer: B }))]);
    const group = await started(clock, store);
    expect(group.view().mine?.verdict).toBe('cannot-see-commit');
    group.close();
  });
});

describe('an unknown write of the sync record (P4.2)', () => {
  it('is not taken for done when another change has written that version meanwhile', async () => {
    const clock = new VirtualClock();
    const store = memoryStore(clock).connect();
    const before = record({ version: 6, w: 1, names: [W, B] });
    await store.txn([], [put(keys.epoch, { n: 4, holder: A, systemId: '7', operation: 'x' }), put(keys.sync, before)]);
    const lists: SyncList[] = [];
    const database = { setSyncList: async (list: SyncList) => (lists.push(list), done(undefined)) };
    // Our request is lost; an earlier one of ours, with other content, lands in its place.
    const unlucky: Coordination = {
      ...store,
      txn: async (compare, then, orElse) => {
        if (then.length === 0 || !('put' in (then[0] ?? {}))) return store.txn(compare, then, orElse);
        await store.txn(compare, [put(keys.sync, { ...before, version: 7, w: 1, names: [B] })]);
        return unknown('timed out');
      },
    };
    const group = await started(clock, unlucky);
    const view = group.view();
    if (view.sync === null || view.epoch === null) throw new Error('the records were not read');
    const reign = { epoch: 4, epochModRevision: view.epoch.modRevision, beganAtLsn: '0/1' };
    const set = new SyncSet(database as unknown as RegionDatabase, group, knobs, 'semi-sync');
    const change = {
      path: 'store-first',
      to: { w: 1, names: [W] },
      why: { code: 'evict', text: 'B is gone' },
    } as const;
    const ended = await set.carryOut(change, A, reign, view.sync, before);
    expect(ended.kind).toBe('refused');
    expect(lists).toEqual([]);
    group.close();
  });
});

describe('what is read right before a step (etcd #20418)', () => {
  it('goes through the agreement: the transaction writes, and wakes no watch of the records', async () => {
    const clock = new VirtualClock();
    const store = memoryStore(clock).connect();
    await store.txn([], [put(keys.epoch, { n: 4 }), put(keys.sync, record())]);
    let woken = 0;
    const group = new GroupStore(B, store, keys, clock, knobs, () => (woken += 1));
    group.start();
    await clock.advance(10);
    const wokenBefore = woken;
    const revision = async () => {
      const now = await store.txn([], []);
      return now.kind === 'done' ? now.value.revision : 0;
    };
    const from = await revision();
    const now = await group.readReign();
    expect(now).toMatchObject({ kind: 'done', value: { epoch: { value: { n: 4 } }, sync: { value: { epoch: 4 } } } });
    const epoch = now.kind === 'done' ? (now.value.epoch?.modRevision ?? 0) : 0;
    expect(await group.epochStands(epoch)).toBe(true);
    expect(await revision()).toBe(from + 2);
    expect(await group.epochStands(epoch + 1)).toBe(false);
    await clock.advance(10);
    expect(woken).toBe(wokenBefore);
    group.close();
  });
});
