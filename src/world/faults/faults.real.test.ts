import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../../base/ids.ts';
import { processesOfWorld } from '../leftovers.ts';
import type { World } from '../open.ts';
import { readStat, tracerOf } from '../proc.ts';
import { crashRegion, injectFault } from './inject.ts';
import { openEntries } from './journal.ts';
import { processesOfRegion } from './processes.ts';
import type { FaultSpec } from './spec.ts';
import { cleanUp, cleanups, here, isWhole, journal, startWorld, there, until } from './testing.ts';

afterEach(cleanUp);

describe('crash of a region', () => {
  it('leaves nothing of it alive, hurts no other region, and is undone once', async () => {
    const world = await startWorld();
    const others = (await processesOfRegion(world, there)).map(({ pid }) => pid);
    const crash = await crashRegion(world, here, 'test');
    expect(crash.killed.length).toBe(3);
    expect(crash.killedFromMs).toBeLessThanOrEqual(crash.killedUntilMs);
    expect(crash.killedUntilMs).toBeLessThanOrEqual(crash.provenMs);
    expect(await processesOfRegion(world, here)).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await processesOfRegion(world, here)).toEqual([]);
    expect((await processesOfRegion(world, there)).map(({ pid }) => pid)).toEqual(others);
    expect(journal(world)).toEqual(['injecting']);
    await crash.undo();
    await crash.undo();
    await until(async () => (await processesOfRegion(world, here)).length === 3, 'the region is back');
    expect(journal(world)).toEqual(['injecting', 'undone']);
  });

  it('of a region that does not exist, or that somebody holds, is refused and changes nothing', async () => {
    const world = await startWorld();
    await expect(crashRegion(world, placeId('a:3'), 'test')).rejects.toThrow(/no place/);
    const crash = await crashRegion(world, here, 'first');
    await expect(crashRegion(world, here, 'second')).rejects.toThrow(/held by first/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await processesOfRegion(world, here)).toEqual([]);
    await crash.undo();
  });

  it('takes a node or place of another fault only when that one is undone', async () => {
    const world = await startWorld();
    const frozen = await injectFault(world, { kind: 'freeze', place: here }, 'first');
    await expect(crashRegion(world, here, 'second')).rejects.toThrow(/freeze a:1 is held by first/);
    const node = nodeId(here, 'n1');
    await expect(injectFault(world, { kind: 'freeze', place: node }, 'third')).rejects.toThrow(/held by first/);
    expect((await processesOfRegion(world, here)).map((it) => it.state)).toEqual(['T', 'T', 'T']);
    expect(await frozen.undo()).toEqual({ complete: true, left: [] });
    const crash = await crashRegion(world, here, 'second');
    expect(await crash.undo()).toEqual({ complete: true, left: [] });
  });
});

describe('freeze of a region', () => {
  const states = async (world: World) => (await processesOfRegion(world, here)).map((it) => it.state);

  it('stops every descendant, the orphan in its own session too, and thaws all of them', async () => {
    const world = await startWorld();
    const fault = await injectFault(world, { kind: 'freeze', place: here }, 'test');
    expect(fault.processes).toBe(3);
    expect(await states(world)).toEqual(['T', 'T', 'T']);
    expect(journal(world)[0]).toBe('injecting');
    await fault.undo();
    expect(await states(world)).not.toContain('T');
    expect(journal(world).at(-1)).toBe('undone');
  });
});

describe('somebody who looks into the data directory', () => {
  const specs = [{ kind: 'crash' }, { kind: 'freeze' }, { kind: 'slow-disk', delayMs: 300 }] as const;
  it.each(specs)('is left alone by %j', async (fault) => {
    const world = await startWorld();
    const cwd = join(world.layout.stateDir, 'data');
    const person = spawn('/bin/sleep', ['60'], { cwd, detached: true, stdio: 'ignore', env: {} });
    cleanups.push(async () => void person.kill('SIGKILL'));
    await new Promise((resolve) => person.once('spawn', resolve));
    const active = await injectFault(world, { ...fault, place: here }, 'test');
    const pid = person.pid ?? 0;
    expect(readStat(pid)?.state).toBe('S');
    expect(tracerOf(pid)).toBe(0);
    expect(await active.undo()).toEqual({ complete: true, left: [] });
    expect(processesOfWorld(world.layout).map((it) => it.pid)).not.toContain(pid);
  });
});

describe('a disk', () => {
  /** What the database tells of its last write; nothing before its first. */
  const told = (world: World, what: 'took' | 'error'): string | null => {
    const file = join(world.layout.stateDir, 'data', what);
    return existsSync(file) ? readFileSync(file, 'utf8') : null;
  };
  const flushMs = (world: World): number => Number(told(world, 'took') ?? Number.NaN);
  const errors = (world: World): string | null => told(world, 'error');

  it('that is slow holds every flush of the database for as long as was said, and no longer than the fault', async () => {
    const world = await startWorld();
    const fault = await injectFault(world, { kind: 'slow-disk', place: here, delayMs: 400 }, 'test');
    expect(fault.evidence).toContain('a flush was held for 360 ms');
    await until(async () => flushMs(world) >= 400, 'the database feels it');
    expect(await fault.undo()).toEqual({ complete: true, left: [] });
    await until(async () => flushMs(world) < 200, 'the disk is quick again');
    const processes = await processesOfRegion(world, here);
    expect(processes.map((it) => tracerOf(it.pid))).toEqual([0, 0, 0]);
  });

  it('that is full refuses every write, and takes them again', async () => {
    const world = await startWorld();
    const fault = await injectFault(world, { kind: 'disk-full', place: here }, 'test');
    expect(fault.evidence).toContain('a write got ENOSPC');
    await until(async () => errors(world) === 'ENOSPC', 'the database feels it');
    expect(await fault.undo()).toEqual({ complete: true, left: [] });
    await until(async () => errors(world) === 'none', 'there is room again');
  });

  it('is refused where no PostgreSQL is', async () => {
    const world = await startWorld();
    await expect(injectFault(world, { kind: 'disk-full', place: there }, 'test')).rejects.toThrow(/no PostgreSQL/);
    expect(openEntries(world)).toEqual([]);
  });
});

/**
 * I13: the runner of a fault is killed at a random moment before, during or after the injection; the world undoes it by itself.
 * `npm run verify` does it 100 times.
 */
describe('a runner that is killed', () => {
  const KILLS = Number(process.env['FARSHORE_FAULT_KILLS'] ?? 10);
  const dist = join(import.meta.dirname, '../../../dist/world');

  it(
    'leaves nothing behind, whenever it dies',
    async () => {
      const world = await startWorld();
      let injected = 0;
      for (let i = 0; i < KILLS; i++) {
        const kind = ['crash', 'freeze', 'blackhole', 'cut', 'slow-disk', 'disk-full'][i % 6];
        const spec = kind === 'cut' ? { kind, how: 'store', place: here } : { kind, place: here, delayMs: 300 };
        const script = `
          const { openWorld } = await import(${JSON.stringify(join(dist, 'open.js'))});
          const { injectFault } = await import(${JSON.stringify(join(dist, 'faults/inject.js'))});
          console.log('ready');
          await injectFault(openWorld(${JSON.stringify(world.layout.stateDir)}), ${JSON.stringify(spec)}, 'runner');
          console.log('injected');
          setInterval(() => 0, 1000);`;
        const runner = spawn(process.execPath, ['--input-type=module', '-e', script], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        cleanups.push(async () => void runner.kill('SIGKILL'));
        const ended = new Promise((resolve) => runner.once('exit', resolve));
        let said = '';
        runner.stdout.on('data', (text: Buffer) => (said += text.toString()));
        await until(async () => said.includes('ready'), 'the runner runs');
        // Injection takes 20 to 400 ms here.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
        runner.kill('SIGKILL');
        await ended;
        if (said.includes('injected')) injected++;
        await until(async () => isWhole(world), `kill ${i} (${kind}) is undone`, 15_000);
      }
      expect(openEntries(world)).toEqual([]);
      // Kills before, during and after: otherwise the moments were not random.
      if (KILLS >= 10) expect(injected).toBeGreaterThan(0);
      process.stdout.write(`${KILLS} of ${KILLS} killed runners left nothing; ${injected} had injected\n`);
    },
    30_000 + KILLS * 20_000,
  );

  it('that hangs loses its fault by the lease', async () => {
    const world = await startWorld();
    const script = `
      const { openWorld } = await import(${JSON.stringify(join(dist, 'open.js'))});
      const { injectFault } = await import(${JSON.stringify(join(dist, 'faults/inject.js'))});
      await injectFault(openWorld(${JSON.stringify(world.layout.stateDir)}), { kind: 'freeze', place: 'a:1' }, 'runner');
      console.log('injected');
      setInterval(() => 0, 1000);`;
    const runner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanups.push(async () => void runner.kill('SIGKILL'));
    await new Promise((resolve) => runner.stdout.once('data', resolve));
    expect(await isWhole(world)).toBe(false);
    runner.kill('SIGSTOP');
    await until(() => isWhole(world), 'undone by the lease', 25_000);
  });

  it('whose fault cannot be undone yet is told of, once, and undone when it can be', async () => {
    const world = await startWorld();
    const list = await world.supervisor.list();
    const pid = (list.kind === 'done' ? list.value.processes.find((it) => it.name === 'link-0')?.pid : null) ?? 0;
    process.kill(pid, 'SIGSTOP');
    const spec: FaultSpec = { kind: 'cut', how: 'one-way', from: here, to: there };
    const gone = { id: 'gone', spec, holder: 'who is gone', pid: process.pid, ticks: 1, atWallMs: Date.now() };
    appendFileSync(join(world.layout.stateDir, 'faults.jsonl'), `${JSON.stringify({ state: 'injecting', ...gone })}\n`);
    const log = () => readFileSync(join(world.layout.stateDir, 'logs/supervisor.log'), 'utf8');
    await until(async () => log().includes('cannot undo'), 'told of');
    expect(openEntries(world)[0]?.left.join()).toContain('link a:1 → a:2');
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(log().split('cannot undo').length - 1).toBe(1);
    process.kill(pid, 'SIGCONT');
    await until(async () => isWhole(world), 'undone');
  }, 60_000);
});
