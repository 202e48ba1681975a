import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import type { PostgresConfig, Secrets } from '../../ports/config.ts';
import type { Progress } from '../../ports/database.ts';
import { beginMaking, exists, makePrivate, mustBeEmpty, syncPath, writeWhole } from './files.ts';
import { reachableFor } from './run-as.ts';
import { majorOf, runTool, versionOf } from './run-tool.ts';
import { SYNCS_WHOLE, writeSettings } from './settings.ts';

/** In a cluster that `init` made and `startFirst` has not opened yet. Only such a one may start as a primary. */
export const FRESH_MARKER = 'farshore-fresh';

export const isFresh = (dataDir: string): Promise<boolean> => exists(join(dataDir, FRESH_MARKER));

/** For good: a marker that a power cut brought back would let a cluster with acknowledged writes start as a primary. */
export async function clearFresh(dataDir: string): Promise<void> {
  await rm(join(dataDir, FRESH_MARKER), { force: true });
  await syncPath(dataDir);
}

/** The control file begins with the system identifier; a cluster that does not run can't be asked. */
export async function systemIdOf(dataDir: string): Promise<string> {
  const control = await readFile(join(dataDir, 'global/pg_control'));
  return control.readBigUInt64LE(0).toString();
}

const SHUT_DOWN = 1;

/** The shutdown checkpoint of a primary that was stopped cleanly, from the control file (the same place in 15 to 18); else null. */
export async function cleanEndOf(dataDir: string): Promise<{ timeline: number; lsn: string } | null> {
  const control = await readFile(join(dataDir, 'global/pg_control'));
  if (control.readUInt32LE(16) !== SHUT_DOWN) return null;
  const lsn = `${control.readUInt32LE(36).toString(16)}/${control.readUInt32LE(32).toString(16)}`.toUpperCase();
  return { timeline: control.readUInt32LE(48), lsn };
}

/** Makes a cluster in `config.dataDir` and leaves it stopped. Throws FarshoreError; an attempt that failed is kept beside. */
export async function initCluster(config: PostgresConfig, secrets: Secrets, progress: Progress): Promise<void> {
  const { dataDir, runAs } = config;
  await prepareFolders(config);
  const version = await versionOf(config, runAs);
  await mustBeEmpty(dataDir);
  const making = await beginMaking(dataDir, 'init', runAs, 'keep');
  // One name for all attempts: what a killed one left is gone with the next.
  const passwordFile = join(config.runDir, 'initdb-password');
  try {
    progress('making the cluster');
    await rm(passwordFile, { force: true });
    await writeFile(passwordFile, `${secrets.adminPassword}\n`, { mode: 0o600, flag: 'wx' });
    if (runAs !== null) await chown(passwordFile, runAs.uid, runAs.gid);
    await initdb(config, initdbArguments(making.data, passwordFile, version));
    await writeSettings({ ...config, dataDir: making.data }, version, secrets);
    await writeWhole(join(making.data, FRESH_MARKER), '', runAs);
    progress('writing it to disk');
    await syncDataDirectory(config, making.data, version);
  } catch (error) {
    const kept = await making.keepAside('failed').catch(() => 'nowhere');
    if (error instanceof FarshoreError) throw new FarshoreError(error.code, `${error.message}; kept at ${kept}`, error);
    throw error;
  } finally {
    await rm(passwordFile, { force: true });
  }
  await making.finish();
}

/** Folders PostgreSQL's user must reach; made when missing. Throws FSH_NO_PERMISSION when they stay out of its reach. */
export async function prepareFolders(config: PostgresConfig): Promise<void> {
  const { dataDir, runDir, runAs } = config;
  await makePrivate(runDir, runAs);
  await mkdir(dirname(dataDir), { recursive: true, mode: 0o755 });
  for (const folder of [dirname(dataDir), runDir, config.binDir]) {
    if (reachableFor(folder, runAs)) continue;
    throw new FarshoreError(
      'FSH_NO_PERMISSION',
      `user ${runAs?.uid} can't reach ${folder}: a folder above it is closed`,
    );
  }
}

/** Comparing text by code point is the same on every machine, whatever its C library: an index survives a failover. */
function initdbArguments(data: string, passwordFile: string, version: string): string[] {
  const locale =
    majorOf(version) >= 17
      ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C.UTF-8']
      : ['--locale=C.UTF-8'];
  // A promotion copies the segment that it ends in, and waits until the copy is on disk (XLogInitNewTimeline).
  const wal = ['--wal-segsize=4'];
  const user = ['--username=farshore_admin', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  return [
    '-D',
    data,
    ...user,
    '--encoding=UTF8',
    ...locale,
    ...wal,
    '--data-checksums',
    '--no-instructions',
    '--no-sync',
  ];
}

async function initdb(config: PostgresConfig, args: readonly string[]): Promise<void> {
  const { ok, output } = await runTool(config, 'initdb', args, config.runAs);
  if (ok) return;
  const said = output.trim().split('\n').slice(-6).join(' ');
  if (/No space left|Disk quota/i.test(output)) throw new FarshoreError('FSH_DISK_FULL', `initdb: ${said}`);
  if (/Permission denied/i.test(output)) throw new FarshoreError('FSH_NO_PERMISSION', `initdb: ${said}`);
  throw new FarshoreError('FSH_INITDB_FAILED', `initdb: ${said}`);
}

/** Everything goes to the disk in one pass, after the many small writes. */
export async function syncDataDirectory(config: PostgresConfig, data: string, version: string): Promise<void> {
  const whole = SYNCS_WHOLE && majorOf(version) >= 17 ? ['--sync-method=syncfs'] : [];
  const { ok, output } = await runTool(config, 'initdb', ['--sync-only', ...whole, '-D', data], config.runAs);
  if (!ok) throw new FarshoreError('FSH_FAILED', `could not write ${data} to disk: ${output.trim()}`);
}

/** Major version of the files in a data directory; null when there is no cluster. */
export async function dataVersion(dataDir: string): Promise<number | null> {
  const file = await readFile(join(dataDir, 'PG_VERSION'), 'utf8').catch(() => null);
  return file === null ? null : Number.parseInt(file, 10);
}
