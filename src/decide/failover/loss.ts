import type { NodeId } from '../../base/ids.ts';
import { compareLsn, lsnBytes, type Lsn } from '../../base/lsn.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { LossBound } from '../../ports/records.ts';
import type { Observation, TrailPoint } from './observation.ts';
import { isAsync } from './quorum.ts';
import { isDetachable } from './suspicion.ts';

/** The end of a node's WAL as it was heard last. */
export const endOf = (o: Observation, node: NodeId): Lsn | null =>
  (node === o.me ? o.local?.endLsn : o.peers.get(node)?.pulse?.endLsn) ?? null;

export const heartbeatAgeOf = (o: Observation, node: NodeId): number | null =>
  (node === o.me ? o.local?.heartbeatAgeMs : o.peers.get(node)?.pulse?.heartbeatAgeMs) ?? null;

/** Of all the recorded names, each of which is in reach. */
function holdsTheMost(o: Observation, target: NodeId, names: readonly NodeId[]): boolean {
  const mine = endOf(o, target);
  return names.every((name) => {
    const end = isDetachable(o, name) ? endOf(o, name) : null;
    return mine !== null && end !== null && compareLsn(end, mine) <= 0;
  });
}

/** What promoting `target` would lose, as far as anybody heard. Async: at most; else at least. */
export function lossOf(o: Observation, target: NodeId): LossBound {
  const record = o.store.sync?.value;
  return record !== undefined && isAsync(record)
    ? lossBeyond(o, endOf(o, target), holdsTheMost(o, target, record.names))
    : knownLossOf(o, target);
}

/**
 * F24: at most what is lost with everything beyond `end`, async. The trail of the primary's pulses says until when its WAL
 * ended at or before `end`: what it acknowledged up to then is not lost. After its end by lease or death it acknowledged nothing.
 * In between anything may have been. Of the primary's clock only differences are used.
 */
export function lossBeyond(o: Observation, end: Lsn | null, isFurthestOfAll: boolean): LossBound {
  const record = o.store.sync?.value;
  const reign = record === undefined ? null : (o.peers.get(record.primary)?.reign ?? null);
  const trail = reign !== null && reign.epoch === record?.epoch ? reign.trail : [];
  const last = trail.at(-1);
  if (record === undefined || last === undefined || end === null)
    return { ms: null, bytes: null, text: 'unknown: the old primary was not heard serving since this agent started' };
  const overAtMs = endedAtMs(o, record.primary);
  // A pulse that was held up on its way would tell an old end as a new one: each is dated by the quickest of all.
  const offsetMs = Math.min(...trail.map((point) => point.heardAtMs - point.atMs));
  const silentMs = Math.max(0, overAtMs - (last.atMs + offsetMs));
  const missing = Math.max(0, lsnBytes(end, last.lsn));
  const bytes = missing + Math.ceil((reckonedRate(trail) * silentMs) / 1_000);
  const held = trail.findLast((point) => compareLsn(point.lsn, end) <= 0);
  const known = `${missing} B known to be missing, at most about ${bytes} B with what was not heard`;
  if (held === undefined)
    return { ms: null, bytes, text: `unknown in time: longer than was listened; ${known}, beyond ${end}` };
  // The quickest was on its way too, for no longer than this where a failover is worth automating.
  const heardMs = Math.ceil(Math.max(0, overAtMs - (held.atMs + offsetMs)) + ONE_WAY_MS_MAX);
  // With a guard nothing was acknowledged while the furthest lagged more, and its gateway stops when its agent does (M7).
  const guardedMs = o.policy.async?.guard === 'block' && isFurthestOfAll ? o.policy.async.rpoMs : heardMs;
  const ms = Math.min(heardMs, guardedMs);
  return { ms, bytes, text: `at most ${ms} ms of acknowledged writes; ${known}, beyond ${end}` };
}

/** Nothing was acknowledged after this, by this node's clock. While the lease stands, it may yet be renewed once. */
function endedAtMs(o: Observation, primary: NodeId): number {
  const peer = o.peers.get(primary);
  const isKilled = peer?.pulse?.role === 'standby' && peer.brokenSinceMs === null;
  if (isKilled) return Math.min(peer.roleSinceMs, o.nowMs);
  if (o.store.leaseGoneAtMs === null) return o.nowMs + o.knobs.leaseTtlMs;
  // Every promotable node's word may have held it up beyond its lease (P6); each of them knows until when.
  const heldUpMs = o.policy.promotable.includes(o.me) ? o.promisedUntilMs : o.nowMs;
  return Math.min(Math.max(o.store.leaseGoneAtMs, heldUpMs), o.nowMs);
}

const ONE_WAY_MS_MAX = 200;

/** A segment of WAL that is left half empty looks like a burst; over this long it weighs little. */
const RATE_OVER_MS = 10_000;
/** What is not heard may be busier than what was. */
const RATE_MARGIN = 2;

/** Bytes of WAL a second that are reckoned for the time in which nothing was heard. */
function reckonedRate(trail: readonly TrailPoint[]): number {
  const last = trail.at(-1);
  const first = trail.find((point) => last !== undefined && point.atMs >= last.atMs - RATE_OVER_MS);
  if (first === undefined || last === undefined) return 0;
  return (RATE_MARGIN * lsnBytes(first.lsn, last.lsn) * 1_000) / Math.max(1_000, last.atMs - first.atMs);
}

/** Exact, when the end of the old primary is known: it was stopped by order, or detached and read like any other. */
export function lossUpTo(end: Lsn, oldEnd: Lsn): LossBound {
  const bytes = Math.max(0, lsnBytes(end, oldEnd));
  if (bytes === 0) return { ms: 0, bytes: 0, text: 'nothing: everything up to the end of the old primary is held' };
  return { ms: null, bytes, text: `${bytes} B, up to the end of the old primary at ${oldEnd}` };
}

/** F24: the loss that the deployment file lets happen without a person. Null: within it. */
export function whyTooMuch({ async: limits }: GroupPolicy, loss: LossBound): Reason | null {
  if (limits === null || loss.bytes === 0) return null;
  if (loss.ms === null) return because('loss-unknown', `how much would be lost is not known: ${loss.text}`);
  if (loss.ms > limits.rpoMs)
    return because('loss-beyond-rpo', `${loss.text}: more than the RPO of ${limits.rpoMs} ms`);
  const { maxLossBytes } = limits;
  if (maxLossBytes !== null && (loss.bytes ?? Number.POSITIVE_INFINITY) > maxLossBytes)
    return because('loss-beyond-max', `${loss.text}: more than maxLoss, ${maxLossBytes} B`);
  return null;
}

/**
 * RPO-0 modes, under force: from the target's newest heartbeat to the last commit that the old primary was heard to make.
 * Nobody can know what a primary acknowledged after it was heard last; that is why a person has to vouch for its end.
 */
function knownLossOf(o: Observation, target: NodeId): LossBound {
  const primary = o.store.sync?.value.primary;
  const heard = primary === undefined ? undefined : o.peers.get(primary);
  const age = heartbeatAgeOf(o, target);
  if (heard?.pulse == null || heard.pulse.role !== 'primary' || age === null)
    return { ms: null, bytes: null, text: 'unknown: the old primary was not heard since the agents started' };
  const lastCommitAgeMs = o.nowMs - heard.heardAtMs + heard.pulse.commitAgeMs;
  // One pulse and one heartbeat may have been on their way.
  const ms = Math.ceil(Math.max(0, age - lastCommitAgeMs) + o.knobs.pulseEveryMs + o.knobs.heartbeatEveryMs);
  const [mine, theirs] = [endOf(o, target), heard.pulse.endLsn];
  const bytes = mine === null || theirs === null ? null : Math.max(0, lsnBytes(mine, theirs));
  return {
    ms,
    bytes,
    text: `at least about ${ms} ms of writes, ${bytes ?? 'unknown'} B known to be missing; ${primary} was heard last ${Math.round((o.nowMs - heard.heardAtMs) / 1_000)} s ago`,
  };
}
