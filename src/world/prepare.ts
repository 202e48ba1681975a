import { chmodSync, chownSync, existsSync, mkdirSync, statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FarshoreError } from '../base/errors.ts';
import type { PlaceId } from '../base/ids.ts';
import { asFarshoreError } from '../database/postgres/files.ts';
import { locateBinaries } from '../database/postgres/locate-binaries.ts';
import { chooseRunAs, type RunAs, reachableFor } from '../database/postgres/run-as.ts';
import { checkAuthority, loadCertificates } from '../planes/edge/certificates.ts';
import { readGeoRows } from '../planes/geo/read-geo.ts';
import { type Deployment, storePlaces } from '../spec/deployment.ts';
import { locateEtcd, locateHaproxy } from './locate-program.ts';
import { type ConfigFile, planProcesses } from './configs.ts';
import { portIsFree } from './free-ports.ts';
import { dataNodesOf, layOut, type LayoutOptions, type WorldLayout } from './layout.ts';
import { killUntilGone, processesOfWorld } from './leftovers.ts';
import { refuseToForget } from './kept-data.ts';
import { portOwner } from './port-owner.ts';
import { runDirOf, takeRunDir, takeSecrets, takeStateDir, worldId, writeWhole } from './state-dir.ts';

const DEFAULT_BASE_PORT = 7_800;
const LAST_BASE_PORT = 12_000;
const BLOCK = 100;
/** Three data directories with some WAL. Less than this and the first start would end in the middle. */
const NEEDED_BYTES = 600 * 1024 * 1024;

/** What a person may choose about a world. */
export interface WorldOptions {
  readonly specPath: string;
  /** Default: `.farshore` beside the file. */
  readonly stateDir?: string | undefined;
  readonly basePort?: number | undefined;
  readonly postgresBin?: string | undefined;
  /** etcd's program; looked for in PATH when it is not given. Used only by a store with several members. */
  readonly etcdBin?: string | undefined;
  /** A HAProxy beside the edge of each region: `true`, the one of this machine; or its program. */
  readonly haproxy?: string | true | undefined;
  /** Links have the real round trips times this (default 1); 0 for a world without distance. */
  readonly rttScale?: number | undefined;
  readonly rttMs: (a: PlaceId, b: PlaceId) => number;
}

export const defaultStateDir = (specPath: string): string => join(dirname(resolve(specPath)), '.farshore');

/**
 * Makes everything that the supervisor needs, and starts nothing: state and run directory, secrets, ports, config files,
 * `world.json`. Ends leftovers of an earlier run. The caller holds the world's lock. Errors: FSH_STATE_FOREIGN,
 * FSH_PORT_IN_USE, FSH_POSTGRES_MISSING, FSH_TLS_INVALID, FSH_NO_PERMISSION, FSH_DISK_FULL.
 */
export async function prepareWorld(deployment: Deployment, options: WorldOptions): Promise<WorldLayout> {
  const wanted = options.stateDir ?? defaultStateDir(options.specPath);
  const { stateDir, saved } = takeStateDir(wanted, deployment.name, (before) =>
    refuseToForget(before, deployment, options.specPath),
  );
  if (saved !== null) await endLeftovers(saved);
  const id = worldId(stateDir);
  const runAs = chooseRunAs();
  const runDir = runDirOf(id);
  takeRunDir(runDir, runAs !== null);
  const dataRoot = saved?.dataRoot ?? chooseDataRoot(stateDir, id, runAs);
  requireSpace(dataRoot, saved !== null);
  const { binDir, libDir } = await locateBinaries({
    ...(options.postgresBin === undefined ? {} : { postgresBin: options.postgresBin }),
    runAs,
    cacheDir: runAs === null ? cacheDir() : '/var/lib/farshore',
  });
  const etcdBinary = storePlaces(deployment).length > 1 ? locateEtcd(options.etcdBin, process.env['PATH']) : null;
  const haproxyBinary = options.haproxy === undefined ? null : locateHaproxy(options.haproxy, process.env['PATH']);
  const fixed = {
    etcdBinary,
    haproxyBinary,
    id,
    stateDir,
    runDir,
    dataRoot,
    runAs,
    binDir,
    libDir,
    rttMs: options.rttMs,
  };
  const rttScale = options.rttScale ?? saved?.rttScale ?? 1;
  const draft: LayoutOptions = { ...fixed, rttScale, specPath: resolve(options.specPath), basePort: DEFAULT_BASE_PORT };
  const basePort = await choosePorts(options.basePort ?? saved?.basePort ?? null, layOut(deployment, draft).portCount);
  const plan = layOut(deployment, { ...draft, basePort });
  const rows = haproxyBinary === null || plan.geo === null ? null : await readGeoRows(plan.geo.database);
  // Every edge would refuse them and end; here a person reads why.
  if (plan.edgeTls !== null) await loadCertificates(plan.edgeTls, Date.now());
  if (plan.edgeTls?.ca != null) await checkAuthority(plan.edgeTls.ca);
  const { layout, files } = planProcesses(plan, deployment, program(), rows);
  makeFolders(layout);
  takeSecrets(layout);
  writeFiles(files);
  writeWhole(join(stateDir, 'world.json'), JSON.stringify(layout, null, 1));
  return layout;
}

/** Processes of an earlier run whose supervisor was killed. Nothing is adopted: everything starts again from its data. */
export async function endLeftovers(layout: WorldLayout): Promise<number> {
  const { killed, left } = await killUntilGone(() => processesOfWorld(layout), 10_000);
  if (left.length === 0) return killed.length;
  const pids = left.map(({ pid }) => pid).join(', ');
  throw new FarshoreError('FSH_FAILED', `processes of the earlier run cannot be ended: ${pids}`);
}

const program = (): Parameters<typeof planProcesses>[2] => ({
  node: process.execPath,
  distDir: fileURLToPath(new URL('../../dist', import.meta.url)),
  // `node` in the application's command means this Node.
  path: `${dirname(process.execPath)}:${process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`,
  home: homedir(),
  env: sabotage(),
  serial: Math.floor(Date.now() / 1_000),
});

/** Only a drill's self-test sets it: it must turn red. */
function sabotage(): Readonly<Record<string, string>> {
  const what = process.env['FARSHORE_SABOTAGE'];
  return what === undefined ? {} : { FARSHORE_SABOTAGE: what };
}

const cacheDir = (): string => join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'farshore');

/** Below the state directory, unless PostgreSQL's user can't get there: then /var/lib, and `world.json` remembers it. */
function chooseDataRoot(stateDir: string, id: string, runAs: RunAs | null): string {
  const inside = join(stateDir, 'nodes');
  if (runAs === null) return inside;
  return reachableFor(dirname(stateDir), runAs) ? inside : `/var/lib/farshore/${id}/nodes`;
}

function requireSpace(dataRoot: string, exists: boolean): void {
  let at = dataRoot;
  for (;;) {
    try {
      const { bavail, bsize } = statfsSync(at);
      // A world that exists needs little more; a nearly full disk is then PostgreSQL's to report.
      if (exists || bavail * bsize >= NEEDED_BYTES) return;
      const free = Math.floor((bavail * bsize) / 1_048_576);
      throw new FarshoreError('FSH_DISK_FULL', `${at} has ${free} MiB free; a new world needs 600 MiB`);
    } catch (error) {
      if (error instanceof FarshoreError || at === dirname(at)) throw asFarshoreError(error);
      at = dirname(at);
    }
  }
}

/** `wanted` must be free as a whole; without a wish the next free block from 7800 on. */
async function choosePorts(wanted: number | null, count: number): Promise<number> {
  if (wanted !== null) {
    const taken = await firstTaken(wanted, count);
    if (taken === null) return wanted;
    const owner = portOwner(taken);
    const by = owner === null ? 'another process' : `process ${owner}`;
    throw new FarshoreError('FSH_PORT_IN_USE', `port ${taken} of ${wanted}-${wanted + count - 1} is in use by ${by}`);
  }
  for (let base = DEFAULT_BASE_PORT; base < LAST_BASE_PORT; base += BLOCK) {
    if ((await firstTaken(base, count)) === null) return base;
  }
  throw new FarshoreError('FSH_PORT_IN_USE', `no ${count} free ports in a row between 7800 and ${LAST_BASE_PORT}`);
}

async function firstTaken(base: number, count: number): Promise<number | null> {
  for (let port = base; port < base + count; port++) if (!(await portIsFree(port))) return port;
  return null;
}

/** Folders above PostgreSQL's own can be entered by its user, and read by nobody else. */
function makeFolders(layout: WorldLayout): void {
  const { runAs } = layout;
  try {
    mkdirSync(layout.dataRoot, { recursive: true, mode: runAs === null ? 0o700 : 0o711 });
    if (runAs !== null && layout.dataRoot.startsWith(layout.stateDir)) chmodSync(layout.stateDir, 0o711);
    for (const node of dataNodesOf(layout)) {
      for (const folder of [dirname(node.dataDir), node.postgresRunDir]) {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        if (runAs !== null) chownSync(folder, runAs.uid, runAs.gid);
      }
    }
  } catch (error) {
    throw asFarshoreError(error);
  }
}

function writeFiles(files: readonly ConfigFile[]): void {
  for (const { path, content, keep } of files) {
    if (keep === true && existsSync(path)) continue;
    writeWhole(path, typeof content === 'string' ? content : JSON.stringify(content, null, 1));
  }
}
