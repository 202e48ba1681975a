import { afterEach, describe, expect, it } from 'vitest';
import { nodeId } from '../../base/ids.ts';
import type { World } from '../open.ts';
import { readStat, tracerOf } from '../proc.ts';
import { injectFault, pauseProcesses } from './inject.ts';
import { openEntries } from './journal.ts';
import { processesOfRegion } from './processes.ts';
import type { FaultSpec } from './spec.ts';
import { cleanUp, here, isWhole, journal, startWorld, there, until } from './testing.ts';
import { undoEntry, type UndoResult } from './undo.ts';

afterEach(cleanUp);

describe('an undo beside an injection', () => {
  /** When the journal says that something of this fault begins, somebody says `fault undo`. */
  async function undoInTheMiddle(world: World, spec: FaultSpec, ...state: readonly string[]) {
    let undone: Promise<UndoResult> | null = null;
    const looking = setInterval(() => {
      const [entry] = openEntries(world);
      if (entry !== undefined && state.every((it) => journal(world).includes(it))) undone ??= undoEntry(world, entry);
    }, 1);
    const injected = await injectFault(world, spec, 'test').then(
      () => 'injected',
      (error: unknown) => String(error),
    );
    clearInterval(looking);
    return { injected, undone: await (undone as Promise<UndoResult> | null) };
  }

  it.each([
    [{ kind: 'freeze', place: here }, 'stopping'],
    [{ kind: 'slow-disk', place: here, delayMs: 300 }, 'injecting'],
    [{ kind: 'cut', how: 'full', place: here }, 'injecting'],
  ] as const)('leaves nothing of %j, and the injection says so', async (spec, state) => {
    const world = await startWorld();
    for (let i = 0; i < 3; i++) {
      const { injected, undone } = await undoInTheMiddle(world, spec, state);
      expect(undone).toEqual({ complete: true, left: [] });
      expect(injected).toContain('somebody undid it');
      expect(await isWhole(world)).toBe(true);
    }
  });
});

describe('a fault before its undo', () => {
  const specs: readonly FaultSpec[] = [
    { kind: 'crash', place: here },
    { kind: 'freeze', place: here },
    { kind: 'cut', how: 'store', place: here },
    { kind: 'blackhole', place: here },
    { kind: 'slow-link', from: here, to: there, extraDelayMs: 100 },
    { kind: 'slow-disk', place: here, delayMs: 300 },
  ];
  it.each(specs)('is in force, and says when somebody undid it: %j', async (spec) => {
    const world = await startWorld();
    const fault = await injectFault(world, spec, 'test');
    expect(await fault.stillInForce()).toBe(null);
    for (const entry of openEntries(world)) await undoEntry(world, entry);
    expect(await fault.stillInForce()).toBe('it was undone by somebody else');
    expect(await fault.undo()).toEqual({ complete: true, left: [] });
  });

  it('is not in force any more when the world has got out of it by itself', async () => {
    const world = await startWorld();
    const frozen = await injectFault(world, { kind: 'freeze', place: here }, 'test');
    process.kill((await processesOfRegion(world, here))[0]?.pid ?? 0, 'SIGCONT');
    expect(await frozen.stillInForce()).toBe('1 processes of a:1 go on');
    await frozen.undo();
    const cut = await injectFault(world, { kind: 'blackhole', place: here }, 'test');
    await world.link(here, there).set({ state: 'up', extraDelayMs: 0 });
    expect(await cut.stillInForce()).toBe('link a:1 → a:2 is not cut any more');
    await cut.undo();
    const slow = await injectFault(world, { kind: 'slow-disk', place: here, delayMs: 300 }, 'test');
    const tracer = Math.max(...(await processesOfRegion(world, here)).map((it) => tracerOf(it.pid)));
    process.kill(tracer, 'SIGTERM');
    await until(async () => readStat(tracer) === null, 'the tracer is gone');
    expect(await slow.stillInForce()).toBe('1 processes of a:1 write to their disk as always');
    await slow.undo();
  });
});

describe('a pause', () => {
  it('of one process, and of PostgreSQL, is in the journal, stops nothing else, and is no other fault', async () => {
    const world = await startWorld();
    const states = async () => (await processesOfRegion(world, here)).map((it) => it.state === 'T');
    const one = await pauseProcesses(world, { kind: 'pause', process: 'app' }, 'test');
    expect((await states()).filter(Boolean).length).toBe(1);
    expect(journal(world)).toEqual(['injecting', 'stopping']);
    await expect(injectFault(world, { kind: 'freeze', place: here }, 'test')).rejects.toThrow(/pause app is held/);
    const database = await pauseProcesses(world, { kind: 'pause', postgresOf: nodeId(here, 'n1') }, 'test');
    expect((await states()).filter(Boolean).length).toBe(2);
    expect([await one.stillInForce(), await database.stillInForce()]).toEqual([null, null]);
    expect(await one.undo()).toEqual({ complete: true, left: [] });
    expect((await states()).filter(Boolean).length).toBe(1);
    expect(await one.stillInForce()).toContain('undone');
    await database.undo();
    expect(await isWhole(world)).toBe(true);
  });

  it('of a relay, or of what does not exist', async () => {
    const world = await startWorld();
    const relay = await pauseProcesses(world, { kind: 'pause', process: 'link-0' }, 'test');
    expect(await relay.undo()).toEqual({ complete: true, left: [] });
    await expect(pauseProcesses(world, { kind: 'pause', process: 'nobody' }, 'test')).rejects.toThrow(/no process/);
  });
});
