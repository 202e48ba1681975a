import { placeOf, type NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import { ownOtherBranch } from './branch.ts';
import type { Observation, PeerView } from './observation.ts';

/** What one observer can say of the present primary. Only `cannot-see-commit` counts towards suspicion. */
export type Verdict =
  | { readonly kind: 'commits'; readonly why: Reason }
  | { readonly kind: 'abstains'; readonly why: Reason }
  | { readonly kind: 'cannot-see-commit'; readonly why: Reason };

/**
 * This node's own verdict (P3.4). A stream that breaks is noticed within `brokenAfterMs`; one that falls silent only
 * after `silentAfterMs`, because a pause looks the same; commits that stop while pulses go on only after `wedgedAfterMs`,
 * because a lost standby stops them too until it is evicted (P4.4).
 */
export function ownVerdict(o: Observation): Verdict {
  const { epoch, sync } = o.store;
  if (o.store.state === 'unread') return abstains('store-unread', 'the store was not read yet');
  if (epoch === null || sync === null) return abstains('no-epoch', 'no primary was ever recorded');
  if (sync.value.epoch < epoch.value.n)
    return unfinishedTakeover(o, epoch.value.holder, `epoch ${epoch.value.n} has no primary yet`);
  const primary = sync.value.primary;
  if (primary === o.me) return abstains('is-me', 'this node is the recorded primary');
  const peer = o.peers.get(primary);
  if (peer === undefined) return abstains('no-stream', `${primary} is not among the peers`);
  return peerVerdict(o, peer, epoch.value.n);
}

function peerVerdict(o: Observation, peer: PeerView, epoch: number): Verdict {
  const { node, pulse } = peer;
  const { knobs, nowMs } = o;
  const silentMs = nowMs - peer.heardAtMs;
  if (peer.brokenSinceMs !== null && doorAnswers(peer)) return agentAlone(o, peer, silentMs);
  if (
    peer.brokenSinceMs !== null &&
    peer.doorRefusedAtMs !== null &&
    nowMs - peer.brokenSinceMs >= knobs.brokenAfterMs
  ) {
    return cannotSee(
      'broken',
      `agent and gateway of ${node} refuse or reset connections for ${ms(nowMs - peer.brokenSinceMs)}`,
    );
  }
  if (silentMs >= knobs.silentAfterMs) return cannotSee('silent', `${node} has sent nothing for ${ms(silentMs)}`);
  if (pulse === null || peer.brokenSinceMs !== null)
    return abstains('not-yet', `${node} was not heard for ${ms(silentMs)}; too early to judge`);
  if (pulse.role === 'primary' && pulse.open && pulse.epoch >= epoch) {
    if (pulse.commitAgeMs + silentMs < knobs.wedgedAfterMs)
      return commits(`${node} committed ${ms(pulse.commitAgeMs + silentMs)} ago`);
    return cannotSee('wedged', `${node} answers, but has committed nothing for ${ms(pulse.commitAgeMs + silentMs)}`);
  }
  return notServing(o, peer, epoch);
}

/** The last word of the gateway since the stream broke was that it lives and its PostgreSQL accepts connections. */
const doorAnswers = (peer: PeerView): boolean =>
  peer.doorAnsweredAtMs !== null && peer.doorAnsweredAtMs > (peer.doorRefusedAtMs ?? 0);

/** The agent died alone: the next one takes over its keeper and gateway, who serve on within their deadline (P10.1). */
function agentAlone(o: Observation, peer: PeerView, silentMs: number): Verdict {
  if (silentMs >= o.knobs.leaseTtlMs)
    return cannotSee('agent-gone', `the agent of ${peer.node} is gone for ${ms(silentMs)}, longer than its lease`);
  return abstains(
    'agent-restarts',
    `the agent of ${peer.node} is gone, its gateway answers; it has ${ms(o.knobs.leaseTtlMs - silentMs)} to come back`,
  );
}

/** The recorded primary answers, but does not serve: it may be on its way, or it restarted as an isolated standby (P8.1). */
function notServing(o: Observation, peer: PeerView, epoch: number): Verdict {
  const sinceMs = Math.min(o.nowMs - peer.roleSinceMs, o.nowMs - o.store.epochSeenAtMs);
  const role = peer.pulse?.role ?? 'none';
  const state =
    role === 'primary'
      ? `a primary with its gateway closed (epoch ${epoch})`
      : role === 'standby'
        ? 'an isolated standby'
        : 'without PostgreSQL';
  const limitMs =
    !reignBegan(o) || role === 'primary' || (role === 'standby' && peer.pulse?.storedEpoch !== epoch)
      ? patience(o)
      : role === 'standby'
        ? o.knobs.brokenAfterMs
        : o.knobs.silentAfterMs;
  if (sinceMs >= limitMs) return cannotSee('not-serving', `${peer.node} has been ${state} for ${ms(sinceMs)}`);
  return abstains('not-yet', `${peer.node} is ${state} for ${ms(sinceMs)}; it has ${ms(limitMs)} to finish`);
}

/** Did the primary of the present epoch open once? Before that its target is a standby and that proves nothing. */
const reignBegan = (o: Observation): boolean => o.store.routesEpoch === o.store.epoch?.value.n;

/** A takeover that began and has no primary yet: wait for its driver as long as the driver is heard. */
function unfinishedTakeover(o: Observation, driver: NodeId, what: string): Verdict {
  const sinceMs = o.nowMs - o.store.epochSeenAtMs;
  const patienceMs = patience(o);
  if (sinceMs < patienceMs)
    return abstains('takeover-runs', `${what}; ${driver} has ${ms(patienceMs - sinceMs)} left to finish`);
  return cannotSee('takeover-unfinished', `${what} after ${ms(sinceMs)}`);
}

/** How long an unfinished takeover is left alone: less when the one who drives it is itself not heard. */
function patience(o: Observation): number {
  const driver = o.store.epoch?.value.holder;
  if (driver === undefined || driver === o.me) return o.knobs.takeoverPatienceMs;
  return isHeard(o, driver) ? o.knobs.takeoverPatienceMs : o.knobs.silentAfterMs;
}

/** Was this node heard lately, over an open stream? */
export function isHeard(o: Observation, node: NodeId): boolean {
  if (node === o.me) return true;
  const peer = o.peers.get(node);
  return (
    peer !== undefined &&
    peer.pulse !== null &&
    peer.brokenSinceMs === null &&
    o.nowMs - peer.heardAtMs < o.knobs.silentAfterMs
  );
}

/** Can it be detached and read, and follow a new primary: a standby that answers, not only an agent that does. */
export function isDetachable(o: Observation, node: NodeId): boolean {
  if (node === o.me) return o.local?.state === 'standby' && ownOtherBranch(o, o.local) === null;
  return isHeard(o, node) && (o.peers.get(node)?.pulse?.detachable ?? false);
}

export type Suspicion =
  | { readonly kind: 'none'; readonly why: Reason }
  | { readonly kind: 'majority' | 'confirmed-killed'; readonly why: Reason };

/**
 * P3.4: a majority of the observers outside the suspect that cannot see it commit, or the suspect's own agent saying that
 * its PostgreSQL is no primary any more (a confirmed `killed`: every start is as an isolated standby, P8.1).
 */
export function suspicion(o: Observation): Suspicion {
  const { epoch, sync } = o.store;
  if (epoch === null || sync === null)
    return { kind: 'none', why: because('no-epoch', 'no primary was ever recorded') };
  const confirmed = confirmedKilled(o);
  if (confirmed !== null) return { kind: 'confirmed-killed', why: confirmed };
  const { primary } = sync.value;
  const blind = o.store.seen
    .filter((s) => s.epoch === epoch.value.n && s.primary === primary && s.verdict === 'cannot-see-commit')
    .map((s) => s.observer);
  const outside = count(outsideObservers(o.policy, primary), blind, primary);
  if (outside.kind === 'majority' || blind.length === 0) return outside;
  // F21: the suspect is one node. Its neighbours see it as well as anybody, when they live.
  const others = o.policy.observers.filter((observer) => observer !== primary);
  const neighbours = count(others, blind, primary);
  return neighbours.kind === 'majority' ? neighbours : outside;
}

function count(observers: readonly NodeId[], blind: readonly NodeId[], primary: NodeId): Suspicion {
  const against = observers.filter((observer) => blind.includes(observer)).length;
  const needed = Math.floor(observers.length / 2) + 1;
  const text = `${against} of ${observers.length} observers cannot see ${primary} commit; ${needed} are needed`;
  return against >= needed
    ? { kind: 'majority', why: because('majority-cannot-see', text) }
    : { kind: 'none', why: because('no-majority', text) };
}

function confirmedKilled(o: Observation): Reason | null {
  const { epoch, sync } = o.store;
  if (epoch === null || sync === null || sync.value.epoch < epoch.value.n || !reignBegan(o)) return null;
  const primary = sync.value.primary;
  // Only a database that has stored this very epoch was its primary: a pulse from before the promotion says `standby` too.
  if (primary === o.me) {
    return o.local?.state === 'standby' && o.local.storedEpoch === epoch.value.n
      ? because('self-standby', 'this node is the recorded primary and runs as an isolated standby')
      : null;
  }
  const peer = o.peers.get(primary);
  const isStandby =
    isHeard(o, primary) &&
    peer?.pulse?.role === 'standby' &&
    peer.pulse.storedEpoch === epoch.value.n &&
    o.nowMs - peer.roleSinceMs >= o.knobs.brokenAfterMs;
  return isStandby ? because('primary-is-standby', `${primary} says that it runs as an isolated standby`) : null;
}

/** Observers that a loss of the primary's region does not take with it. */
export const outsideObservers = (policy: GroupPolicy, primary: NodeId): readonly NodeId[] =>
  policy.observers.filter((observer) => placeOf(observer) !== placeOf(primary));

const ms = (value: number): string => `${Math.round(value)} ms`;
const commits = (text: string): Verdict => ({ kind: 'commits', why: because('commits', text) });
const abstains = (code: string, text: string): Verdict => ({ kind: 'abstains', why: because(code, text) });
const cannotSee = (code: string, text: string): Verdict => ({ kind: 'cannot-see-commit', why: because(code, text) });
