import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type NodeId, nodeId, placeId } from '../../base/ids.ts';
import { recentEnds } from '../ends.ts';
import type { ProcessKind, ProcessPlan, WorldLayout } from '../layout.ts';
import { processesOfWorld } from '../leftovers.ts';
import { allProcesses, commandLineOf, readStat } from '../proc.ts';
import { startSupervisor } from '../start.ts';
import { takeRunDir, worldId } from '../state-dir.ts';
import { stopWorld } from '../stop.ts';
import { supervisorClient } from './client.ts';
import type { ProcessState } from './protocol.ts';

const here = placeId('a:1');
const node = nodeId(here, 'n1');
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** A world of trivial processes: each is a script for `node -e`. */
async function startTrivial(scripts: Readonly<Record<string, { kind: ProcessKind; script: string; node?: NodeId }>>) {
  const stateDir = realpathSync(mkdtempSync(join(tmpdir(), 'fsh world ')));
  const id = worldId(stateDir);
  const runDir = `/tmp/farshore-t-${id}`;
  mkdirSync(join(stateDir, 'logs'));
  takeRunDir(runDir, false);
  const processes = Object.entries(scripts).map(
    ([name, { kind, script, node: of }]): ProcessPlan => ({
      name,
      place: here,
      node: of ?? null,
      kind,
      argv: [process.execPath, '-e', script],
      cwd: stateDir,
      env: { FARSHORE_WORLD: id, PATH: process.env['PATH'] ?? '' },
      databaseUrls: { DATABASE_URL: 'postgres://app@127.0.0.1:1/app' },
      logPath: join(stateDir, 'logs', `${name}.log`),
    }),
  );
  // Only what the supervisor reads; the rest of a layout is about PostgreSQL and links.
  const layout = {
    schema: 'farshore.world/v2',
    id,
    stateDir,
    runDir,
    secretsPath: join(stateDir, 'secrets.json'),
    supervisorSocketPath: join(runDir, 'supervisor.sock'),
    // A site has no data directory: its null must never match a process whose folder cannot be read.
    places: [{ id: here, ports: {}, nodes: [{ id: nodeId(here, 'witness'), place: here, ports: {}, dataDir: null }] }],
    links: [],
    processes,
  } as unknown as WorldLayout;
  writeFileSync(join(stateDir, 'world.json'), JSON.stringify(layout));
  writeFileSync(layout.secretsPath, JSON.stringify({ appPassword: 'pass-word' }));
  cleanups.push(async () => {
    await stopWorld(layout);
    rmSync(stateDir, { recursive: true, force: true });
  });
  await startSupervisor(layout);
  const client = supervisorClient(layout);
  const stateOf = async (name: string): Promise<ProcessState> => {
    const outcome = await client.list();
    const found = outcome.kind === 'done' ? outcome.value.processes.find((it) => it.name === name) : undefined;
    if (found === undefined) throw new Error(`no ${name}: ${JSON.stringify(outcome)}`);
    return found;
  };
  return { layout, client, stateOf };
}

async function until(check: () => boolean | Promise<boolean>, what: string, withinMs = 15_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const kill = (pid: number | null): boolean => pid !== null && process.kill(pid, 'SIGKILL');
const FOREVER = 'setInterval(() => 0, 1000)';
const STUBBORN = `process.on('SIGTERM', () => 0); ${FOREVER}`;

describe('supervisor', () => {
  it('starts again what ends, with the password only in its environment', async () => {
    const check = `if (new URL(process.env.DATABASE_URL).password !== 'pass-word') process.exit(9); ${FOREVER}`;
    const { stateOf } = await startTrivial({ app: { kind: 'app', script: check } });
    const before = await stateOf('app');
    expect(before.state).toBe('running');
    kill(before.pid);
    await until(async () => {
      const now = await stateOf('app');
      return now.state === 'running' && now.pid !== before.pid;
    }, 'it runs again');
    const after = await stateOf('app');
    expect(after).toMatchObject({ restarts: 1, lastExit: 'SIGKILL', lastUnasked: { how: 'SIGKILL', inARow: 1 } });
  });

  it('keeps what a process said before it ended by itself, without the password', async () => {
    const { stateOf, client } = await startTrivial({
      app: { kind: 'app', script: `throw new Error('cannot reach ' + process.env.DATABASE_URL)` },
    });
    await until(async () => ((await stateOf('app')).lastUnasked?.inARow ?? 0) >= 3, 'it ended three times');
    const { lastUnasked } = await stateOf('app');
    expect(lastUnasked).toMatchObject({
      how: 'exit 1',
      said: 'Error: cannot reach postgres://app:***@127.0.0.1:1/app',
    });
    const list = await client.list();
    const [end] = recentEnds(list.kind === 'done' ? list.value.processes : []);
    expect(end).toMatchObject({ name: 'app', failing: true });
    expect(JSON.stringify(list)).not.toContain('pass-word');
  });

  it('a missing command is reported, tried again, and ends nothing else', async () => {
    const { layout, stateOf, client } = await startTrivial({
      app: { kind: 'app', script: FOREVER },
      broken: { kind: 'edge', script: 'process.exit(3)' },
    });
    expect(layout.processes.length).toBe(2);
    await until(async () => (await stateOf('broken')).restarts >= 2, 'it was tried again');
    expect((await stateOf('broken')).lastExit).toBe('exit 3');
    expect((await stateOf('app')).state).toBe('running');
    expect((await client.list()).kind).toBe('done');
  });

  it('a held place stays dead until it is released', async () => {
    const { client, stateOf } = await startTrivial({ app: { kind: 'app', script: FOREVER } });
    await client.hold(here, 'test', 60_000);
    kill((await stateOf('app')).pid);
    await until(async () => (await stateOf('app')).state === 'held', 'it is held');
    expect((await stateOf('app')).lastUnasked).toBe(null);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect((await stateOf('app')).state).toBe('held');
    await client.release(here);
    await until(async () => (await stateOf('app')).state === 'running', 'it runs again');
  });

  it('a held node stays dead while its neighbours live, also when a hold of its whole place ends first', async () => {
    const { client, stateOf } = await startTrivial({
      mine: { kind: 'keeper', script: FOREVER, node },
      other: { kind: 'app', script: FOREVER },
    });
    await client.hold(node, 'test', 60_000);
    for (const name of ['mine', 'other']) kill((await stateOf(name)).pid);
    await until(async () => (await stateOf('mine')).state === 'held', 'the node is held');
    await until(async () => (await stateOf('other')).restarts === 1, 'its neighbour runs again');
    await client.hold(here, 'test', 60_000);
    await client.release(here);
    expect((await stateOf('mine')).state).toBe('held');
    await client.release(node);
    await until(async () => (await stateOf('mine')).state === 'running', 'it runs again');
  });

  it('a hold that nobody refreshes ends by itself', async () => {
    const { client, stateOf } = await startTrivial({ app: { kind: 'app', script: FOREVER } });
    await client.hold(here, 'a runner that dies', 300);
    kill((await stateOf('app')).pid);
    await until(async () => (await stateOf('app')).state === 'running', 'it runs again');
  });

  it('down ends everything, also what ignores SIGTERM and what it started', async () => {
    const parent = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(FOREVER)}], { detached: true }); ${STUBBORN}`;
    const { layout } = await startTrivial({
      parent: { kind: 'app', script: parent },
      store: { kind: 'store', script: FOREVER },
    });
    await until(() => processesOfWorld(layout).length === 3, 'all three run');
    expect((await stopWorld(layout)).how).toBe('stopped');
    expect(processesOfWorld(layout)).toEqual([]);
    expect((await stopWorld(layout)).how).toBe('was-down');
  });

  it('down after the supervisor was killed leaves no process, and no stranger is hurt', async () => {
    const { layout, client } = await startTrivial({
      app: { kind: 'app', script: STUBBORN },
      store: { kind: 'store', script: FOREVER },
    });
    const list = await client.list();
    if (list.kind !== 'done') throw new Error('no list');
    const other = spawn(process.execPath, ['-e', FOREVER], { env: { FARSHORE_WORLD: 'another' }, stdio: 'ignore' });
    cleanups.push(async () => void other.kill('SIGKILL'));
    const before = readStat(other.pid ?? 0);
    kill(list.value.pid);
    await until(() => readStat(list.value.pid) === null, 'the supervisor is gone');
    expect(processesOfWorld(layout).length).toBe(2);
    expect(await stopWorld(layout)).toEqual({ how: 'killed', killed: 2 });
    expect(processesOfWorld(layout)).toEqual([]);
    expect(readStat(other.pid ?? 0)?.startTicks).toBe(before?.startTicks);
    expect(readStat(process.ppid)).not.toBe(null);
  });

  it('a world whose foreground is killed goes down', async () => {
    const { layout, client } = await startTrivial({ app: { kind: 'app', script: FOREVER } });
    const attached = client.attach();
    await until(() => attached.bytesRead > 0, 'attached');
    attached.destroy();
    await until(() => processesOfWorld(layout).length === 0, 'nothing is left');
  });

  it('a second supervisor of the same world refuses', async () => {
    const { layout } = await startTrivial({ app: { kind: 'app', script: FOREVER } });
    const before = processesOfWorld(layout).map(({ pid }) => pid);
    const supervisors = (): number =>
      allProcesses().filter(
        ({ pid }) => /supervisor\/main\.js/.test(commandLineOf(pid)) && commandLineOf(pid).includes(layout.stateDir),
      ).length;
    expect(supervisors()).toBe(1);
    // The first one answers on the socket, so this resolves; by then the second has ended by itself.
    await startSupervisor(layout);
    expect(supervisors()).toBe(1);
    expect(processesOfWorld(layout).map(({ pid }) => pid)).toEqual(before);
  });
});
