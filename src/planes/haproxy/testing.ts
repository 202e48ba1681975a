/** For the tests of HAProxy as a plane: a real one in front of three regions that are processes of their own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '../../coordination/memory.ts';
import type { GeoRows } from '../../decide/routing/geo-table.ts';
import type { HaproxyAudience } from '../../ports/config.ts';
import type { Coordination } from '../../ports/coordination.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { freePort } from '../../world/free-ports.ts';
import { A, B, C, type RegionProcess, startRegion, until } from '../edge/testing.ts';
import { haproxyConfig } from './config-file.ts';
import { driveHaproxy, type HaproxyDriver } from './drive.ts';
import { nobodyWrites } from './map-file.ts';
import { LAST_RESORT, READS } from './names.ts';
import { placeMapsOf } from './place-maps.ts';
import { nobodyServes } from './state-file.ts';
import { ask as askHaproxy, parseServersState } from './runtime.ts';

export const PROGRAM = '/usr/sbin/haproxy';
export const installed = existsSync(PROGRAM);
if (!installed && process.env['CI'] !== undefined) throw new Error('CI needs HAProxy: `npm run setup:debian`');
if (!installed) process.stderr.write(`skipped: HAProxy is not at ${PROGRAM} (\`npm run setup:debian\`)\n`);

export const LAST_RESORT_OF_ALL = `${READS}${LAST_RESORT}`;

export interface RigOptions {
  readonly addressOfFirst?: (port: number) => Promise<number> | number;
  readonly routing?: RoutingPolicy | null;
  readonly weights?: readonly number[];
  readonly rows?: GeoRows | null;
  /** What the map for writes says when HAProxy starts. Default: nobody. */
  readonly mapOf?: (audiences: readonly HaproxyAudience[]) => string;
  readonly healthPath?: string;
  /** Nobody has said yet which regions serve, as in a new world. */
  readonly closed?: boolean;
}

export interface Rig {
  readonly port: number;
  readonly regions: readonly [RegionProcess, RegionProcess, RegionProcess];
  readonly store: Coordination;
  readonly said: readonly string[];
  readonly mapPath: string;
  drive(): Promise<HaproxyDriver>;
  startHaproxy(): ChildProcess;
  stopHaproxy(): Promise<void>;
  states(): Promise<ReadonlyMap<string, string>>;
  runtime(command: string): Promise<string>;
}

/** Three regions, the first the nearest, behind a real HAProxy that nobody drives yet. Its folder has a space and a quote in its name. */
export async function aRig(cleanups: (() => unknown)[], options: RigOptions): Promise<Rig> {
  const { addressOfFirst = (port: number) => port, routing = null, weights = [], rows = null } = options;
  const { mapOf = nobodyWrites, healthPath = '/healthz', closed = false } = options;
  const started = await Promise.all([startRegion(A), startRegion(B), startRegion(C)]);
  for (const region of started) cleanups.push(() => region.kill());
  const parent = mkdtempSync(join(tmpdir(), 'farshore-haproxy-'));
  cleanups.push(() => rmSync(parent, { recursive: true, force: true }));
  const dir = join(parent, `it's here`);
  mkdirSync(dir);
  const [port, agentPort] = [await freePort(), await freePort()];
  const agent = { host: '127.0.0.1', port: agentPort };
  const mapPath = join(dir, 'primary.map');
  const runtimeSocketPath = join(dir, 'run.sock');
  const file = join(dir, 'haproxy.cfg');
  const ports = [await addressOfFirst(started[0].port), started[1].port, started[2].port];
  const upstreams = started.map((it, i) => ({
    region: it.region,
    host: '127.0.0.1',
    port: ports[i] ?? 0,
    rttMs: i * 10,
  }));
  const listen = { host: '127.0.0.1', port };
  const { audiences, maps } = placeMapsOf({ routing, place: A, upstreams }, rows);
  writeFileSync(mapPath, mapOf(audiences));
  const statePath = join(dir, 'servers.state');
  writeFileSync(statePath, closed ? nobodyServes(audiences, upstreams) : '1\n');
  const placeMaps =
    maps === null ? null : { networks: join(dir, 'networks.map'), countries: join(dir, 'countries.map') };
  if (maps !== null) writeFileSync(placeMaps?.networks ?? '', maps.networks);
  if (maps !== null) writeFileSync(placeMaps?.countries ?? '', maps.countries);
  const common = {
    place: A,
    runtimeSocketPath,
    primaryMapPath: mapPath,
    serverStatePath: statePath,
    agent,
    audiences,
    routing,
    healthPath,
    upstreams,
    weights: [A, B, C].map((id, i) => ({ id, weight: weights[i] ?? 1 })),
  };
  const trust = { networks: ['127.0.0.0/8'], placeHeader: 'x-farshore-from' };
  writeFileSync(file, haproxyConfig({ ...common, listen, threads: 1, trust, placeMaps }));
  const checked = spawnSync(PROGRAM, ['-c', '-f', file], { encoding: 'utf8' });
  if (checked.status !== 0) throw new Error(checked.stderr);

  const memory = memoryStore(nodeClock);
  cleanups.push(() => memory.close());
  const store = memory.connect();
  const said: string[] = [];
  let child: ChildProcess | null = null;
  const startHaproxy = () => {
    child = spawn(PROGRAM, ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
    return child;
  };
  const stopHaproxy = async () => {
    const gone = child;
    if (gone === null || gone.exitCode !== null || gone.signalCode !== null) return;
    const ended = new Promise((resolve) => gone.once('exit', resolve));
    gone.kill('SIGKILL');
    await ended;
  };
  startHaproxy();
  cleanups.push(stopHaproxy);
  const runtime = async (command: string) => {
    const answer = await askHaproxy(runtimeSocketPath, command);
    if (!answer.ok) throw new Error(answer.error);
    return answer.value;
  };
  await until('HAProxy listens', async () => (await askHaproxy(runtimeSocketPath, 'show info')).ok);
  return {
    port,
    regions: started as [RegionProcess, RegionProcess, RegionProcess],
    store,
    said,
    mapPath,
    startHaproxy,
    stopHaproxy,
    runtime,
    states: async () =>
      new Map(
        [...parseServersState(await runtime('show servers state'))].map(([server, { state }]) => [server, state]),
      ),
    drive: async () => {
      const config = { ...common, deployment: 'shop', group: 'main' };
      const driver = await driveHaproxy(config, store, nodeClock, (text) => said.push(text));
      cleanups.push(() => driver.close());
      return driver;
    },
  };
}
