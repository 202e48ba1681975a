import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeId, placeId } from '../../base/ids.ts';
import { openEntries } from './journal.ts';
import { processesOfRegion } from './processes.ts';
import type { WorldLayout } from '../layout.ts';
import { tracerOf } from '../proc.ts';
import { openWorld, type World } from '../open.ts';
import { startSupervisor } from '../start.ts';
import { takeRunDir, worldId } from '../state-dir.ts';
import { stopWorld } from '../stop.ts';
import { freePorts } from '../free-ports.ts';

export const here = placeId('a:1');
export const there = placeId('a:2');
const FOREVER = 'setInterval(() => 0, 1000)';
/** Writes and flushes as a database does, and goes on when it can't. */
const WRITER = `const fs = require('fs'); const fd = fs.openSync('writes', 'a'); let error = 'none';
  setInterval(() => {
    const from = Date.now();
    try { fs.writeSync(fd, Buffer.from('x'), 0, 1, 0); error = 'none'; } catch (e) { error = e.code; }
    fs.fsyncSync(fd);
    tell('took', String(Date.now() - from)); tell('error', error);
  }, 20);
  function tell(name, text) { fs.writeFileSync(name + '.new', text); fs.renameSync(name + '.new', name); }`;
export const cleanups: (() => Promise<void>)[] = [];
export async function cleanUp(): Promise<void> {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
}

/** Two regions of trivial processes. The first has a child in its own session and forgets its environment, as PostgreSQL does. */
export async function startWorld(): Promise<World> {
  const stateDir = realpathSync(mkdtempSync(join(tmpdir(), 'fsh-faults-')));
  const id = worldId(stateDir);
  const runDir = `/tmp/farshore-t-${id}`;
  const dataDir = join(stateDir, 'data');
  for (const folder of ['logs', 'data', 'bin']) mkdirSync(join(stateDir, folder));
  // What this world's PostgreSQL runs is Node.js.
  symlinkSync(process.execPath, join(stateDir, 'bin/postgres'));
  takeRunDir(runDir, false);
  const child = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(WRITER)}], { detached: true, env: {}, cwd: ${JSON.stringify(dataDir)} });`;
  const plan = (name: string, place: string, script: string) => ({
    name,
    place,
    node: name === 'database' ? nodeId(here, 'n1') : null,
    kind: 'app',
    argv: [process.execPath, '-e', script],
    cwd: stateDir,
    env: { FARSHORE_WORLD: id },
    databaseUrls: {},
    logPath: join(stateDir, 'logs', `${name}.log`),
  });
  const ports = await freePorts(10);
  const links = [
    { from: here, to: there },
    { from: there, to: here },
  ].map((pair, i) => {
    const [store = 0, near = 0, echo = 0] = ports.slice(i * 3);
    return {
      ...pair,
      controlSocketPath: join(runDir, `l${i}.sock`),
      rttMs: 2,
      near: { store },
      nearNodes: {},
      ping: { near, echo },
    };
  });
  const linkPlan = (link: (typeof links)[number], i: number) => {
    const at = (port: number) => ({ host: '127.0.0.1', port });
    const file = join(stateDir, `link${i}.json`);
    const { from, to, controlSocketPath, near, ping } = link;
    const routes = [
      { name: 'store', listen: at(near.store), target: at(ping.echo) },
      { name: 'ping', listen: at(ping.near), target: at(ping.echo) },
    ];
    writeFileSync(file, JSON.stringify({ from, to, controlSocketPath, delayMs: 1, returnDelayMs: 1, routes }));
    const main = join(import.meta.dirname, '../../../dist/world/link/main.js');
    return { ...plan(`link-${i}`, here, ''), place: null, kind: 'link', argv: [process.execPath, main, file] };
  };
  const layout = {
    schema: 'farshore.world/v2',
    id,
    stateDir,
    runDir,
    binDir: join(stateDir, 'bin'),
    secretsPath: join(stateDir, 'secrets.json'),
    supervisorSocketPath: join(runDir, 'supervisor.sock'),
    places: [
      { id: here, ports: {}, nodes: [{ id: nodeId(here, 'n1'), place: here, dataDir, ports: {} }] },
      { id: there, ports: {}, nodes: [{ id: nodeId(there, 'witness'), place: there, dataDir: null, ports: {} }] },
    ],
    links,
    processes: [
      ...links.map(linkPlan),
      plan('database', here, child + FOREVER),
      plan('app', here, FOREVER),
      plan('other', there, FOREVER),
    ],
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
  await until(async () => {
    const asked = await Promise.all(links.map((it) => world.link(it.from, it.to).status()));
    return asked.every((it) => it.kind === 'done' && it.value.measuredRttMs !== null);
  }, 'the links measure themselves');
  return world;
}

export async function until(check: () => Promise<boolean>, what: string, withinMs = 20_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const journal = (world: World): readonly string[] =>
  readFileSync(join(world.layout.stateDir, 'faults.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { readonly state: string }).state);

/** No fault is open, all links are up, every process of the region is there and runs. */
export async function isWhole(world: World): Promise<boolean> {
  if (openEntries(world).length > 0) return false;
  const links = await Promise.all(world.layout.links.map(({ from, to }) => world.link(from, to).status()));
  if (links.some((it) => it.kind !== 'done' || it.value.state !== 'up')) return false;
  const processes = await processesOfRegion(world, here);
  return processes.length === 3 && processes.every((it) => it.state !== 'T' && tracerOf(it.pid) === 0);
}
