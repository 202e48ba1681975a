import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { FarshoreError } from '../../base/errors.ts';
import type { Secrets } from '../../ports/config.ts';
import type { Progress, Upstream } from '../../ports/database.ts';
import { type BackupPoint, baseBackup, type BackupSink } from './base-backup.ts';
import { CopiedWal } from './copied-wal.ts';
import { type Local, connectTo, hangUp, within } from './connections.ts';
import { beginMaking, type Making, mustBeEmpty, writeWhole } from './files.ts';
import { dataVersion, FRESH_MARKER, prepareFolders, syncDataDirectory } from './init.ts';
import { majorOf, versionOf } from './run-tool.ts';
import { writeSettings } from './settings.ts';
import { Unpacker } from './unpack.ts';
import type { WalStream } from './wal-stream.ts';

/** Reports no more often than every so many bytes. */
const REPORT_EVERY_BYTES = 1024 * 1024;
const TIMEOUT_MS = 5_000;
/** An old connection of this member may have to be given up there first. */
const RESERVE_TIMEOUT_MS = 15_000;
/** The upstream's estimate is without WAL, and it grows. */
const MORE_THAN_SAID = 1.1;

/**
 * Copies the upstream into the data directory, which must be empty, as an isolated standby that is not started.
 * Throws FarshoreError, or the reason of `signal`; what was copied until then is removed, now or by the next attempt.
 */
export async function cloneCluster(
  local: Local,
  from: Upstream,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  await mustBeEmpty(local.config.dataDir);
  const making = await copyBeside(local, from, progress, signal);
  await making.finish();
}

/** The same, as far as it goes while the data directory still holds something else: `finish` puts the copy in its place. */
export async function copyBeside(
  local: Local,
  from: Upstream,
  progress: Progress,
  signal: AbortSignal,
): Promise<Making> {
  signal.throwIfAborted();
  const { config } = local;
  await prepareFolders(config);
  const version = await versionOf(config, config.runAs);
  const secrets = await local.secrets();
  const making = await beginMaking(config.dataDir, 'clone', config.runAs, 'discard');
  let wal: WalStream | null = null;
  try {
    wal = await receive(local, from, making.data, version, progress, signal);
    // The signal file first: from here on these files can't start as a primary.
    await writeWhole(join(making.data, 'standby.signal'), '', config.runAs);
    await rm(join(making.data, FRESH_MARKER), { force: true });
    await writeSettings({ ...config, dataDir: making.data }, version, secrets);
    progress('writing it to disk');
    await syncDataDirectory(config, making.data, version);
    signal.throwIfAborted();
    return withWal(making, wal, signal);
  } catch (error) {
    await wal?.stop().catch(() => undefined);
    await making.discard();
    signal.throwIfAborted();
    throw error;
  }
}

/** WAL goes on to come until the copy is used: it may be whole long before, and the primary keeps little for whoever is not connected. */
function withWal(making: Making, wal: WalStream, signal: AbortSignal): Making {
  const stop = (): void => void wal.stop().catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  return {
    ...making,
    finish: async () => {
      signal.removeEventListener('abort', stop);
      await wal.end();
      await making.finish();
    },
    discard: async () => {
      await wal.stop().catch(() => undefined);
      await making.discard();
    },
  };
}

async function receive(
  local: Local,
  from: Upstream,
  into: string,
  version: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<WalStream> {
  const secrets = await local.secrets();
  const client = await connectUpstream(from, secrets, TIMEOUT_MS);
  const abort = (): void => hangUp(client);
  signal.addEventListener('abort', abort, { once: true });
  const wal = new CopiedWal(local, into, () => connectUpstream(from, secrets, TIMEOUT_MS), abort);
  try {
    signal.throwIfAborted();
    await within(local.clock, TIMEOUT_MS, () => checkVersion(client, version));
    await within(local.clock, RESERVE_TIMEOUT_MS, () => wal.reserve(client));
    const end = await copy(client, local, into, progress, (point) => wal.begin(point));
    return await wal.reach(client, end);
  } catch (error) {
    await wal.stop();
    throw wal.failure ?? error;
  } finally {
    signal.removeEventListener('abort', abort);
    hangUp(client);
  }
}

/** A replication connection to another member, through the link. */
export function connectUpstream(upstream: Upstream, secrets: Secrets, timeoutMs: number): Promise<pg.Client> {
  const { host, port } = upstream;
  const password = secrets.replicationPassword;
  return connectTo({ host, port, user: 'farshore_replication', password, replication: true, timeoutMs });
}

async function checkVersion(client: pg.Client, version: string): Promise<void> {
  const shown = (await client.query<{ server_version: string }>('SHOW server_version')).rows[0]?.server_version ?? '';
  if (majorOf(shown) === majorOf(version)) return;
  throw new FarshoreError(
    'FSH_POSTGRES_MISSING',
    `the upstream is PostgreSQL ${shown}, the binaries here are ${version}`,
  );
}

/** A disk is not filled to the last byte by what can't be whole in the end: others write there too. */
async function needsRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const [neededMb, leftMb] = [(bytes * MORE_THAN_SAID) / 1e6, (bavail * bsize) / 1e6];
  if (leftMb >= neededMb) return;
  const why = `the copy needs about ${neededMb.toFixed(0)} MB, ${folder} has ${leftMb.toFixed(0)} MB left`;
  throw new FarshoreError('FSH_DISK_FULL', why);
}

async function copy(
  client: pg.Client,
  { config, clock }: Local,
  data: string,
  progress: Progress,
  begins: BackupSink['from'],
): Promise<BackupPoint> {
  const unpacker = new Unpacker(data, config.runAs);
  let reported = -REPORT_EVERY_BYTES;
  const sink: BackupSink = {
    from: begins,
    begin: (totalBytes) => needsRoom(data, totalBytes ?? 0),
    data: (chunk) => unpacker.write(chunk),
    progress: (doneBytes, totalBytes) => {
      if (doneBytes - reported < REPORT_EVERY_BYTES) return;
      reported = doneBytes;
      progress('copying', doneBytes, totalBytes ?? undefined);
    },
  };
  let end: BackupPoint;
  try {
    end = await baseBackup(client, 'farshore', sink, clock);
    await unpacker.end();
  } finally {
    await unpacker.abandon();
  }
  if ((await dataVersion(data)) === null) throw new FarshoreError('FSH_FAILED', 'the upstream sent an empty copy');
  return end;
}
