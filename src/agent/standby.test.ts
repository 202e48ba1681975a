import { expect, it } from 'vitest';
import { defaultKnobs } from '../base/knobs.ts';
import { done } from '../base/result.ts';
import { VirtualClock } from '../coordination/virtual-clock.contract.ts';
import { A, B, policy, position, standby } from '../decide/failover/testing.ts';
import type { AgentConfig } from '../ports/config.ts';
import type { RegionDatabase } from '../ports/database.ts';
import { createLog } from '../telemetry/log.ts';
import type { GroupStore } from './group-store.ts';
import { StandbyDuty } from './standby.ts';

function dutyWith() {
  const clock = new VirtualClock();
  const now = { receiving: true, goesOn: true };
  const calls: string[] = [];
  const called = async (name: string) => {
    calls.push(name);
    return done(undefined);
  };
  const database = {
    status: async () => standby({ receiving: now.receiving }),
    detach: async () => {
      calls.push(`detach ${clock.nowMs()}`);
      return done(position('0/600'));
    },
    setSyncList: ({ epoch, w }: { epoch: number; w: number }) => called(`list ${epoch}/${w}`),
    settleSyncList: (_list: unknown, prove: readonly string[]) => called(`settle [${prove.join()}]`),
    checkpoint: () => called('checkpoint'),
    salvages: async () => [],
  } as unknown as RegionDatabase;
  const config = {
    node: B,
    policy: { ...policy, whenAlone: 'serve-with-rpo-suspended' },
    knobs: defaultKnobs(),
    peers: [],
  };
  const log = createLog('test', () => undefined);
  const duty = new StandbyDuty(config as unknown as AgentConfig, database, {} as GroupStore, clock, log);
  const stop = new AbortController();
  const permit = { epoch: 4, signal: stop.signal, valid: () => !stop.signal.aborted };
  return { clock, now, calls, duty, permit, stop, cutOff: () => duty.cutOff(permit, () => now.goesOn) };
}

it('the target of a planned move is cut off when the stream ends, and not a moment before', async () => {
  const { clock, now, calls, cutOff } = dutyWith();
  const ended = cutOff();
  await clock.advance(102);
  expect(calls).toEqual([]);
  now.receiving = false;
  await clock.advance(10);
  expect(calls).toEqual(['detach 105']);
  expect(await ended).toMatchObject({ kind: 'done', value: { lsn: '0/600' } });
});

it.each<[string, (it: ReturnType<typeof dutyWith>) => void]>([
  ['the primary opens again', ({ now }) => void (now.goesOn = false)],
  ['newer work was accepted', ({ stop }) => stop.abort()],
])('it stays with its upstream when %s', async (_what, happens) => {
  const made = dutyWith();
  const ended = made.cutOff();
  await made.clock.advance(50);
  happens(made);
  made.now.receiving = false;
  await made.clock.advance(10);
  expect((await ended).kind).toBe('done');
  expect(made.calls).toEqual([]);
});

it('a stream that does not end keeps the node from other work for no longer than a fast stop may take', async () => {
  const { clock, calls, cutOff } = dutyWith();
  let over = false;
  void cutOff().then(() => void (over = true));
  await clock.advance(4_990);
  expect(over).toBe(false);
  await clock.advance(20);
  expect([over, calls]).toEqual([true, []]);
});

it('an empty list that was prepared is shown to be in force, and counts only for its own epoch', async () => {
  const { calls, duty, permit } = dutyWith();
  const empty = { w: 0, names: [] };
  expect(duty.isPrepared({ epoch: 5, ...empty })).toBe(false);
  expect((await duty.prepare(5, () => false, permit)).kind).toBe('done');
  expect(calls).toEqual(['list 5/0', 'settle []', 'checkpoint']);
  expect([duty.isPrepared({ epoch: 5, ...empty }), duty.waitsProven]).toEqual([true, false]);
  expect(duty.isPrepared({ epoch: 6, ...empty })).toBe(false);
  expect(duty.isPrepared({ epoch: 5, w: 1, names: [A] })).toBe(false);
  await duty.proveWaits(4, permit);
  expect(duty.isPrepared({ epoch: 5, ...empty })).toBe(false);
});
