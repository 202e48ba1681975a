import { fail, type Finding, guarded, inconclusive, pass } from '../checks/verdict.ts';
import type { Loss } from '../checks/loss.ts';
import type { Op } from '../ledger.ts';
import { regionOfCohort } from '../load/mix.ts';
import { type Figures, slowest, t0Of } from './figures.ts';
import type { TrialObservation } from './observation.ts';

type Answer = Omit<Finding, 'check'>;
type Check = (o: TrialObservation, figures: Figures) => Answer;

/** Below this share of the intended writes before the fault there was no traffic worth the name. */
const BASELINE_SHARE_MIN = 0.8;
/** So long before the fault a write must have been acknowledged to each region that is judged. */
const RIGHT_BEFORE_MS = 2_000;
/** A generator that stood still in the takeover itself saw nothing of it; a late one on a busy machine did. */
const LATE_IN_FAULT_MAX_MS = 1_000;
/** A replica may be behind for a moment while it is led to another primary. */
const STALE_SHARE_MAX = 0.1;
const WENT_ON_SHARE_MIN = 0.8;

/** Only where the deployment allows a loss at all. */
const TOLD_AND_SAVED = 'what was lost was told and saved';

/** Every check of the drill, in the order in which a person wants to read them: what decides first. */
const CHECKS: Readonly<Record<string, Check>> = {
  injected,
  'the primary moved only if it had to': moved,
  'acknowledged writes are kept': (o, f) => kept(o, f.ledgerLoss, 'rows of the ledger table'),
  'acknowledged orders are kept': (o, f) =>
    o.ledger.rows.some((row) => row.op === 'http-write')
      ? kept(o, f.ordersLoss, 'orders')
      : pass('the deployment has no application'),
  [TOLD_AND_SAVED]: toldAndSaved,
  'kept before the old primary came back': keptAfterPromotion,
  'recovered within the objective': recovered,
  'the pause was as promised': paused,
  'clients that reconnect saw no error': unnoticed,
  'reads found what was acknowledged': fresh,
  'no lost zombie acknowledgements': zombies,
  'one primary per epoch': onePrimary,
  'no cancelled wait was acknowledged': cancelledWaits,
  'traffic before and after': traffic,
  'writes went on': wentOn,
  'the generator was on time': generator,
  'every node was read': everyNodeRead,
  'the region came back': cameBack,
  'its own users are served again': servedAgain,
};

/** Checks that mean nothing in a drill that disturbs all the time, its own generator too. */
const NOT_WHILE_DISTURBED: ReadonlySet<string> = new Set([
  'kept before the old primary came back',
  'recovered within the objective',
  'the generator was on time',
  'its own users are served again',
]);

/** Promised of a planned move alone: of a loss only the objective is. */
/** In any other drill `recovered within the objective` says it. */
const ONLY_DISTURBED = 'writes went on';

const ONLY_PLANNED: ReadonlySet<string> = new Set(['the pause was as promised', 'clients that reconnect saw no error']);

export const findingsOf = (o: TrialObservation, figures: Figures): readonly Finding[] =>
  Object.entries(CHECKS)
    .filter(([check]) => o.name !== 'no-false-alarm' || !NOT_WHILE_DISTURBED.has(check))
    .filter(([check]) => o.name === 'no-false-alarm' || check !== ONLY_DISTURBED)
    .filter(([check]) => o.planned || !ONLY_PLANNED.has(check))
    .filter(([check]) => check !== TOLD_AND_SAVED || o.objectives.rpoMs > 0)
    .map(([check, run]) => guarded(check, () => run(o, figures)));

function injected({ injected: fault }: TrialObservation): Answer {
  if (fault === null) return inconclusive('the fault was never in force');
  if (fault.processes === 0) return inconclusive('there was no process to hit');
  if (fault.unreal !== undefined) return inconclusive(`never in force: ${fault.unreal}`);
  if (fault.lapsed !== undefined) return inconclusive(`not in force until its undo: ${fault.lapsed}`);
  return pass(`${fault.what}: ${fault.evidence}`);
}

function moved(o: TrialObservation, { change, newTimelines }: Figures): Answer {
  const { expects, primaryBefore, primaryAfter, asked } = o;
  // A takeover that chose the same node again counts as well.
  const reigns = new Set(o.samples.filter((sample) => sample.openPrimary).map((sample) => sample.epoch));
  if (expects === 'move' && change === null) return fail('no write was acknowledged by another primary');
  if (expects === 'move' && newTimelines.length > 1)
    return fail(
      `it moved ${newTimelines.length} times: writes were acknowledged under timelines ${newTimelines.join(', ')}`,
    );
  if (asked !== null && asked.state !== 'done') return fail(`${asked.id} is ${asked.state}`);
  if (asked !== null && !isIn(asked.target, primaryAfter))
    return fail(`${primaryAfter ?? 'nobody'} is the primary, and ${asked.target} was asked for`);
  if (expects === 'stay' && change !== null)
    return fail(`the primary moved although nothing was wrong with it: timeline ${change.newTimeline}`);
  if (expects === 'stay' && reigns.size > 1) return fail(`the primary reigned under epochs ${[...reigns].join(', ')}`);
  const where = change === null ? `${primaryBefore} stayed` : `${primaryBefore} → ${primaryAfter ?? 'nobody'}`;
  return pass(expects === 'either' ? `${where}; either is right` : where);
}

/** A node is named `REGION/NODE`. */
const isIn = (region: string, node: string | null): boolean => node !== null && node.startsWith(`${region}/`);

function kept({ objectives }: TrialObservation, loss: Loss | null, what: string): Answer {
  if (loss === null) return inconclusive('no node could be read as the primary');
  const { acknowledged, lost, holes, phantom, duplicates, missing, extra } = loss;
  if (acknowledged === 0) return inconclusive(`no ${what} were acknowledged`);
  if (holes.length > 0) return fail(`${holes.length} lost although later ones were kept, such as ${holes[0]}`);
  if (phantom.length > 0) return fail(`${phantom.length} are there that no client was told of, such as ${phantom[0]}`);
  if (duplicates.length > 0) return fail(`${duplicates.length} are there twice, such as ${duplicates[0]}`);
  const [gap] = missing;
  if (gap !== undefined) return fail(`${gap.node} lacks ${gap.ids.length} that the primary has, such as ${gap.ids[0]}`);
  const [branch] = extra;
  if (branch !== undefined)
    return fail(`${branch.node} has ${branch.ids.length} that the primary lacks, such as ${branch.ids[0]}`);
  if (lost.length > 0 && (objectives.rpoMs === 0 || loss.exposureMs > objectives.rpoMs)) {
    return fail(`${lost.length} of ${acknowledged} acknowledged ${what} are lost, such as ${lost[0]}`);
  }
  return pass(`${lost.length} of ${acknowledged} acknowledged ${what} lost`);
}

function keptAfterPromotion({ objectives }: TrialObservation, { change, lostAfterPromotion }: Figures): Answer {
  if (change === null) return pass('the primary did not move');
  if (lostAfterPromotion === null) return inconclusive('the new primary could not be read while the old one was down');
  if (lostAfterPromotion > 0 && objectives.rpoMs === 0) return fail(`${lostAfterPromotion} were missing`);
  return pass(`${lostAfterPromotion} missing`);
}

/** Async (F24, P8.3): the takeover named a bound, what was lost lies within it, and all of it is in a salvage. */
function toldAndSaved({ told }: TrialObservation, { ledgerLoss, ordersLoss }: Figures): Answer {
  const losses = [ledgerLoss, ordersLoss].flatMap((loss) => (loss === null ? [] : [loss]));
  const lost = losses.reduce((sum, loss) => sum + loss.lost.length, 0);
  if (lost === 0) return pass('nothing was lost');
  const { bound, saved } = told;
  if (bound?.ms == null) return fail(`${lost} were lost, and the takeover named no bound`);
  const spanMs = Math.round(Math.max(...losses.map((loss) => loss.exposureMs)));
  if (spanMs > bound.ms) return fail(`${lost} were lost over ${spanMs} ms; the takeover said ${bound.text}`);
  if (saved < lost) return fail(`${lost} were lost, and ${saved} transactions were saved`);
  return pass(`${lost} lost over ${spanMs} ms, within ${bound.ms} ms as told; ${saved} transactions saved`);
}

function recovered({ objectives, injected: fault }: TrialObservation, { streams }: Figures): Answer {
  if (fault === null) return inconclusive('there was nothing to recover from');
  const never = streams.find((stream) => stream.judged && stream.rtoMs === null);
  if (never !== undefined) return fail(`${never.op} of ${never.region} never became stable`);
  const rtoMs = slowest(streams);
  if (rtoMs === null) return inconclusive('no stream of a surviving region was seen');
  const said = `${Math.round(rtoMs)} ms, objective ${objectives.rtoMs} ms`;
  return rtoMs <= objectives.rtoMs ? pass(said) : fail(said);
}

function paused({ prediction }: TrialObservation, { change }: Figures): Answer {
  if (change === null) return inconclusive('the primary did not move');
  const said = `${Math.round(change.gapMs)} ms, promised ${Math.round(prediction.promisedMs)} ms`;
  return change.gapMs <= prediction.promisedMs ? pass(said) : fail(said);
}

/** Whoever was in flight at t0 or came later: a session that is ended between transactions is opened again, and waits. */
function unnoticed(_: TrialObservation, { errorsSeen }: Figures): Answer {
  const [first] = errorsSeen;
  if (first === undefined) return pass('0 errors');
  return fail(`${errorsSeen.length} errors, such as ${first.op} of ${first.cohort}: ${first.code}`);
}

function zombies(_: TrialObservation, { zombies: found, ledgerLoss }: Figures): Answer {
  if (ledgerLoss === null) return inconclusive('no node could be read as the primary');
  const { ids, notHeld } = found;
  if (notHeld.length > 0)
    return fail(`${notHeld.length} acknowledged by the old primary after the new one, and lost, such as ${notHeld[0]}`);
  return pass(ids.length === 0 ? 'none' : `${ids.length} acknowledged by the old primary, all held by the new one`);
}

function onePrimary(o: TrialObservation, { primaries, heardOpen }: Figures): Answer {
  const { contested, epochs } = primaries;
  if (contested.length > 0) {
    const both = epochs.find((entry) => entry.epoch === contested[0])?.nodes.join(' and ');
    return fail(`epoch ${contested[0]} had ${both} open at some time`);
  }
  // What the databases hold of all epochs since the world began does not say who was open now.
  const { before, after } = heardOpen;
  if (before.length === 0) return inconclusive('no agent was heard to be open before the fault');
  if (o.expects === 'move' && !after.some((epoch) => !before.includes(epoch)))
    return inconclusive('no agent was heard to be open under a newer epoch');
  return pass(`epochs ${epochs.map((entry) => entry.epoch).join(', ')}, one node each`);
}

function cancelledWaits({ cancelledWaits: warnings }: TrialObservation, { errorsReturned }: Figures): Answer {
  if (warnings === null) return inconclusive('the log of a server could not be read');
  if (warnings > errorsReturned)
    return fail(`${warnings} waits were cancelled, ${errorsReturned} clients were told that the outcome is unknown`);
  return pass(`${warnings} waits cancelled`);
}

function traffic(o: TrialObservation): Answer {
  const t0Ms = t0Of(o);
  const { rejoinedMs } = o.undo;
  // A drill that prepares by a failover has its baseline after it.
  const baselineFromMs = rejoinedMs !== null && rejoinedMs < t0Ms ? rejoinedMs : Number.NEGATIVE_INFINITY;
  for (const region of o.survivors) {
    const writes = o.ledger.rows.filter((row) => row.op === 'sql-write' && regionOfCohort(row.cohort) === region);
    const intended = writes.filter((row) => row.intendedMs >= baselineFromMs && row.intendedMs < t0Ms - 1_000);
    const acknowledged = intended.filter((row) => row.outcome === 'ok');
    if (intended.length === 0 || acknowledged.length < intended.length * BASELINE_SHARE_MIN)
      return inconclusive(`${region}: ${acknowledged.length} of ${intended.length} writes worked before the fault`);
    const fromMs = o.injected?.fromMs ?? t0Ms;
    // The last one before the fault is the only one that can be lost.
    if (!writes.some((row) => row.outcome === 'ok' && row.doneMs <= t0Ms && row.doneMs > fromMs - RIGHT_BEFORE_MS))
      return inconclusive(`${region}: no write was acknowledged in the last ${RIGHT_BEFORE_MS} ms before the fault`);
    if (!writes.some((row) => row.outcome === 'ok' && row.intendedMs > t0Ms))
      return fail(`${region}: no write was acknowledged after the fault`);
  }
  const ops = new Set<Op>(o.ledger.rows.filter((row) => row.outcome === 'ok').map((row) => row.op));
  const dead = [...new Set(o.ledger.rows.map((row) => row.op))].filter((op) => !ops.has(op));
  return dead.length > 0 ? inconclusive(`no ${dead.join(', ')} ever worked`) : pass('every kind of request worked');
}

/** Days of disturbances: writes may wait through each, and most of them must be acknowledged. */
function wentOn(o: TrialObservation, { writesWentOn }: Figures): Answer {
  if (!o.ledger.complete) return inconclusive(INCOMPLETE);
  for (const { region, share, longestGapMs } of writesWentOn) {
    const said = `${region}: ${Math.round(share * 100)} % of the writes were acknowledged, the longest gap is ${Math.round(longestGapMs)} ms`;
    if (share < WENT_ON_SHARE_MIN || longestGapMs > o.objectives.rtoMs) return fail(said);
  }
  const gapMs = Math.max(...writesWentOn.map((it) => it.longestGapMs));
  return pass(
    `${Math.round(Math.min(...writesWentOn.map((it) => it.share)) * 100)} % acknowledged; longest gap ${Math.round(gapMs)} ms`,
  );
}

/** Readers ask for orders that were acknowledged two seconds ago: one that is not there is stale, or lost. */
function fresh(_: TrialObservation, { readsOfAcknowledged: { asked, stale } }: Figures): Answer {
  if (asked === 0) return pass('nobody read an order that was acknowledged before');
  const said = `${stale} of ${asked} reads did not find an order that was acknowledged 2 s before`;
  return stale <= asked * STALE_SHARE_MAX ? pass(said) : fail(said);
}

const INCOMPLETE = 'the load process did not end by itself: the ledger is incomplete';

function generator({ ledger }: TrialObservation, { sendLag, lateInFaultMs }: Figures): Answer {
  if (!ledger.complete) return inconclusive(INCOMPLETE);
  if (lateInFaultMs > LATE_IN_FAULT_MAX_MS)
    return inconclusive(
      `it was ${Math.round(lateInFaultMs)} ms late while service came back: what users met then is not known`,
    );
  const said = `p99 ${sendLag.p99Ms.toFixed(1)} ms late`;
  return sendLag.trustworthy ? pass(said) : inconclusive(`${said}: requests were not sent when they were due`);
}

function everyNodeRead({ unread, final }: TrialObservation): Answer {
  const [first] = unread;
  if (first !== undefined) return inconclusive(`${first.node}: ${first.why}`);
  const primaries = final.filter((read) => read.isPrimary).length;
  if (primaries !== 1) return fail(`${primaries} nodes are primaries`);
  return pass(`${final.length} nodes, each over its own socket`);
}

function cameBack({ undo }: TrialObservation): Answer {
  if (!undo.complete) return fail(`undo incomplete: ${undo.why}`);
  return undo.rejoinedMs === null ? fail(`it did not follow again: ${undo.why}`) : pass(undo.why);
}

function servedAgain({ undo, lost }: TrialObservation, { servedAgainMs }: Figures): Answer {
  if (undo.releasedMs === null) return inconclusive('it was not released');
  if (servedAgainMs === null) return fail(`no write of the users of ${lost.region} was acknowledged afterwards`);
  return pass(`first write of ${lost.region}'s own users ${Math.round(servedAgainMs)} ms after the release`);
}
