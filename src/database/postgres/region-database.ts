import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { slug } from '../../base/ids.ts';
import { type Outcome, assert, done, refused, unknown } from '../../base/result.ts';
import type { PostgresConfig, Secrets } from '../../ports/config.ts';
import type { RegionDatabase, Salvage, Stop, Upstream } from '../../ports/database.ts';
import { connectKeeper } from '../keeper/client.ts';
import { processesOf } from '../keeper/processes.ts';
import { cloneCluster } from './clone.ts';
import { CopyAhead } from './copy-ahead.ts';
import { type Comparison, compareWith } from './compare.ts';
import { APP_DATABASE, type Local, Session, connectLocally, withFresh } from './connections.ts';
import { asFarshoreError, isEmpty, makePrivate, moveAside } from './files.ts';
import { detach, follow } from './follow.ts';
import { Heartbeat } from './heartbeat.ts';
import { InForce } from './in-force.ts';
import { cleanEndOf, initCluster, isFresh, systemIdOf } from './init.ts';
import { applicationName } from './names.ts';
import { promote } from './promote.ts';
import { removeData } from './remove-data.ts';
import { Replacement } from './replace.ts';
import { readSettings } from './read-settings.ts';
import { rewind } from './rewind.ts';
import { readSalvages } from './salvage/files.ts';
import { NOT_SAVED, discard, isSaved, salvage } from './salvage/salvage.ts';
import { keepSalvageSlot } from './salvage/slot.ts';
import { startFirst, startIsolated } from './start.ts';
import { StatusReader } from './status.ts';
import { setSyncList, settleSyncList } from './sync-list.ts';

const CONNECT_TIMEOUT_MS = 2_000;
/** A fast stop waits until standbys have the last WAL; one that is frozen holds it for `wal_sender_timeout` (2 s). */
const FAST_STOP_GRACE_MS = 5_000;
const STOP_TIMEOUT_MS = 60_000;
const CHECKPOINT_TIMEOUT_MS = 90_000;

/**
 * One PostgreSQL that Farshore owns, through its keeper. Methods never reject for what the world does: an expected
 * failure is `refused` (nothing was changed), a lost answer `unknown` (read the status before the next step).
 */
export function openPostgres(config: PostgresConfig, clock: Clock): RegionDatabase {
  assertDistinctNames(config);
  const local = openLocal(config, clock);
  const reader = new StatusReader(local);
  const heart = new Heartbeat(local);
  const ahead = new CopyAhead(local);
  const replacement = new Replacement(local);
  return {
    async status() {
      await replacement.settle(false).catch(() => undefined);
      const seen = await reader.read();
      if (seen.state !== 'empty') return seen;
      await replacement.settle(true).catch(() => undefined);
      return reader.read();
    },
    settings: () => guarded(() => readSettings(local)),
    init: (progress) =>
      guarded(async () => {
        if (!(await isFresh(config.dataDir))) await initCluster(config, await local.secrets(), progress);
        return done({ systemId: await systemIdOf(config.dataDir) });
      }),
    startIsolated: () => guarded(() => startIsolated(local)),
    startFirst: (epoch, list) => guarded(() => startFirst(local, epoch, list)),
    stop: (how) => guarded(() => stop(local, heart, how)),
    checkpoint: () =>
      guarded(async () => {
        // On a connection of its own: an order to detach, or a new list, must not wait behind it.
        await withFresh(local, CHECKPOINT_TIMEOUT_MS, (client) => client.query('CHECKPOINT'));
        return done(undefined);
      }),
    clone: (from, progress, signal) =>
      guarded(async () => {
        try {
          const made = await ahead.take(from, progress, signal);
          if (made === null) await cloneCluster(local, from, progress, signal);
          else await made.finish();
          return done(undefined);
        } catch (error) {
          // Whatever ended it, the data directory is as empty as before.
          return refused(signal.aborted ? 'aborted' : asFarshoreError(error).code, messageOf(error));
        }
      }),
    copyAhead: (from, signal) => guarded(() => ahead.begin(from, signal)),
    copyBeside: (from, progress, signal) => guarded(() => ahead.whole(from, progress, signal)),
    replace: (from, grounds) =>
      guarded(async () => {
        const may = await mayReplace(local, reader, from, grounds);
        if (may.kind !== 'done') return may;
        const noCopy = refused('no-copy', `there is no copy of ${from.node} under epoch ${from.epoch}`);
        if (!ahead.holds(from)) return noCopy;
        // The copy is taken when nothing can go wrong before its use any more.
        const stopped = await stop(local, heart, 'fast');
        if (stopped.kind !== 'done') return stopped;
        const copy = await ahead.take(from, () => undefined, new AbortController().signal);
        return copy === null ? noCopy : replacement.put(copy);
      }),
    follow: (upstream) => guarded(() => follow(local, upstream)),
    detach: () => guarded(() => detach(local)),
    compareWith: (upstream) => guarded(async () => compareWith(local, await reader.read(), upstream)),
    keepSalvageSlot: (flushed) => guarded(() => keepSalvageSlot(local, flushed)),
    salvage: (upstream, operation) =>
      guarded(async () => {
        const halt = () => stop(local, heart, 'fast');
        return salvage(local, await reader.read(), upstream, operation, halt);
      }),
    salvages: () => readSalvages(config),
    rewind: (upstream, saved) =>
      guarded(async () => ((await isSaved(local, saved)) ? rewind(local, upstream) : refused(...NOT_SAVED))),
    discard: (saved) => guarded(() => discard(local, saved)),
    discardBehind: (upstream) =>
      guarded(async () => {
        const compared = await stillBehind(local, reader, upstream);
        if (compared.kind !== 'done') return compared;
        if (compared.value.verdict !== 'behind')
          return refused(
            'not-behind-now',
            `a second look did not find the WAL gone: ${compared.value.why}; nothing was removed`,
          );
        const stopped = await stop(local, heart, 'fast');
        return stopped.kind === 'done' ? removeData(local) : stopped;
      }),
    setAside: (label) => guarded(() => setAside(local, label)),
    promote: (epoch, how) => guarded(() => promote(local, epoch, how)),
    setSyncList: (list) => guarded(() => setSyncList(local, list)),
    settleSyncList: (list, prove, timeoutMs) => guarded(() => settleSyncList(local, list, prove, timeoutMs)),
    heartbeat: (timeoutMs) => guarded(() => heart.beat(timeoutMs)),
    killAt: (epoch, deadlineMs, ahead) =>
      guarded(async () => {
        const clocks = ahead === undefined ? {} : { ahead };
        const reply = await local.keeper.call({ do: 'deadline', epoch, deadlineMs, ...clocks });
        return reply.ok ? done(undefined) : refused(reply.code, reply.why);
      }),
    async close() {
      ahead.close();
      heart.close();
      local.watch.close();
      local.work.close();
      local.identity.close();
      local.keeper.close();
    },
  };
}

function openLocal(config: PostgresConfig, clock: Clock): Local {
  let secrets: Promise<Secrets> | null = null;
  const readSecrets = (): Promise<Secrets> => {
    secrets ??= readFile(config.secretsPath, 'utf8').then((text) => JSON.parse(text) as Secrets);
    // Not there yet at the first try: read it again at the next.
    secrets.catch(() => {
      secrets = null;
    });
    return secrets;
  };
  const open = async (replication: boolean) =>
    connectLocally(config, await readSecrets(), { database: APP_DATABASE, replication, timeoutMs: CONNECT_TIMEOUT_MS });
  return {
    config,
    clock,
    keeper: connectKeeper(config.keeperSocketPath),
    secrets: readSecrets,
    watch: new Session(() => open(false), clock),
    work: new Session(() => open(false), clock),
    identity: new Session(() => open(true), clock),
    inForce: new InForce(),
  };
}

/** What was refused before anything was done has a code; whatever broke on the way may have happened. */
async function guarded<T>(work: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await work();
  } catch (error) {
    const known = asFarshoreError(error);
    return known.code === 'FSH_FAILED' && !(error instanceof FarshoreError)
      ? unknown(messageOf(error))
      : refused(known.code, known.message);
  }
}

/**
 * A fast stop waits until each receiver has all WAL. That of a copy is no member and confirms nothing: one whose disk is slow would
 * hold up a planned move until it is a kill. A copy asks again, of the next primary.
 */
async function endCopies(local: Local): Promise<void> {
  await local.work.query(END_COPIES, END_COPIES_TIMEOUT_MS).catch(() => undefined);
}

const END_COPIES_TIMEOUT_MS = 500;
const END_COPIES = `SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'farshore'`;

async function stop(local: Local, heart: Heartbeat, how: 'fast' | 'kill'): Promise<Outcome<Stop>> {
  // A fast stop looks every 10 ms whether the last replication connection is gone.
  local.identity.close();
  if (how === 'fast') await endCopies(local);
  const reply = await local.keeper
    .call({ do: 'stop', how, graceMs: FAST_STOP_GRACE_MS }, STOP_TIMEOUT_MS)
    .finally(() => {
      heart.close();
      local.watch.close();
      local.work.close();
      local.identity.close();
    })
    .catch((error: unknown) => messageOf(error));
  if (typeof reply === 'string') {
    // PostgreSQL dies with its keeper (P10.1). Without the keeper's word only an empty list of processes is evidence.
    const left = processesOf(local.config.dataDir).map((member) => member.pid);
    if (left.length > 0) return unknown(`${reply}; still there: ${left.join(' ')}`);
    return done({ evidence: `${reply}; no process of ${local.config.dataDir} is left`, end: null });
  }
  if (!reply.ok) return reply.code === 'not-gone' ? unknown(reply.why) : refused(reply.code, reply.why);
  return done({ evidence: reply.evidence ?? '', end: how === 'fast' ? await cleanEndOf(local.config.dataDir) : null });
}

/** I7: what is here is elsewhere, as of now. */
async function mayReplace(
  local: Local,
  reader: StatusReader,
  from: Upstream,
  grounds: Salvage | 'behind',
): Promise<Outcome<unknown>> {
  if (grounds === 'behind') return stillBehind(local, reader, from);
  return (await isSaved(local, grounds)) ? done(undefined) : refused(...NOT_SAVED);
}

/** `behind` or, when the upstream gave no clear answer for its WAL this time, `same-branch`: either way nothing here is missing there. */
async function stillBehind(local: Local, reader: StatusReader, upstream: Upstream): Promise<Outcome<Comparison>> {
  const compared = await compareWith(local, await reader.read(), upstream);
  if (compared.kind !== 'done') return compared;
  const { verdict, why } = compared.value;
  return verdict === 'behind' || verdict === 'same-branch'
    ? compared
    : refused(verdict, `a second look found it ${verdict}: ${why}; nothing was removed`);
}

async function setAside(local: Local, label: string): Promise<Outcome<{ keptAt: string }>> {
  const { dataDir, runAs } = local.config;
  const reply = await local.keeper.call({ do: 'status' });
  if (!reply.ok || reply.status.postgres !== null) return refused('runs', 'stop PostgreSQL before its data is moved');
  if (await isEmpty(dataDir)) return refused('empty', `nothing to keep in ${dataDir}`);
  const keptAt = await moveAside(dataDir, `aside-${slug(label)}`);
  await makePrivate(dataDir, runAs);
  return done({ keptAt });
}

/** Two members with one name would confirm for each other. */
function assertDistinctNames(config: PostgresConfig): void {
  const names = config.members.map((node) => applicationName(config.group, node, 1));
  assert(new Set(names).size === names.length, `members of ${config.group} have the same name: ${names.join(', ')}`);
}
