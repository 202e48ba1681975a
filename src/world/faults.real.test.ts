import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../base/ids.ts';
import { crashRegion, processesOfRegion, recoverFaults } from './faults.ts';
import type { WorldLayout } from './layout.ts';
import { openWorld, type World } from './open.ts';
import { startSupervisor } from './start.ts';
import { takeRunDir, worldId } from './state-dir.ts';
import { stopWorld } from './stop.ts';

const here = placeId('a:1');
const there = placeId('a:2');
const FOREVER = 'setInterval(() => 0, 1000)';
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** Two regions of trivial processes. The first has a child in its own session and forgets its environment, as PostgreSQL does. */
async function startWorld(): Promise<World> {
  const stateDir = realpathSync(mkdtempSync(join(tmpdir(), 'fsh-faults-')));
  const id = worldId(stateDir);
  const runDir = `/tmp/farshore-t-${id}`;
  const dataDir = join(stateDir, 'data');
  for (const folder of ['logs', 'data']) mkdirSync(join(stateDir, folder));
  takeRunDir(runDir, false);
  const child = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(FOREVER)}], { detached: true, env: {}, cwd: ${JSON.stringify(dataDir)} });`;
  const plan = (name: string, place: string, script: string) => ({
    name,
    place,
    node: null,
    kind: 'app',
    argv: [process.execPath, '-e', script],
    cwd: stateDir,
    env: { FARSHORE_WORLD: id },
    databaseUrls: {},
    logPath: join(stateDir, 'logs', `${name}.log`),
  });
  const layout = {
    schema: 'farshore.world/v2',
    id,
    stateDir,
    runDir,
    secretsPath: join(stateDir, 'secrets.json'),
    supervisorSocketPath: join(runDir, 'supervisor.sock'),
    places: [
      { id: here, ports: {}, nodes: [{ id: nodeId(here, 'n1'), place: here, dataDir, ports: {} }] },
      { id: there, ports: {}, nodes: [{ id: nodeId(there, 'witness'), place: there, dataDir: null, ports: {} }] },
    ],
    links: [],
    processes: [plan('database', here, child + FOREVER), plan('app', here, FOREVER), plan('other', there, FOREVER)],
  } as unknown as WorldLayout;
  writeFileSync(join(stateDir, 'world.json'), JSON.stringify(layout));
  writeFileSync(layout.secretsPath, JSON.stringify({ appPassword: 'x' }));
  await startSupervisor(layout);
  const world = openWorld(stateDir);
  cleanups.push(async () => {
    await stopWorld(layout);
    rmSync(stateDir, { recursive: true, force: true });
  });
  await until(async () => (await processesOfRegion(world, here)).length === 3, 'region and its orphan-to-be run');
  return world;
}

async function until(check: () => Promise<boolean>, what: string, withinMs = 20_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const journal = (world: World): readonly { readonly state: string }[] =>
  readFileSync(join(world.layout.stateDir, 'faults.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { state: string });

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
    expect(journal(world).map((entry) => entry.state)).toEqual(['injecting']);
    await crash.undo();
    await crash.undo();
    await until(async () => (await processesOfRegion(world, here)).length === 3, 'the region is back');
    expect(journal(world).map((entry) => entry.state)).toEqual(['injecting', 'undone']);
  });

  it('of a region that does not exist, or that somebody holds, is refused and changes nothing', async () => {
    const world = await startWorld();
    await expect(crashRegion(world, placeId('a:3'), 'test')).rejects.toThrow(/no place/);
    const crash = await crashRegion(world, here, 'first');
    await expect(crashRegion(world, here, 'second')).rejects.toThrow(/held down by first/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await processesOfRegion(world, here)).toEqual([]);
    await crash.undo();
  });

  it('is undone when its runner was killed: at once by recovery, or by the lease', async () => {
    const world = await startWorld();
    const dist = join(import.meta.dirname, '../../dist/world');
    const script = `
      const { openWorld } = await import(${JSON.stringify(join(dist, 'open.js'))});
      const { crashRegion } = await import(${JSON.stringify(join(dist, 'faults.js'))});
      await crashRegion(openWorld(${JSON.stringify(world.layout.stateDir)}), 'a:1', 'runner');
      console.log('crashed');
      setInterval(() => 0, 1000);`;
    const runAndKill = async (): Promise<void> => {
      const runner = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      cleanups.push(async () => void runner.kill('SIGKILL'));
      await new Promise((resolve) => runner.stdout.once('data', resolve));
      expect(await processesOfRegion(world, here)).toEqual([]);
      expect(await recoverFaults(world)).toEqual([]);
      runner.kill('SIGKILL');
      await new Promise((resolve) => runner.once('exit', resolve));
    };
    await runAndKill();
    expect(await recoverFaults(world)).toEqual(['crash-region a:1']);
    await until(async () => (await processesOfRegion(world, here)).length === 3, 'recovered');
    expect(await recoverFaults(world)).toEqual([]);
    await runAndKill();
    await until(async () => (await processesOfRegion(world, here)).length === 3, 'the lease ended', 25_000);
  });
});
