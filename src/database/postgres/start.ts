import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import { type Outcome, done, refused, unknown } from '../../base/result.ts';
import type { SyncList } from '../../ports/database.ts';
import { type Local, connectLocally, hangUp, poll } from './connections.ts';
import { exists, writeWhole } from './files.ts';
import { detach, inRecovery } from './follow.ts';
import { FRESH_MARKER, dataVersion, prepareFolders } from './init.ts';
import { identifyLocal } from './identify.ts';
import { makeRolesAndSchema } from './roles.ts';
import { majorOf, versionOf } from './run-tool.ts';
import { endOfLog, explainFailedStart, readLogFrom } from './server-log.ts';
import { writeSettings } from './settings.ts';
import { setSyncList } from './sync-list.ts';

/** Crash recovery of much WAL takes long; the caller looks again after `unknown`. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 10;

/**
 * Starts PostgreSQL as a standby without an upstream (P8.1). When it runs already as a standby it is cut from its
 * upstream. Refused when it runs as a primary, or when the data can't be used; nothing is deleted.
 */
export async function startIsolated(local: Local): Promise<Outcome<void>> {
  if (await runs(local)) {
    const up = await waitUntilUp(local, 0, 'app');
    if (up.kind !== 'done') return up;
    if (!(await inRecovery(local))) return refused('runs-as-primary', 'PostgreSQL runs as a primary: stop it first');
    const cut = await detach(local);
    return cut.kind === 'done' ? done(undefined) : cut;
  }
  const { dataDir, runAs } = local.config;
  const usable = await prepare(local);
  if (usable.kind !== 'done') return usable;
  // The signal file first: a crash between here and the start leaves nothing that could start as a primary.
  await writeWhole(join(dataDir, 'standby.signal'), '', runAs);
  await rm(join(dataDir, 'recovery.signal'), { force: true });
  await writeSettings(local.config, usable.value, await local.secrets());
  return spawnAndWait(local, 'app');
}

/**
 * Starts the cluster that `init` made as the first primary: roles, database, schema, epoch, and the sync list last.
 * Refused for any other cluster. May be repeated after an interruption.
 */
export async function startFirst(
  local: Local,
  epoch: number,
  list: SyncList,
): Promise<Outcome<{ readonly systemId: string }>> {
  const marker = join(local.config.dataDir, FRESH_MARKER);
  if (!(await exists(marker)))
    return refused('not-fresh', 'this cluster was opened before: it starts as a standby (P8.1)');
  if (!(await runs(local))) {
    const usable = await prepare(local);
    if (usable.kind !== 'done') return usable;
    await writeSettings(local.config, usable.value, await local.secrets());
    const started = await spawnAndWait(local, 'postgres');
    if (started.kind !== 'done') return started;
  }
  await makeRolesAndSchema(local, epoch);
  const set = await setSyncList(local, list);
  if (set.kind !== 'done') return set;
  const { systemId } = await identifyLocal(local, 5_000);
  await rm(marker, { force: true });
  return done({ systemId });
}

async function runs(local: Local): Promise<boolean> {
  const reply = await local.keeper.call({ do: 'status' });
  return reply.ok && reply.status.postgres !== null;
}

/** The version of the binaries when they fit the data. */
async function prepare(local: Local): Promise<Outcome<string>> {
  const { config } = local;
  const data = await dataVersion(config.dataDir);
  if (data === null) return refused('empty', `no cluster in ${config.dataDir}`);
  const version = await versionOf(config, config.runAs);
  if (data !== majorOf(version)) {
    const why = `${config.dataDir} was made by PostgreSQL ${data}; the binaries in ${config.binDir} are ${version}`;
    throw new FarshoreError('FSH_POSTGRES_MISSING', why);
  }
  await prepareFolders(config);
  return done(version);
}

async function spawnAndWait(local: Local, database: 'app' | 'postgres'): Promise<Outcome<void>> {
  const logEnd = await endOfLog(local.config.logPath);
  local.watch.close();
  local.work.close();
  const reply = await local.keeper.call({ do: 'start' }, 40_000);
  if (!reply.ok) return refused(reply.code, reply.why);
  return waitUntilUp(local, logEnd, database);
}

/** `done` when a connection works. When PostgreSQL ended instead, the reason from its log. */
async function waitUntilUp(local: Local, logEnd: number, database: string): Promise<Outcome<void>> {
  const { clock, config } = local;
  let last = '';
  const outcome = await poll<Outcome<void>>(clock, clock.nowMs() + START_TIMEOUT_MS, POLL_MS, async () => {
    try {
      hangUp(await connectLocally(config, await local.secrets(), { database, timeoutMs: 1_000 }));
      return done(undefined);
    } catch (error) {
      last = String(error);
      // A wrong password or a missing database does not get better by waiting.
      if (/28P01|password authentication failed|does not exist/.test(last)) return refused('FSH_DATA_FOREIGN', last);
    }
    if (await runs(local)) return null;
    const { code, why } = explainFailedStart(await readLogFrom(config.logPath, logEnd));
    return refused(code, `PostgreSQL did not start: ${why}`);
  });
  return outcome ?? unknown(`PostgreSQL did not answer within ${START_TIMEOUT_MS} ms: ${last}`);
}
