import { compareLsn } from '../../base/lsn.ts';
import { type Outcome, done, refused, unknown } from '../../base/result.ts';
import type { Position, Upstream } from '../../ports/database.ts';
import { signal } from '../keeper/processes.ts';
import { type Local, poll, type Row, textOrNull } from './connections.ts';
import { renderConninfo } from './conninfo.ts';
import { identifyLocal } from './identify.ts';
import { changeSetting, settingInForce } from './in-force.ts';
import { renewMemberSlots } from './member-slots.ts';
import { dropSalvageSlot } from './salvage/slot.ts';

const TIMEOUT_MS = 5_000;
const POLL_MS = 5;
/** The startup process ends the receiver by itself within milliseconds, unless it is busy replaying. */
const TERMINATE_AFTER_MS = 50;

/** Points a running standby at an upstream, without restart. `done`: the new setting is in force, not: it streams. */
export async function follow(local: Local, upstream: Upstream): Promise<Outcome<void>> {
  if (!(await inRecovery(local))) return refused('is-primary', 'a primary can only follow after it was stopped');
  await dropSalvageSlot(local);
  await renewMemberSlots(local);
  return setConninfo(local, renderConninfo(local.config, upstream), local.clock.nowMs() + TIMEOUT_MS);
}

/**
 * Cuts the standby from its upstream for good and reads its position: what makes it a fence (P3.1). `done` only when
 * PostgreSQL itself shows that no receiver is left and none can come back under the old setting.
 */
export async function detach(local: Local): Promise<Outcome<Position>> {
  const { clock } = local;
  const deadlineMs = clock.nowMs() + TIMEOUT_MS;
  const [first] = await local.work.query(RECEIVER, TIMEOUT_MS);
  if (first?.['recovery'] !== true) return refused('is-primary', 'a primary has nothing to be detached from');
  // An order finds what was cut off before it: one question instead of six, in the middle of a takeover.
  const isCut = local.inForce.standing('primary_conninfo', '')?.shown === true && first['conninfo'] === '';
  const set = isCut ? done(undefined) : await setConninfo(local, '', deadlineMs);
  if (set.kind !== 'done') return set;
  const since = clock.nowMs();
  let lastReplay: string | null = null;
  let seen = isCut ? first : null;
  const detached = await poll(clock, deadlineMs, POLL_MS, async () => {
    const row = seen ?? (await local.work.query(RECEIVER, TIMEOUT_MS))[0];
    seen = null;
    const replay = textOrNull(row, 'replay_lsn');
    const passedCheck = hasReadSettings(textOrNull(row, 'startup_waits_for'), lastReplay, replay);
    lastReplay ??= replay;
    const receiver = row?.['receiver'];
    if (typeof receiver !== 'number') return passedCheck ? row : null;
    // pg_terminate_backend refuses this kind of process.
    if (clock.nowMs() - since > TERMINATE_AFTER_MS) signal(receiver, 'SIGTERM');
    return null;
  });
  if (detached === null)
    return unknown('a WAL receiver was still there, or the startup process did not answer in time');
  // Nothing comes any more: what is not replayed now is replayed later, and what waits for a next try has replayed all.
  if (waitsForNextTry(detached)) return done(await positionWith(local, detached));
  return readPosition(local, deadlineMs);
}

const RECEIVER = `
SELECT (SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver' LIMIT 1) AS receiver,
  (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup') AS startup_waits_for,
  pg_last_wal_replay_lsn()::text AS replay_lsn, pg_is_in_recovery() AS recovery,
  current_setting('primary_conninfo') AS conninfo, (SELECT max(n)::float8 FROM farshore.epoch) AS stored_epoch`;

/**
 * Has the startup process read the new `primary_conninfo`, or will it before it can ask for a receiver again?
 * Only this process asks for one (WaitForWALToBecomeAvailable in xlogrecovery.c), with the setting it read last. The
 * signal to read it again was sent before a fresh connection showed the new value, so its flag is up by now; what is
 * left is the code between its last look at the flag and the request. It is not there
 * - while it sleeps between two tries, applies a delay or is paused: the first thing after each is a look at the flag;
 * - when it replayed something since: it looks at the flag before every record.
 */
function hasReadSettings(waitsFor: string | null, replayBefore: string | null, replayNow: string | null): boolean {
  if (waitsFor !== null && ['RecoveryRetrieveRetryInterval', 'RecoveryApplyDelay', 'RecoveryPause'].includes(waitsFor))
    return true;
  return replayBefore !== null && replayNow !== null && compareLsn(replayNow, replayBefore) > 0;
}

/** The end of what this standby holds. Received WAL of a newer timeline than the replayed one is waited for. */
export async function readPosition(local: Local, deadlineMs: number): Promise<Outcome<Position>> {
  const position = await poll(local.clock, deadlineMs, POLL_MS, async () => {
    const [row] = await local.work.query(POSITION, TIMEOUT_MS);
    const read = await positionWith(local, row);
    const received = textOrNull(row, 'received');
    return !waitsForNextTry(row) && received !== null && compareLsn(received, read.lsn) > 0 ? null : read;
  });
  return position === null ? unknown('received WAL was not replayed in time to tell its timeline') : done(position);
}

const waitsForNextTry = (row: Row | undefined): boolean =>
  textOrNull(row, 'startup_waits_for') === 'RecoveryRetrieveRetryInterval';

async function positionWith(local: Local, row: Row | undefined): Promise<Position> {
  const { systemId, timeline, lsn } = await identifyLocal(local, TIMEOUT_MS);
  const storedEpoch = row?.['stored_epoch'];
  return { systemId, timeline, lsn, storedEpoch: typeof storedEpoch === 'number' ? storedEpoch : null };
}

const POSITION = `
SELECT pg_last_wal_receive_lsn()::text AS received, (SELECT max(n)::float8 FROM farshore.epoch) AS stored_epoch,
  (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup') AS startup_waits_for`;

export async function inRecovery(local: Local): Promise<boolean> {
  const [row] = await local.work.query('SELECT pg_is_in_recovery() AS recovery', TIMEOUT_MS);
  return row?.['recovery'] === true;
}

async function setConninfo(local: Local, conninfo: string, deadlineMs: number): Promise<Outcome<void>> {
  if (await changeSetting(local, 'primary_conninfo', conninfo)) return done(undefined);
  return settingInForce(local, 'primary_conninfo', conninfo, deadlineMs);
}
