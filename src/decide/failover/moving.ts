import type { NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { OperationRecord } from '../../ports/records.ts';
import { checksFor, fenceStands, obstacleAmong, quorumInReach, sayCheck, serves, whoIsAhead } from './checks.ts';
import { endedFor, whyNotEnded } from './ended.ts';
import type { Observation } from './observation.ts';
import { isAsync } from './quorum.ts';
import {
  type Action,
  type Ending,
  type FailoverState,
  type Move,
  stay,
  STEADY,
  type Step,
  type Takeover,
  toFencing,
} from './state.ts';
import { isHeard, suspicion } from './suspicion.ts';

type Moving = Extract<FailoverState, { kind: 'moving' }>;
type Request = NonNullable<Observation['store']['request']>;

/** An ending that was not written is written again after this. */
const CLOSE_AGAIN_MS = 1_000;

/**
 * An operation that a person asked for, before its epoch is written (P5): claimed, the old primary stopped by order, then a
 * takeover like any other with a preferred target. What was done is in the journal, so any node can go on with it.
 */
export function decideMoving(state: Moving, o: Observation): Step {
  const request = requestOf(state, o);
  if (request === null) {
    if (state.phase === 'closing') return stay(STEADY, state.ending?.why ?? because('closed', 'the operation is over'));
    return stay(STEADY, because('cancelled', `${state.move.operation} was cancelled, or ended by another node`));
  }
  // While it is being claimed, the driver that is gone may still be the one that the store tells of.
  const { driver } = request.value;
  if (state.phase !== 'claiming' && driver !== o.me && driver !== null)
    return stay(STEADY, because('taken-over', `${driver} carries out ${state.move.operation} now`));
  if (state.phase === 'closing') return closing(state, o);
  if (state.phase !== 'claiming' && isOvertaken(state, o))
    return end(
      state,
      o,
      'failed',
      because('overtaken', `epoch ${o.store.epoch?.value.n} was written by another takeover`),
    );
  if (state.phase === 'claiming') return claiming(state, request, o);
  if (state.phase === 'handing-over') return handingOver(state, request, o);
  return beginning(state, o);
}

/** Another epoch than the one that was looked at, and not the one that this very operation writes: the watch may be first to tell. */
const isOvertaken = ({ epoch, move }: Moving, { store }: Observation): boolean =>
  store.epoch?.value.n !== epoch && store.epoch?.value.operation !== move.operation;

const requestOf = (state: Moving, o: Observation): Request | null =>
  o.store.request?.value.id === state.move.operation ? o.store.request : null;

/** F16: does this node take up the operation that stands in the store? Null when it has nothing to do with it now. */
export function takeUp(o: Observation): Step | null {
  const { request } = o.store;
  if (request === null || o.local === null || o.store.state !== 'current') return null;
  const asked = request.value.request;
  if (asked === null || !isMyTurn(o, request, asked.target)) return null;
  const move: Move = {
    operation: request.value.id,
    kind: request.value.kind,
    target: asked.target,
    handedOver: null,
    force: null,
  };
  const state: Moving = {
    kind: 'moving',
    phase: 'claiming',
    move,
    epoch: o.store.epoch?.value.n ?? 0,
    beginning: null,
    ended: null,
    ending: null,
    askedAtMs: o.nowMs,
  };
  const obstacle = request.value.state === 'requested' ? obstacleOf(o, request.value) : null;
  if (obstacle !== null) {
    const waitedMs = o.nowMs - request.seenAtMs;
    return waitedMs < asked.startWithinMs ? null : end(state, o, 'refused', obstacle);
  }
  const why = because('claiming', `${request.value.id} is taken up by this node`);
  return {
    state,
    actions: [{ do: 'claim-operation', operation: request.value.id, modRevision: request.modRevision }],
    why,
  };
}

/** The target's own agent by preference: nothing it needs is then behind a link. The primary comes last: it is to be stopped. */
function isMyTurn(o: Observation, request: Request, target: NodeId): boolean {
  const { driver } = request.value;
  if (driver === o.me) return true;
  if (driver !== null && isHeard(o, driver)) return false;
  const primary = o.store.sync?.value.primary;
  const order = [target, ...o.policy.dataNodes.filter((node) => node !== target && node !== primary)];
  if (!order.includes(o.me)) return false;
  const better = order.slice(0, order.indexOf(o.me)).filter((node) => isHeard(o, node)).length;
  const lostAtMs = driver === null ? 0 : (o.peers.get(driver)?.heardAtMs ?? 0) + o.knobs.silentAfterMs;
  return o.nowMs - Math.max(request.seenAtMs, lostAtMs) >= better * o.knobs.driverStaggerMs;
}

export function obstacleOf(o: Observation, record: OperationRecord): Reason | null {
  if (record.request === null) return null;
  const obstacle = obstacleAmong(checksFor(o, record.kind, record.request.target, record.request));
  return obstacle === null ? null : because('precheck', sayCheck(obstacle));
}

function claiming(state: Moving, request: Request, o: Observation): Step {
  const claimed = o.results.find((r) => r.of === 'claim-operation' && r.operation === state.move.operation);
  if (claimed === undefined || claimed.of !== 'claim-operation')
    return stay(state, because('claiming', 'waiting for the store to answer'));
  if (claimed.kind !== 'done') return stay(STEADY, because('not-claimed', claimed.why));
  const { move } = state;
  const primary = o.store.sync?.value.primary;
  const epoch = o.store.epoch;
  if (primary === undefined || epoch === null)
    return end(state, o, 'refused', because('no-epoch', 'no primary was ever recorded'));
  // Whoever promoted it: this operation's last driver, or a takeover that came first.
  if (promotedTarget(o, move))
    return end(state, o, 'done', because('promoted', `${move.target} serves under epoch ${epoch.value.n}`));
  if (epoch.value.n !== request.value.request?.epoch && epoch.value.operation !== move.operation)
    return end(
      state,
      o,
      'refused',
      because('overtaken', `epoch ${epoch.value.n} came first: ask again if it is still wanted`),
    );
  if (move.kind === 'failover') return begin({ ...state, move: { ...move, force: forceOf(request, o) } }, o);
  // A primary that was stopped already, by a driver that is gone: what is left is the takeover.
  if (!serves(o, primary)) return begin(state, o);
  const action: Action = {
    do: 'hand-over',
    operation: move.operation,
    primary,
    epoch: epoch.value.n,
    epochModRevision: epoch.modRevision,
  };
  return {
    state: { ...state, phase: 'handing-over', askedAtMs: o.nowMs },
    actions: [action],
    why: because('handing-over', `${primary} is asked to hand over`),
  };
}

const promotedTarget = (o: Observation, move: Move): boolean =>
  o.store.sync?.value.primary === move.target && o.store.routesEpoch === o.store.epoch?.value.n;

/** F18 (P3.3): only where P3.2 cannot be had; then the fence is a person's word, and the loss was named. */
function forceOf(request: Request, o: Observation): Move['force'] {
  const asked = request.value.request;
  const { actor, reason } = request.value;
  if (asked !== null && isAsyncInReach(o)) {
    if (asked.allowLossMs === null && asked.fenced === null) return null;
    const said = asked.fenced !== null && fenceStands(o, asked);
    return { said, lossMs: asked.allowLossMs ?? 0, actor, reason: reason.text };
  }
  if (asked?.allowLossMs == null || quorumInReach(o).enough || !fenceStands(o, asked)) return null;
  return { said: asked.fenced !== null, lossMs: asked.allowLossMs, actor, reason: reason.text };
}

const isAsyncInReach = (o: Observation): boolean =>
  o.store.sync !== null && isAsync(o.store.sync.value) && quorumInReach(o).enough;

/** F17: stopped and proven, or refused and open again. Nothing else ends a primary that serves. */
function handingOver(state: Moving, request: Request, o: Observation): Step {
  const result = o.results.find((r) => r.of === 'hand-over' && r.operation === state.move.operation);
  if (result === undefined || result.of !== 'hand-over') {
    const suspected = suspicion(o);
    if (suspected.kind === 'none') return stay(state, because('handing-over', 'waiting for the primary to hand over'));
    // It was lost while it was asked: the takeover that is due anyway is carried out under this operation.
    const early = whyNotEnded(o, suspected.kind === 'confirmed-killed');
    if (early !== null) return stay(state, early);
    return quorumInReach(o).enough ? begin(state, o) : stay(state, suspected.why);
  }
  if (result.kind === 'done') return begin({ ...state, move: { ...state.move, handedOver: result.handedOver } }, o);
  if (result.kind === 'refused' && result.code === 'not-serving') return begin(state, o);
  return end(
    state,
    o,
    result.kind === 'refused' ? 'refused' : 'failed',
    because(result.code, `${request.value.kind}: ${result.why}`),
  );
}

/** The epoch of a planned move compares the journal too: a cancel that came first wins (P1.1). */
function begin(state: Moving, o: Observation): Step {
  const { epoch, sync } = o.store;
  if (epoch === null || sync === null)
    return end(state, o, 'refused', because('no-epoch', 'no primary was ever recorded'));
  const ahead = whoIsAhead(o);
  if (ahead !== null) return end(state, o, 'refused', because('store-behind', ahead));
  const reach = quorumInReach(o);
  if (state.move.force === null && !reach.enough && state.move.handedOver === null)
    return end(
      state,
      o,
      'refused',
      because('no-position-quorum-in-reach', `of the recorded set only ${reach.who} can be read`),
    );
  const ended = endedFor(o, state.move);
  if (ended !== null && typeof ended !== 'string') return end(state, o, 'refused', ended);
  const why = because(state.move.kind, `${state.move.kind} to ${state.move.target}, as asked`);
  return {
    state: { ...state, phase: 'beginning', beginning: sync, ended, epoch: epoch.value.n, askedAtMs: o.nowMs },
    actions: [
      {
        do: 'begin-takeover',
        epoch: epoch.value.n + 1,
        record: sync,
        epochModRevision: epoch.modRevision,
        leaseMustBeGone: ended === 'lease-expired',
        reason: why,
        move: state.move,
      },
    ],
    why,
  };
}

function beginning(state: Moving, o: Observation): Step {
  const began = o.results.find((result) => result.of === 'begin-takeover');
  if (began === undefined || began.of !== 'begin-takeover' || state.beginning === null)
    return stay(state, because('takeover-begins', 'waiting for the store to answer'));
  if (began.kind !== 'done')
    return end(state, o, began.kind === 'unknown' ? 'unknown' : 'refused', because('takeover-not-begun', began.why));
  return toFencing(began, { record: state.beginning, move: state.move, unseen: false, ended: state.ended }, o.nowMs);
}

/** The way out of every state: the journal says how it ended, and the slot is free again. */
function end(state: Moving, o: Observation, how: Ending['state'], why: Reason): Step {
  return close(state.move, state.epoch, { state: how, why }, o);
}

function close(move: Move, epoch: number, ending: Ending, o: Observation): Step {
  return {
    state: {
      kind: 'moving',
      phase: 'closing',
      move,
      epoch,
      beginning: null,
      ended: null,
      ending,
      askedAtMs: o.nowMs,
    },
    actions: [{ do: 'close-request', operation: move.operation, ending }],
    why: ending.why,
  };
}

function closing(state: Moving, o: Observation): Step {
  if (state.ending === null || o.nowMs - state.askedAtMs < CLOSE_AGAIN_MS)
    return stay(state, state.ending?.why ?? because('closing', 'the ending is being written'));
  return close(state.move, state.epoch, state.ending, o);
}

/** How a takeover ends: one that a person asked for must also give the slot back. */
export function endTakeover(takeover: Takeover, o: Observation, ending: Ending): Step {
  if (takeover.move !== null) return close(takeover.move, takeover.epoch, ending, o);
  return { state: STEADY, actions: [{ do: 'close-operation', takeover, ...ending }], why: ending.why };
}
