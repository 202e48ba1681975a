import type { NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import { isGone, isReady, type MembershipDecision, type MembershipView } from './membership.ts';
import { confirmersFor } from './positioning.ts';
import { type Confirmers, sameConfirmers } from './quorum.ts';

/** The list is changed before the limit is reached: one look of the agent and a reload lie between. */
const GUARD_MARGIN_MS = 500;

/** What async looks at besides. */
export interface CandidatesView extends MembershipView {
  /** How long the furthest standby of another region lacks what this primary has written; 0 when it has all. */
  readonly lagMs: number;
}

/**
 * Async (M7): who may be promoted, by the record alone. PostgreSQL's list is empty, so that nobody is waited for, except while
 * the file's guard holds writes back. A record that asks nobody covers any list (P4.1).
 */
export function decideCandidates(v: CandidatesView): MembershipDecision {
  const list = wantedList(v);
  if (!sameConfirmers(v.configured, list.to)) return { change: { path: 'list', ...list }, why: list.why };
  // Held back only once every backend and walsender has the list.
  if (list.to.w > 0 && v.olderLists?.length !== 0) return { change: { path: 'learn', why: list.why }, why: list.why };
  const gone = v.record.names.filter((name) => isGone(v, name));
  const rest = v.record.names.filter((name) => !gone.includes(name));
  const entering = v.standbys.find(
    (s) => v.policy.promotable.includes(s.node) && !v.record.names.includes(s.node) && isReady(v, s),
  )?.node;
  if (entering !== undefined) {
    const why = because('enter', `${entering} streams past the fork and keeps up: it may be promoted`);
    return change(v, [...rest, entering], why);
  }
  if (gone.length === 0) return { change: null, why: settled(v, list.why) };
  const who = `${gone.join(', ')} received nothing for ${v.knobs.evictAfterMs} ms`;
  // Nothing is acknowledged meanwhile, so what these have is still all that anybody was told.
  if (rest.length === 0 && v.policy.whenAlone === 'block')
    return {
      change: null,
      why: because('alone-and-blocked', `${who}, and nobody else: writes wait (whenAlone: block)`),
    };
  return change(v, rest, because('evict', rest.length > 0 ? who : `${who}; ${v.primary} goes on alone`));
}

/** Who could take over from `primary` in async: they confirm nothing, so its own region's nodes count as well. */
export const candidatesFor = (v: Pick<MembershipView, 'policy'>, primary: NodeId): readonly NodeId[] =>
  v.policy.promotable.filter((node) => node !== primary);

const change = (v: CandidatesView, names: readonly NodeId[], why: Reason): MembershipDecision =>
  sameConfirmers({ w: 0, names }, v.record)
    ? { change: null, why }
    : { change: { path: 'record-only', to: { w: 0, names }, why }, why };

/** One of another region at least must have each write while it would otherwise be lost too easily. */
function wantedList(v: CandidatesView): { readonly to: Confirmers; readonly why: Reason } {
  const others = confirmersFor(v.policy, v.primary);
  const waits = { w: 1, names: others };
  const limits = v.policy.async;
  if (limits?.guard === 'block') {
    const limitMs = guardAtMs(limits.rpoMs);
    const isOn = v.configured.w > 0;
    if (v.lagMs > (isOn ? limitMs / 2 : limitMs)) {
      const lag = `the best standby of another region lags by ${Math.round(v.lagMs)} ms`;
      return { to: waits, why: because('guard', `${lag}: writes wait until one has them (guard: block)`) };
    }
  }
  const isAlone = others.every((node) => isGone(v, node));
  if (isAlone && v.policy.whenAlone === 'block')
    return { to: waits, why: because('alone', 'no other region receives: writes wait (whenAlone: block)') };
  return { to: { w: 0, names: [] }, why: because('nobody-waited-for', 'writes wait for nobody') };
}

export const guardAtMs = (rpoMs: number): number => Math.max(rpoMs / 2, rpoMs - GUARD_MARGIN_MS);

function settled(v: CandidatesView, list: Reason): Reason {
  if (v.configured.w > 0) return list;
  const { names } = v.record;
  return because(
    'settled',
    names.length === 0
      ? `${v.primary} is alone: nobody else could be promoted`
      : `${names.join(', ')} may be promoted; the furthest lags by ${Math.round(v.lagMs)} ms`,
  );
}
