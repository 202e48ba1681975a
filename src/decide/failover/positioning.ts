import { placeOf, type NodeId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import { endTakeover } from './moving.ts';
import type { Observation } from './observation.ts';
import type { Confirmers } from './quorum.ts';
import { isDetachable } from './suspicion.ts';
import {
  type Action,
  type FailoverState,
  fenceKindOf,
  overtaken,
  resultOf,
  stay,
  STEADY,
  type Step,
  takeoverOf,
} from './state.ts';

type Positioning = Extract<FailoverState, { kind: 'positioning' }>;

/** The target is chosen. Fence and "solo: target" go into the store in one transaction that compares epoch and record. */
export function decidePositioning(state: Positioning, o: Observation): Step {
  if (overtaken(state, o))
    return stay(STEADY, because('overtaken', `epoch ${state.epoch} was overtaken by ${o.store.epoch?.value.n}`));
  const result = resultOf(o, 'record-takeover', state.epoch);
  if (result === undefined) return waitForRecord(state, o);
  if (result.kind === 'done') {
    return {
      state: { ...state, kind: 'promoting', askedAtMs: o.nowMs },
      actions: [promoteAction(state, o)],
      why: because('recorded', `the record says solo: ${state.target}; it is promoted now`),
    };
  }
  const why = because(`record-${result.kind}`, result.why);
  return endTakeover(takeoverOf(state), o, { state: result.kind, why });
}

/** Bounded: a takeover that waits for ever would keep others from beginning one. */
function waitForRecord(state: Positioning, o: Observation): Step {
  const tookMs = o.nowMs - state.startedAtMs;
  if (tookMs <= o.knobs.takeoverPatienceMs) {
    return stay(state, because('record-pending', 'waiting for the store to record the new primary'));
  }
  const why = because('record-unknown', `the store did not answer within ${Math.round(tookMs)} ms`);
  return endTakeover(takeoverOf(state), o, { state: 'unknown', why });
}

type Target = Pick<
  Extract<FailoverState, { kind: 'promoting' }>,
  'epoch' | 'epochModRevision' | 'operation' | 'startedAtMs' | 'record' | 'move' | 'unseen' | 'ended' | 'target'
>;

export function promoteAction(state: Target, o: Observation): Action {
  // One that was stopped by order may be up again by now, and would hold up every commit until it has joined.
  const stopped = state.move?.handedOver?.node;
  const list = reignList(o.policy, state.target, (node) => node !== stopped && isDetachable(o, node));
  return {
    do: 'promote',
    takeover: state,
    target: state.target,
    w: list.w,
    names: list.names,
    restarted: state.target === state.record.value.primary,
    fence: fenceKindOf(state, state.target),
  };
}

/**
 * The list with which a reign begins: those who may confirm and are within reach, when they are as many as the mode asks
 * for. Otherwise everybody who may confirm (`block`: nothing is acknowledged alone), or those within reach, if only nobody,
 * where the file declares that a primary alone may serve. One that does not come is withdrawn after `evictAfterMs`.
 * Confirmations count from other regions only: one from the same region would be lost with it.
 */
export function reignList(policy: GroupPolicy, primary: NodeId, isReachable: (node: NodeId) => boolean): Confirmers {
  const able = confirmersFor(policy, primary);
  const confirmers = onePerRegion([...able.filter(isReachable), ...able.filter((node) => !isReachable(node))], able);
  const reachable = confirmers.filter(isReachable);
  const enough = reachable.length >= (policy.mode === 'sync' ? 1 : policy.confirm);
  return wanted(policy, enough || policy.whenAlone !== 'block' ? reachable : confirmers);
}

export const confirmersFor = (policy: GroupPolicy, primary: NodeId): readonly NodeId[] =>
  policy.dataNodes.filter((node) => placeOf(node) !== placeOf(primary));

/** M6: the first of each region in `preferred`, in the order of `all`. */
function onePerRegion(preferred: readonly NodeId[], all: readonly NodeId[]): readonly NodeId[] {
  const firsts = preferred.filter((node, i) => preferred.findIndex((it) => placeOf(it) === placeOf(node)) === i);
  return all.filter((node) => firsts.includes(node));
}

/** How many of these names must confirm in the declared mode. Async: nobody, and PostgreSQL's list is empty. */
export function wanted(policy: GroupPolicy, names: readonly NodeId[]): Confirmers {
  if (policy.mode === 'async') return { w: 0, names: [] };
  return { w: policy.mode === 'sync' ? names.length : Math.min(policy.confirm, names.length), names };
}
