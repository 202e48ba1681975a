import type { NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { Position } from '../../ports/database.ts';
import type { FenceRecord, LossBound } from '../../ports/records.ts';
import { whyOtherBranch } from './branch.ts';
import { isNamed } from './checks.ts';
import { whyUnfit } from './drift.ts';
import { lossBeyond, lossOf, lossUpTo, whyTooMuch } from './loss.ts';
import { endTakeover } from './moving.ts';
import type { Observation } from './observation.ts';
import { homeFirst, neighboursOf } from './neighbours.ts';
import { choose, furthestOf, hasPositionQuorum, isAsync, isFurther } from './quorum.ts';
import {
  type Action,
  type FailoverState,
  fenceKindOf,
  overtaken,
  stay,
  STEADY,
  type Step,
  takeoverOf,
} from './state.ts';
import { isDetachable, isHeard } from './suspicion.ts';

type Fencing = Extract<FailoverState, { kind: 'fencing' }>;

/** How long a takeover waits for the position of a node in the primary's own region once it has a quorum. */
const NEIGHBOUR_MS = 2_000;
/** How long a takeover that a person asked for waits for the node that was named before it takes another. */
const TARGET_MS = 2_000;
/** Async: how long a takeover waits for the position of a candidate in reach: the furthest of all loses the least. */
const CANDIDATE_MS = 1_000;

/** The epoch is written. The recorded set is detached and read until it is a position quorum (P3.1, P3.2). */
export function decideFencing(state: Fencing, o: Observation): Step {
  if (overtaken(state, o))
    return stay(STEADY, because('overtaken', `epoch ${state.epoch} was overtaken by ${o.store.epoch?.value.n}`));
  const positions = withNewPositions(state, o);
  const next: Fencing = { ...state, positions };
  if (waitsForTarget(next, o)) return askTheRest(next, o);
  if (awaitsCandidate(next, o)) return askTheRest(next, o);
  if (hasPositionQuorum(state.record.value, new Set(positions.keys()))) return toPositioning(next, o);
  const forced = forcedChoice(next, o);
  if (forced !== null) return forced;
  if (o.nowMs - state.startedAtMs > o.knobs.takeoverPatienceMs) return giveUp(next, o);
  return askTheRest(next, o);
}

function withNewPositions(state: Fencing, o: Observation): ReadonlyMap<NodeId, Position> {
  const positions = new Map(state.positions);
  for (const result of o.results) {
    if (result.of !== 'detach' || result.kind !== 'done' || result.epoch !== state.epoch) continue;
    if (belongs(result.node, result.position, state, o)) positions.set(result.node, result.position);
  }
  return positions;
}

/**
 * A position of another cluster, of a database that has seen this epoch or a later one (I1), or of another branch (I10)
 * proves nothing here: a forked member's newer timeline would win over the writes that the others hold.
 */
function belongs(node: NodeId, position: Position, state: Fencing, o: Observation): boolean {
  const systemId = o.store.epoch?.value.systemId;
  const record = state.record.value;
  const branch = node === record.primary ? null : whyOtherBranch(o, record, position);
  return position.systemId === systemId && (position.storedEpoch ?? 0) < state.epoch && branch === null;
}

/** Everybody in the record who is heard and was not read yet is asked, again and again until the takeover's time is over. */
function askTheRest(state: Fencing, o: Observation): Step {
  const askAgainAtMs = new Map(state.askAgainAtMs);
  for (const result of o.results) {
    const failed = result.of === 'detach' && result.epoch === state.epoch && result.kind !== 'done';
    if (failed) askAgainAtMs.set(result.node, o.nowMs + o.knobs.brokenAfterMs);
  }
  const actions: Action[] = [];
  for (const node of membersToRead(state, o)) {
    if (state.positions.has(node) || !isHeard(o, node) || o.nowMs < (askAgainAtMs.get(node) ?? 0)) continue;
    if (node === o.me && o.local?.state !== 'standby') continue;
    askAgainAtMs.set(node, o.nowMs + o.knobs.orderTimeoutMs);
    actions.push({ do: 'detach', takeover: state, node });
  }
  const asked = [...askAgainAtMs.keys()].join(', ') || 'nobody';
  const why = because('detaching', `${state.positions.size} members are read; ${asked} was asked to detach`);
  return { state: { ...state, askAgainAtMs }, actions, why };
}

/** A quorum without a permitted candidate, or behind the recorded position, may still get a better one: more are asked. */
function toPositioning(state: Fencing, o: Observation): Step {
  // F14: a node that could not serve as primary is no candidate; what it holds still counts as read.
  const fit = preferred(state, o).filter((node) => whyUnfit(o, node) === null);
  const awaited = awaitedNeighbour(state, o, fit);
  if (awaited !== null) return awaited;
  const choice = choose(state.record.value, state.positions, o.store.position, fit);
  if (choice.kind === 'refused') {
    const unfit = o.policy.promotable.flatMap((node) => whyUnfit(o, node) ?? []);
    return notYet(state, o, because(choice.code, [choice.why, ...unfit].join('; ')));
  }
  const { target, position } = choice;
  const loss = isAsync(state.record.value) ? lossWith(state, o, position) : null;
  const tooMuch = loss === null ? null : whyLossForbids(state, o, loss);
  if (tooMuch !== null) return notYet(state, o, tooMuch);
  const fence = {
    ...fenceOf(state, o, target),
    ...carriedLoss(state, o),
    ...(loss === null || loss.bytes === 0 ? {} : { loss }),
    ...acceptedLoss(state, o, loss),
  };
  return {
    state: { ...takeoverOf(state), kind: 'positioning', target, position },
    actions: [{ do: 'record-takeover', takeover: state, target, fence }],
    why: because('position-proved', loss === null ? choice.why : `${choice.why}; lost with it: ${loss.text}`),
  };
}

function notYet(state: Fencing, o: Observation, why: Reason): Step {
  if (o.nowMs - state.startedAtMs > o.knobs.takeoverPatienceMs)
    return endTakeover(takeoverOf(state), o, { state: 'refused', why });
  return { ...askTheRest(state, o), why };
}

/** F24: everybody who may hold more is read, for a moment. */
function awaitsCandidate(state: Fencing, o: Observation): boolean {
  if (!isAsync(state.record.value) || o.nowMs - state.startedAtMs > CANDIDATE_MS) return false;
  return membersToRead(state, o).some((node) => !state.positions.has(node) && isDetachable(o, node));
}

/** F24: exact when the old primary's end is known, else a bound. */
function lossWith(state: Fencing, o: Observation, { lsn }: Position): LossBound {
  const oldEnd = state.positions.get(state.record.value.primary)?.lsn ?? state.move?.handedOver?.lsn;
  const allRead = state.record.value.names.every((name) => state.positions.has(name));
  return oldEnd === undefined ? lossBeyond(o, lsn, allRead) : lossUpTo(lsn, oldEnd);
}

/** A reign that never opened took nothing back: what was lost with it is lost with the next one. */
function carriedLoss({ record }: Fencing, o: Observation): Pick<FenceRecord, 'loss' | 'lossAccepted'> {
  const { recordFence, routesEpoch } = o.store;
  if (routesEpoch >= record.value.epoch || recordFence === null) return {};
  const { loss, lossAccepted } = recordFence;
  return { ...(loss === undefined ? {} : { loss }), ...(lossAccepted === undefined ? {} : { lossAccepted }) };
}

/** A planned move loses nothing; a takeover what the file allows; a forced one what a person named. */
function whyLossForbids({ move }: Fencing, o: Observation, loss: LossBound): Reason | null {
  if (move?.handedOver != null && loss.bytes !== 0)
    return because('target-behind', `a planned move loses nothing: ${loss.text}`);
  const tooMuch = whyTooMuch(o.policy, loss);
  return tooMuch !== null && isNamed(loss, move?.force?.lossMs ?? null) ? null : tooMuch;
}

/** Async: more than the file allows was lost, because a person named it. Who that was stays on record. */
function acceptedLoss({ move }: Fencing, o: Observation, loss: LossBound | null): Pick<FenceRecord, 'lossAccepted'> {
  const force = move?.force ?? null;
  if (force === null || loss === null || whyTooMuch(o.policy, loss) === null) return {};
  return { lossAccepted: { ms: force.lossMs, actor: force.actor, reason: force.reason } };
}

/** A neighbour in reach is read before another region is taken: it keeps the region where it is. Not for long. */
function awaitedNeighbour(state: Fencing, o: Observation, fit: readonly NodeId[]): Step | null {
  if (state.move !== null || o.nowMs - state.startedAtMs > NEIGHBOUR_MS) return null;
  const { primary } = state.record.value;
  const unread = neighboursOf(o.policy, primary).find(
    (node) => fit.includes(node) && !state.positions.has(node) && isDetachable(o, node),
  );
  if (unread === undefined) return null;
  const text = `${unread} is in the region of ${primary}: it is read before another region takes over`;
  return { ...askTheRest(state, o), why: because('neighbour-first', text) };
}

/**
 * The node that a person asked for comes first among equals, a primary that nobody sees commit last (F22); position and
 * residency still come before both.
 */
function preferred(state: Fencing, o: Observation): readonly NodeId[] {
  const target = state.move?.target;
  const { primary } = state.record.value;
  const home = homeFirst(o.policy, primary);
  const isLast = state.unseen && home.includes(primary);
  const order = isLast ? [...home.filter((node) => node !== primary), primary] : home;
  const rest = order.filter((node) => node !== target);
  return target !== undefined && order.includes(target) ? [target, ...rest] : rest;
}

/** A quorum without the node that was asked for would promote another one: that one is given a moment. */
function waitsForTarget(state: Fencing, o: Observation): boolean {
  const target = state.move?.target;
  if (target === undefined || state.positions.has(target)) return false;
  return o.nowMs - state.startedAtMs < TARGET_MS && isHeard(o, target);
}

/** Under force everybody who has data is read: the one that holds the most loses the least (I6). */
function membersToRead(state: Fencing, o: Observation): readonly NodeId[] {
  const { names, primary } = state.record.value;
  // F19: during a pause only a restarted primary takes over, from itself; a quorum of others could choose another node.
  if (state.move === null && o.store.paused !== null && primary === o.me) return [primary];
  if (state.move?.force != null) return [...new Set([...names, primary, ...o.policy.dataNodes])];
  // One that was just stopped by order, or that commits nothing, would only be a quorum for itself: it comes when the others do not.
  const comesLast = state.move?.handedOver != null || (state.unseen && canDoWithout(primary, state, o));
  const stopped = comesLast && o.nowMs - state.startedAtMs < TARGET_MS;
  const neighbours = neighboursOf(o.policy, primary).filter((node) => isDetachable(o, node));
  return [...names, ...(stopped ? [] : [primary]), ...neighbours];
}

/** F22: the standbys that were read or can be are a position quorum, and one of them may become primary. */
function canDoWithout(primary: NodeId, state: Fencing, o: Observation): boolean {
  const others = state.record.value.names.filter((node) => state.positions.has(node) || isDetachable(o, node));
  const isCandidate = (node: NodeId): boolean =>
    node !== primary && o.policy.promotable.includes(node) && whyUnfit(o, node) === null;
  return hasPositionQuorum(state.record.value, new Set(others)) && others.some(isCandidate);
}

/**
 * F18 (P3.3, I6): no position quorum, a person vouches for the fence and named the loss. Everybody in reach is read first;
 * of those the furthest is promoted, the one that was asked for among equals.
 */
function forcedChoice(state: Fencing, o: Observation): Step | null {
  const force = state.move?.force ?? null;
  if (force === null || state.positions.size === 0) return null;
  const unread = membersToRead(state, o).filter((node) => !state.positions.has(node) && isDetachable(o, node));
  if (unread.length > 0 && o.nowMs - state.startedAtMs < o.knobs.takeoverPatienceMs / 2) return null;
  const best = furthestOf([...state.positions.values()]);
  const fit = preferred(state, o).filter((node) => whyUnfit(o, node) === null);
  const target = fit.find((node) => {
    const position = state.positions.get(node);
    return position !== undefined && best !== null && !isFurther(best, position);
  });
  const position = target === undefined ? undefined : state.positions.get(target);
  if (target === undefined || position === undefined || !isLossNamed(state, o, target)) return null;
  const said = `${force.actor} vouches that ${state.record.value.primary} can acknowledge nothing more`;
  const kind = state.ended ?? (force.said ? 'operator-said' : 'killed');
  const fence: FenceRecord = {
    ...fenceOf(state, o, target),
    kind,
    ...(isAsync(state.record.value) ? { loss: lossWith(state, o, position) } : {}),
    continues: { epoch: position.storedEpoch ?? 0, timeline: position.timeline },
    lossAccepted: { ms: force.lossMs, actor: force.actor, reason: force.reason },
  };
  return {
    state: { ...takeoverOf(state), kind: 'positioning', target, position },
    actions: [{ do: 'record-takeover', takeover: state, target, fence }],
    why: because(
      'loss-accepted',
      `${said}; ${target} ends at ${position.lsn}, furthest of ${state.positions.size} read`,
    ),
  };
}

/** The loss was named for the node that was asked for. Another one, because that one fell silent, may be further behind. */
function isLossNamed({ move }: Fencing, o: Observation, target: NodeId): boolean {
  const named = move?.force?.lossMs;
  if (named === undefined) return false;
  return target === move?.target || isNamed(lossOf(o, target), named);
}

function fenceOf(state: Fencing, o: Observation, target: NodeId): FenceRecord {
  const evidence = [...state.positions].map(([node, position]) => ({
    node,
    timeline: position.timeline,
    lsn: position.lsn,
    what: 'detached: no WAL receiver left, then read',
  }));
  const over = state.move?.handedOver ?? null;
  if (over !== null && target !== over.node) {
    const { node, timeline, lsn } = over;
    const killed = { node, timeline, lsn, what: `stopped by order: ${over.evidence}` };
    return { epoch: state.epoch, kind: 'killed', by: o.me, atWallMs: 0, evidence: [killed, ...evidence] };
  }
  return { epoch: state.epoch, kind: fenceKindOf(state, target), by: o.me, atWallMs: 0, evidence };
}

function giveUp(state: Fencing, o: Observation): Step {
  const read = [...state.positions.keys()].join(', ') || 'nobody';
  const tookMs = Math.round(o.nowMs - state.startedAtMs);
  const why = because('no-position-quorum', `after ${tookMs} ms only ${read} was detached and read`);
  return endTakeover(takeoverOf(state), o, { state: 'refused', why });
}
