import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { FarshoreError } from '../../base/errors.ts';
import type { PostgresConfig, Secrets } from '../../ports/config.ts';
import type { Progress, Upstream } from '../../ports/database.ts';
import { baseBackup } from './base-backup.ts';
import { connectTo, hangUp } from './connections.ts';
import { beginMaking, type Making, mustBeEmpty, writeWhole } from './files.ts';
import { dataVersion, FRESH_MARKER, prepareFolders, syncDataDirectory } from './init.ts';
import { majorOf, versionOf } from './run-tool.ts';
import { writeSettings } from './settings.ts';
import { Unpacker } from './unpack.ts';

/** Reports no more often than every so many bytes. */
const REPORT_EVERY_BYTES = 1024 * 1024;

/**
 * Copies the upstream into `config.dataDir`, which must be empty, as an isolated standby that is not started.
 * Throws FarshoreError, or the reason of `signal`; what was copied until then is removed, now or by the next attempt.
 */
export async function cloneCluster(
  config: PostgresConfig,
  secrets: Secrets,
  from: Upstream,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  await mustBeEmpty(config.dataDir);
  const making = await copyBeside(config, secrets, from, progress, signal);
  await making.finish();
}

/** The same, as far as it goes while the data directory still holds something else: `finish` puts the copy in its place. */
export async function copyBeside(
  config: PostgresConfig,
  secrets: Secrets,
  from: Upstream,
  progress: Progress,
  signal: AbortSignal,
): Promise<Making> {
  signal.throwIfAborted();
  await prepareFolders(config);
  const version = await versionOf(config, config.runAs);
  const making = await beginMaking(config.dataDir, 'clone', config.runAs, 'discard');
  try {
    const client = await connectUpstream(from, secrets, 5_000);
    const abort = (): void => hangUp(client);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await checkVersion(client, version);
      await copy(client, config, making.data, progress);
    } finally {
      signal.removeEventListener('abort', abort);
      hangUp(client);
    }
    // The signal file first: from here on these files can't start as a primary.
    await writeWhole(join(making.data, 'standby.signal'), '', config.runAs);
    await rm(join(making.data, FRESH_MARKER), { force: true });
    await writeSettings({ ...config, dataDir: making.data }, version, secrets);
    progress('writing it to disk');
    await syncDataDirectory(config, making.data, version);
    signal.throwIfAborted();
    return making;
  } catch (error) {
    await making.discard();
    signal.throwIfAborted();
    throw error;
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

async function copy(client: pg.Client, config: PostgresConfig, data: string, progress: Progress): Promise<void> {
  const unpacker = new Unpacker(data, config.runAs);
  let reported = -REPORT_EVERY_BYTES;
  try {
    await baseBackup(client, 'farshore', {
      data: (chunk) => unpacker.write(chunk),
      progress: (doneBytes, totalBytes) => {
        if (doneBytes - reported < REPORT_EVERY_BYTES) return;
        reported = doneBytes;
        progress('copying', doneBytes, totalBytes ?? undefined);
      },
    });
    await unpacker.end();
  } finally {
    await unpacker.abandon();
  }
  if ((await dataVersion(data)) === null) throw new FarshoreError('FSH_FAILED', 'the upstream sent an empty copy');
}
