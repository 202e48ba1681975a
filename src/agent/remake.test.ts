import { expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { because } from '../base/reason.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import { B, record } from '../decide/failover/testing.ts';
import type { DatabaseStatus, RegionDatabase, Salvage, Upstream } from '../ports/database.ts';
import { createLog } from '../telemetry/log.ts';
import type { GroupStore } from './group-store.ts';
import type { Permit } from './order-desk.ts';
import { type Circumstances, Remake } from './remake.ts';

const FROM: Upstream = { node: B, epoch: 5, host: '127.0.0.1', port: 1 };
const SAVED = { complete: true, operation: 'takeover-5', timeline: 1, endLsn: '0/500' } as Salvage;
const NO_ROOM = refused('no-room', 'the copy needs 9.0 GB, 1.0 GB are left');
const RECORDED = because('recorded', 'this node is in the record');

interface Script {
  readonly copy?: Outcome<void> | Promise<Outcome<void>>;
  readonly ahead?: Outcome<void>;
  readonly rewind?: Outcome<void>;
  readonly salvage?: Outcome<Salvage>;
  readonly kept?: boolean;
  /** From an earlier try. */
  readonly salvages?: readonly Salvage[];
}

/** A remake on a database that writes down what it is asked for. */
function remakeOf({ copy = done(undefined), ahead = done(undefined), rewind, salvage = done(SAVED), ...rest }: Script) {
  const { kept, salvages = [] } = rest;
  const calls: string[] = [];
  const runs: { state: DatabaseStatus['state'] } = { state: 'standby' };
  let wake: () => void = () => undefined;
  const clock: Clock = {
    nowMs: () => 0,
    wallMs: () => 0,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
  const called = <T>(name: string, answer: T) => {
    return async (): Promise<Awaited<T>> => {
      calls.push(name);
      return await answer;
    };
  };
  const database = {
    salvages: async () => salvages,
    status: async () => ({ state: runs.state, timeline: 1, endLsn: '0/500' }),
    copyAhead: called('copyAhead', ahead),
    salvage: called('salvage', salvage),
    copyBeside: called('copyBeside', copy),
    replace: called('replace', done(undefined)),
    discard: called('discard', done(undefined)),
    discardBehind: called('discardBehind', done(undefined)),
    setAside: called('setAside', done({ keptAt: '/aside' })),
    stop: called('stop', done({ evidence: '', end: null })),
    startIsolated: called('startIsolated', done(undefined)),
    rewind: called('rewind', rewind ?? refused('no-pg-rewind', 'none')),
  } as unknown as RegionDatabase;
  const reign = done({ epoch: null, sync: { value: record(), modRevision: 1 } });
  const group = { view: () => ({ epoch: null }), readReign: async () => reign } as unknown as GroupStore;
  const stop = new AbortController();
  const permit: Permit = { epoch: 5, signal: stop.signal, valid: () => !stop.signal.aborted };
  const about: Circumstances = { permit, progress: () => undefined, whyKept: () => (kept === true ? RECORDED : null) };
  return {
    remake: new Remake(
      database,
      group,
      clock,
      createLog('test', () => undefined),
      () => database.startIsolated(),
    ),
    about,
    calls,
    stop,
    runs,
    look: async () => {
      wake();
      await soon();
    },
  };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

test('behind: nothing is stopped or removed before the copy is whole, then it takes the place of the data (P3.2)', async () => {
  let whole: (outcome: Outcome<void>) => void = () => undefined;
  const { remake, about, calls } = remakeOf({ copy: new Promise((resolve) => void (whole = resolve)) });
  const remade = remake.behind(FROM, about);
  await soon();
  expect(calls).toEqual(['copyBeside']);
  whole(done(undefined));
  expect(await remade).toEqual(done('copied'));
  expect(calls).toEqual(['copyBeside', 'replace']);
});

test('PostgreSQL that is killed while the copy is made is started again, and only then', async () => {
  let whole: (outcome: Outcome<void>) => void = () => undefined;
  const { remake, about, calls, runs, look } = remakeOf({ copy: new Promise((resolve) => void (whole = resolve)) });
  const remade = remake.behind(FROM, about);
  await soon();
  await look();
  expect(calls).toEqual(['copyBeside']);
  runs.state = 'stopped';
  await look();
  expect(calls).toEqual(['copyBeside', 'startIsolated']);
  runs.state = 'standby';
  await look();
  whole(done(undefined));
  expect(await remade).toEqual(done('copied'));
  runs.state = 'stopped';
  await look();
  expect(calls).toEqual(['copyBeside', 'startIsolated', 'replace']);
});

test('what overtook a copy does not find PostgreSQL started by it', async () => {
  const { remake, about, calls, runs, look, stop } = remakeOf({ copy: new Promise(() => undefined) });
  const remade = remake.behind(FROM, about);
  await soon();
  runs.state = 'stopped';
  stop.abort(new Error('a newer epoch'));
  await look();
  expect(await remade).toMatchObject({ kind: 'refused', code: 'overtaken' });
  expect(calls).toEqual(['copyBeside']);
});

test('diverged: the salvage alone removes nothing, the copy comes first (P3.2, I7)', async () => {
  let whole: (outcome: Outcome<void>) => void = () => undefined;
  const { remake, about, calls } = remakeOf({ copy: new Promise((resolve) => void (whole = resolve)) });
  const remade = remake.diverged(FROM, about);
  await soon();
  const before = ['copyAhead', 'salvage', 'startIsolated', 'copyBeside'];
  expect(calls).toEqual(before);
  whole(done(undefined));
  expect(await remade).toEqual(done('copied'));
  expect(calls).toEqual([...before, 'replace']);
});

test('a copy that fails removes nothing', async () => {
  const broken = refused('FSH_TIMEOUT', 'the upstream sent nothing');
  for (const how of ['behind', 'diverged'] as const) {
    const { remake, about, calls } = remakeOf({ copy: broken });
    expect(await remake[how](FROM, about)).toEqual(broken);
    expect(calls.at(-1)).toBe('copyBeside');
  }
});

test('without room for both, data that may be needed stays, and it is said why', async () => {
  for (const how of ['behind', 'diverged'] as const) {
    const { remake, about, calls } = remakeOf({ copy: NO_ROOM, kept: true });
    const ended = await remake[how](FROM, about);
    expect(ended).toMatchObject({ kind: 'refused', code: 'no-room' });
    expect(ended.kind === 'refused' && ended.why).toMatch(/9\.0 GB.*in the record.*Free the space/);
    expect(calls.at(-1)).toBe('copyBeside');
  }
});

test('without room for both, data that others have too goes first', async () => {
  const behind = remakeOf({ copy: NO_ROOM });
  expect(await behind.remake.behind(FROM, behind.about)).toEqual(done('empty'));
  expect(behind.calls).toEqual(['copyBeside', 'discardBehind']);
  const diverged = remakeOf({ copy: NO_ROOM });
  expect(await diverged.remake.diverged(FROM, diverged.about)).toEqual(done('empty'));
  expect(diverged.calls.slice(-3)).toEqual(['copyBeside', 'stop', 'discard']);
});

test('what a takeover asks does not wait for the copy', async () => {
  const { remake, about, calls, stop } = remakeOf({ copy: new Promise(() => undefined) });
  const remade = remake.behind(FROM, about);
  await soon();
  stop.abort(new Error('a newer epoch'));
  expect(await remade).toMatchObject({ kind: 'refused', code: 'overtaken' });
  expect(calls).toEqual(['copyBeside']);
});

test('what is saved already is not saved again when the copy needs another try', async () => {
  const operation = 'epoch-5';
  const again = remakeOf({ salvages: [{ ...SAVED, operation }] });
  expect(await again.remake.diverged(FROM, again.about)).toEqual(done('copied'));
  expect(again.calls).not.toContain('salvage');
  const other = remakeOf({ salvages: [{ ...SAVED, operation, endLsn: '0/600' }] });
  expect(await other.remake.diverged(FROM, other.about)).toEqual(done('copied'));
  expect(other.calls).toContain('salvage');
});

test('a rewind that changed nothing leaves data to be copied first; one that broke it leaves nothing to keep', async () => {
  const rewinds = refused('rewinds', 'pg_rewind is there');
  const untouched = remakeOf({ ahead: rewinds, rewind: refused('FSH_FAILED', 'no connection') });
  expect(await untouched.remake.diverged(FROM, untouched.about)).toEqual(done('copied'));
  expect(untouched.calls.slice(-3)).toEqual(['startIsolated', 'copyBeside', 'replace']);
  const broken = remakeOf({ ahead: rewinds, rewind: refused('half-rewound', 'ended') });
  expect(await broken.remake.diverged(FROM, broken.about)).toEqual(done('empty'));
  expect(broken.calls.slice(-2)).toEqual(['stop', 'discard']);
});

test('what could not be saved whole is kept aside', async () => {
  const { remake, about, calls } = remakeOf({ salvage: refused('no-slot', 'images only') });
  expect(await remake.diverged(FROM, about)).toEqual(done('empty'));
  expect(calls.slice(-2)).toEqual(['stop', 'setAside']);
});
