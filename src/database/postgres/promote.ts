import { type Outcome, done, refused, unknown } from '../../base/result.ts';
import type { Position, Promoting } from '../../ports/database.ts';
import { type Local, type Row, poll } from './connections.ts';
import { inRecovery } from './follow.ts';
import { identifyLocal, localHistory } from './identify.ts';
import { makeSchema, storeEpoch } from './roles.ts';
import { keepSalvageSlot } from './salvage/slot.ts';
import { SCHEMA_IS_WHOLE } from './schema.ts';

const TIMEOUT_MS = 5_000;
/** How long the promotion itself may take: PostgreSQL replays what it has received first. */
const PROMOTE_TIMEOUT_MS = 60_000;
const POLL_MS = 5;
/** A promotion without its salvage slot is as good, and the slot is made as soon as it can be. */
const SLOT_MS_MAX = 500;

/**
 * Promotes this standby and stores the epoch in it. Repeating it after an interruption finishes it: a primary whose
 * timeline is newer than that of its newest stored epoch was promoted and not yet stored.
 */
export async function promote(local: Local, epoch: number, how: Promoting = {}): Promise<Outcome<Position>> {
  const [[row], before] = await Promise.all([local.work.query(BEFORE, TIMEOUT_MS), identifyLocal(local, TIMEOUT_MS)]);
  const stored = typeof row?.['stored_epoch'] === 'number' ? row['stored_epoch'] : null;
  const storedTimeline = typeof row?.['stored_timeline'] === 'number' ? row['stored_timeline'] : 0;
  if (stored !== null && stored > epoch)
    return refused('older-epoch', `the database holds epoch ${stored}, not ${epoch}`);
  if (row?.['recovery'] !== true) {
    if (stored === epoch) return done({ ...before, storedEpoch: epoch });
    if (before.timeline <= storedTimeline)
      return refused('is-primary', `a primary of epoch ${stored} is stopped before it begins epoch ${epoch}`);
    const late = how.salvageSlot === true ? beginSlot(local, Promise.resolve()) : null;
    return finish(local, epoch, before.timeline, row, late);
  }
  if (stored === epoch) return refused('epoch-used', `epoch ${epoch} is stored already: another primary began it`);
  const ending = endRecovery(local, before.timeline);
  // Its connection is opened while the recovery ends. After a failure the slot finds a standby, and is not made.
  const slot = how.salvageSlot === true ? beginSlot(local, ending) : null;
  const ended = await ending;
  if (ended.kind !== 'done') return ended;
  how.onPromoted?.();
  // Replay may have brought an epoch since the first look: its timeline is the one that the fork is of.
  const [replayed] = await local.work.query(BEFORE, TIMEOUT_MS);
  const newest = replayed?.['stored_epoch'];
  if (typeof newest === 'number' && newest >= epoch)
    return refused('epoch-used', `what was replayed holds epoch ${newest}, not less than ${epoch}`);
  return finish(local, epoch, ended.value, replayed, slot);
}

/** P8.3. It waits for every open transaction: nobody can write yet, so there is that of the epoch and no other. */
const beginSlot = (local: Local, recoveryEnded: Promise<unknown>): Promise<unknown> =>
  Promise.race([
    // A long recovery uses up its time: then it is made after it.
    keepSalvageSlot(local, null, recoveryEnded).catch(async () => {
      await recoveryEnded;
      await keepSalvageSlot(local, null);
    }),
    recoveryEnded.then(() => local.clock.sleep(SLOT_MS_MAX)),
  ]).catch(() => undefined);

/** The new timeline. */
async function endRecovery(local: Local, timelineBefore: number): Promise<Outcome<number>> {
  // Asked to wait, pg_promote looks every 100 ms only; nobody writes until it has seen the end of a recovery that takes 30.
  const [result] = await local.work.query('SELECT pg_promote(false) AS promoted', TIMEOUT_MS);
  if (result?.['promoted'] !== true) return unknown('PostgreSQL was not told to end its recovery');
  const deadlineMs = local.clock.nowMs() + PROMOTE_TIMEOUT_MS;
  const over = await poll(local.clock, deadlineMs, POLL_MS, async () => ((await inRecovery(local)) ? null : true));
  if (over === null) return unknown(`PostgreSQL did not end its recovery within ${PROMOTE_TIMEOUT_MS / 1_000} s`);
  const now = await identifyLocal(local, TIMEOUT_MS);
  return now.timeline > timelineBefore
    ? done(now.timeline)
    : unknown(`PostgreSQL left recovery on timeline ${now.timeline}, not a new one after ${timelineBefore}`);
}

/** Nobody is let in before this is done: whoever reads the epoch finds with it where the one before ended. */
async function finish(
  local: Local,
  epoch: number,
  timeline: number,
  before: Row | undefined,
  slot: Promise<unknown> | null,
): Promise<Outcome<Position>> {
  if (before?.['whole'] !== true) await makeSchema(local);
  // The last epoch that is stored: a promotion after it that was never finished has let nobody in.
  const left = (await localHistory(local, timeline, TIMEOUT_MS)).find(
    (fork) => fork.timeline === before?.['stored_timeline'],
  );
  await Promise.all([storeEpoch(local, epoch, left?.lsn ?? null), slot]);
  return done({ ...(await identifyLocal(local, TIMEOUT_MS)), storedEpoch: epoch });
}

const BEFORE = `
SELECT pg_is_in_recovery() AS recovery, newest.n::float8 AS stored_epoch, newest.timeline AS stored_timeline,
  ${SCHEMA_IS_WHOLE} AS whole
FROM (SELECT 1) one LEFT JOIN (SELECT n, timeline FROM farshore.epoch ORDER BY n DESC LIMIT 1) newest ON true`;
