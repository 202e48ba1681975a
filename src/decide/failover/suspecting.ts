import { placeOf, type NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import { quorumInReach, whoIsAhead } from './checks.ts';
import { takeUp } from './moving.ts';
import type { Observation } from './observation.ts';
import { whyNotEnded } from './ended.ts';
import { lossOf, whyTooMuch } from './loss.ts';
import { isAsync, positionQuorumSize } from './quorum.ts';
import { type FailoverState, stay, STEADY, type Step, toFencing } from './state.ts';
import { backToSteady, publishVerdict } from './steady.ts';
import { isDetachable, isHeard, ownVerdict, type Suspicion, suspicion } from './suspicion.ts';

type Suspecting = Extract<FailoverState, { kind: 'suspecting' }>;

/** The primary is not seen to commit. Nothing was changed yet; a takeover begins with one transaction (P1.1). */
export function decideSuspecting(state: Suspecting, o: Observation): Step {
  const began = o.results.find((result) => result.of === 'begin-takeover');
  if (began?.kind === 'done' && state.beginning !== null)
    return toFencing(began, { record: state.beginning, move: null, unseen: state.unseen, ended: state.ended }, o.nowMs);
  if (began !== undefined) {
    const retry: Suspecting = { ...state, beginning: null, retryAtMs: o.nowMs + o.knobs.driverStaggerMs };
    const what = began.kind === 'done' ? 'no record to compare' : began.why;
    return stay(retry, because('takeover-not-begun', `the takeover was not begun (${began.kind}): ${what}`));
  }
  if (state.beginning !== null) return stay(state, because('takeover-begins', 'waiting for the store to answer'));
  const { epoch } = o.store;
  if (epoch === null || epoch.value.n !== state.epoch)
    return backToSteady('epoch-changed', `epoch ${epoch?.value.n ?? 0} is newer than the suspicion`);

  const move = takeUp(o);
  if (move !== null) return move;
  const verdict = ownVerdict(o);
  const actions = publishVerdict(o, verdict);
  const suspected = suspicion(o);
  if (suspected.kind === 'none') {
    if (verdict.kind !== 'cannot-see-commit') return { state: STEADY, actions, why: verdict.why };
    return { state, actions, why: suspected.why };
  }
  const obstacle = whyNotBegin(state, o, suspected);
  if (obstacle !== null) return { state, actions, why: obstacle };
  return begin(state, o, suspected);
}

function begin(state: Suspecting, o: Observation, { kind, why: reason }: Suspicion): Step {
  const { epoch, sync } = o.store;
  if (epoch === null || sync === null) return backToSteady('no-epoch', 'no primary was ever recorded');
  const ended = !isAsync(sync.value) ? null : kind === 'confirmed-killed' ? 'killed' : 'lease-expired';
  return {
    state: { ...state, beginning: sync, unseen: kind === 'majority', ended },
    actions: [
      {
        do: 'begin-takeover',
        epoch: epoch.value.n + 1,
        record: sync,
        epochModRevision: epoch.modRevision,
        leaseMustBeGone: ended === 'lease-expired',
        reason,
        move: null,
      },
    ],
    why: reason,
  };
}

/** Why this node does not begin the takeover now, although the primary is suspected. Null when it does. */
function whyNotBegin(state: Suspecting, o: Observation, { kind }: Suspicion): Reason | null {
  if (o.local === null) return because('observer-only', 'a site observes and votes; it drives no takeover');
  if (o.store.state !== 'current')
    return because('store-not-current', 'the store is not reachable: nobody is promoted (P6)');
  if (o.nowMs < state.retryAtMs) return because('retry-later', 'the last try was refused; it is tried again');
  const held = whyHeld(o);
  if (held !== null) return held;
  const ahead = whoIsAhead(o);
  if (ahead !== null) return because('store-behind', ahead);
  const reach = reachable(o);
  if (!reach.enough) return because('no-position-quorum-in-reach', reach.text);
  const early = whyNotEnded(o, kind === 'confirmed-killed') ?? whyLosesTooMuch(o);
  if (early !== null) return early;
  const rank = driverRank(o, kind === 'majority');
  const waitMs = rank * o.knobs.driverStaggerMs - (o.nowMs - mayBeginSinceMs(state, o));
  return waitMs > 0
    ? because('others-first', `${rank} better placed nodes are heard; this one waits ${Math.round(waitMs)} ms more`)
    : null;
}

/** In async everybody waits for the same end of the lease: whose turn it is counts from there. */
function mayBeginSinceMs(state: Suspecting, o: Observation): number {
  const record = o.store.sync?.value;
  const goneAtMs = record !== undefined && isAsync(record) ? o.store.leaseGoneAtMs : null;
  return Math.max(state.sinceMs, goneAtMs ?? 0);
}

/** F24: looked at before the epoch is written, by what everybody in reach says that it holds. */
function whyLosesTooMuch(o: Observation): Reason | null {
  const record = o.store.sync?.value;
  if (record === undefined || !isAsync(record) || isDetachable(o, record.primary)) return null;
  const losses = quorumInReach(o).readable.map((node) => whyTooMuch(o.policy, lossOf(o, node)));
  const least = losses.find((why) => why === null) === undefined ? losses.find((why) => why !== null) : null;
  if (least === null || least === undefined) return null;
  const what = `farshore failover REGION --allow-data-loss DURATION, or bring ${record.primary} back`;
  return because(least.code, `${least.text}; to go on: ${what}`);
}

/** The recorded primary, restarted here, takes over from itself: nobody else becomes primary by that, so no pause forbids it. */
const isOwnRestart = (o: Observation): boolean =>
  o.store.sync?.value.primary === o.me && suspicion(o).kind === 'confirmed-killed';

/** F19: a person holds automatic takeovers back, or has a node carry out a change of primary at this moment. */
function whyHeld(o: Observation): Reason | null {
  const { paused, request } = o.store;
  if (paused !== null && !isOwnRestart(o)) {
    const left = Math.ceil(paused.leftMs / 1_000);
    return because('paused', `automatic takeovers are paused by ${paused.actor} for ${left} s more (${paused.reason})`);
  }
  const driver = request?.value.state === 'running' ? request.value.driver : null;
  if (request === null || driver === null || driver === o.me || !isHeard(o, driver)) return null;
  const leftMs = request.seenAtMs + o.knobs.takeoverPatienceMs - o.nowMs;
  if (leftMs <= 0) return null;
  return because('operation-runs', `${driver} carries out ${request.value.id}; it has ${Math.round(leftMs)} ms left`);
}

/** Enough members in reach for P3.2? A takeover refused after the epoch was written has already ended a healthy primary. */
function reachable(o: Observation): { readonly enough: boolean; readonly text: string } {
  const record = o.store.sync?.value;
  const { enough, readable, who: read } = quorumInReach(o);
  if (record === undefined) return { enough, text: 'no sync record' };
  // A primary that acknowledged alone is the only one who surely has everything.
  if (record.names.length === 0) {
    const text = `${record.primary} acknowledged alone last, so only its data surely has every write, and ${read} of it can be read`;
    return { enough, text: `${text}; ${whatToDo([record.primary], 0, record.primary)}` };
  }
  const missing = record.names.filter((node) => !readable.includes(node));
  const needed = positionQuorumSize(record) - (record.names.length - missing.length);
  const text = `of the recorded set (${record.w} of ${record.names.join(', ')}) only ${read} can be read`;
  return { enough, text: enough ? text : `${text}; ${whatToDo(missing, needed, record.primary)}` };
}

/** For the one who is called at night: which data ends the wait, and what it costs to go on without. */
function whatToDo(missing: readonly NodeId[], needed: number, primary: NodeId): string {
  const others = missing.filter((node) => node !== primary);
  const either = others.length === 0 ? '' : `, or ${needed} of ${others.join(', ')}`;
  return `bring ${primary} back${either}; if that data is lost for good: farshore failover REGION --fenced ${placeOf(primary)} --allow-data-loss DURATION`;
}

/** How many permitted nodes come before this one in the order of preference and are heard: they should drive. F22: the suspect last. */
function driverRank(o: Observation, unseen: boolean): number {
  const all = [...o.policy.promotable, ...o.policy.dataNodes.filter((node) => !o.policy.promotable.includes(node))];
  const primary = unseen ? o.store.sync?.value.primary : undefined;
  const order = [...all.filter((node) => node !== primary), ...all.filter((node) => node === primary)];
  const mine = order.indexOf(o.me);
  return order.slice(0, Math.max(mine, 0)).filter((node) => isDetachable(o, node)).length;
}
