import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import { type Outcome, done, refused, unknown } from '../../base/result.ts';
import type { SyncList } from '../../ports/database.ts';
import { type Local, connectLocally, hangUp, poll, withFresh } from './connections.ts';
import { writeWhole } from './files.ts';
import { detach, inRecovery } from './follow.ts';
import { clearFresh, dataVersion, isFresh, prepareFolders } from './init.ts';
import { identifyLocal } from './identify.ts';
import { makeRolesAndSchema } from './roles.ts';
import { makeMemberSlots } from './member-slots.ts';
import { isHalfRewound } from './rewind.ts';
import { majorOf, versionOf } from './run-tool.ts';
import { endOfLog, explainFailedStart, readLogFrom } from './server-log.ts';
import { writeSettings } from './settings.ts';
import { setSyncList } from './sync-list.ts';

/** Crash recovery of much WAL takes long; the caller looks again after `unknown`. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 10;
const STOP_TIMEOUT_MS = 60_000;

/**
 * Starts PostgreSQL as a standby without an upstream (P8.1). When it runs already as a standby it is cut from its
 * upstream. Refused when it runs as a primary, or when the data is fresh or can't be used; nothing is deleted.
 */
export async function startIsolated(local: Local): Promise<Outcome<void>> {
  if (await isFresh(local.config.dataDir))
    return refused('fresh', 'this cluster was made and never opened: it has no roles and no epoch yet');
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
  const started = await spawnAndWait(local, 'app');
  // What a reign left was taken out of the files; a person's own lines elsewhere are asked for before this is relied on.
  if (started.kind === 'done') local.inForce.startedWith({ primary_conninfo: '', synchronous_standby_names: '' });
  return started;
}

/**
 * Starts the cluster that `init` made as the first primary: roles, database, schema, epoch, and the sync list last.
 * Refused for any other cluster. Repeating it after any interruption finishes it: the marker goes last.
 */
export async function startFirst(
  local: Local,
  epoch: number,
  list: SyncList,
): Promise<Outcome<{ readonly systemId: string }>> {
  const { dataDir } = local.config;
  if (!(await isFresh(dataDir)))
    return refused('not-fresh', 'this cluster was opened before: it starts as a standby (P8.1)');
  const started = await startFreshAsPrimary(local);
  if (started.kind !== 'done') return started;
  await makeRolesAndSchema(local, epoch);
  const set = await setSyncList(local, list);
  if (set.kind !== 'done') return set;
  const { systemId } = await identifyLocal(local, 5_000);
  await clearFresh(dataDir);
  return done({ systemId });
}

/** A fresh cluster holds nothing that was acknowledged, so one that was left as a standby may become a primary here. */
async function startFreshAsPrimary(local: Local): Promise<Outcome<void>> {
  const { config } = local;
  if (await runs(local)) {
    const up = await waitUntilUp(local, 0, 'postgres');
    if (up.kind !== 'done') return up;
    if (!(await freshInRecovery(local))) return up;
    const stopped = await local.keeper.call({ do: 'stop', how: 'kill', graceMs: 0 }, STOP_TIMEOUT_MS);
    if (!stopped.ok) return unknown(`the fresh cluster runs as a standby and was not stopped: ${stopped.why}`);
  }
  const usable = await prepare(local);
  if (usable.kind !== 'done') return usable;
  for (const signal of ['standby.signal', 'recovery.signal']) await rm(join(config.dataDir, signal), { force: true });
  await writeSettings(config, usable.value, await local.secrets());
  return spawnAndWait(local, 'postgres');
}

/** Asked in `postgres`: the application's database may not be there yet. */
async function freshInRecovery(local: Local): Promise<boolean> {
  const { rows } = await withFresh(
    local,
    START_TIMEOUT_MS,
    (client) => client.query<{ recovery: boolean }>('SELECT pg_is_in_recovery() AS recovery'),
    { database: 'postgres' },
  );
  return rows[0]?.recovery === true;
}

async function runs(local: Local): Promise<boolean> {
  const reply = await local.keeper.call({ do: 'status' });
  return reply.ok && reply.status.postgres !== null;
}

/** The version of the binaries when they fit the data. */
async function prepare(local: Local): Promise<Outcome<string>> {
  const { config } = local;
  if (await isHalfRewound(config.dataDir))
    return refused(
      'half-rewound',
      `${config.dataDir} was being rewound and is of no use: move it aside, it is cloned again`,
    );
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
  local.identity.close();
  local.inForce.forget();
  const reply = await local.keeper.call({ do: 'start' }, 40_000);
  if (!reply.ok) return refused(reply.code, reply.why);
  const up = await waitUntilUp(local, logEnd, database);
  if (up.kind === 'done') await makeMemberSlots(local, database);
  return up;
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
