import { placeOf, type NodeId } from '../../base/ids.ts';
import { compareLsn, lsnBytes, type Lsn } from '../../base/lsn.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { Knobs } from '../../base/knobs.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { StandbySeen } from '../../ports/database.ts';
import { confirmersFor, wanted } from './positioning.ts';
import { type Confirmers, covers, sameConfirmers, weakestOf } from './quorum.ts';

/** What the primary's agent knows when it decides who must confirm (P4). */
export interface MembershipView {
  readonly policy: GroupPolicy;
  readonly knobs: Knobs;
  readonly primary: NodeId;
  readonly epoch: number;
  readonly record: Confirmers;
  /** The list as PostgreSQL's configuration has it. */
  readonly configured: Confirmers;
  /** Lists that some process may still use besides `configured`; null = not known (the agent restarted), P4.1c. */
  readonly olderLists: readonly Confirmers[] | null;
  readonly standbys: readonly StandbySeen[];
  readonly endLsn: Lsn;
  /** End of WAL when this reign began: a standby at or past it has passed the fork (P4.3). */
  readonly reignLsn: Lsn;
  readonly nowMs: number;
  /** Since when each confirmer is not streaming here. */
  readonly goneSinceMs: ReadonlyMap<NodeId, number>;
}

/**
 * `store-first`: the record is written, then PostgreSQL's list. `postgres-first`: the record's version is raised, then the
 * list, the barrier, and the record. `record-only`: the third setting of P4.1, a record that covers both the list in force
 * and the one wanted. `learn`: the barrier alone, to know again which lists are in force.
 * `list`: PostgreSQL's list alone, under a record that covers any (async).
 */
export type SyncChange =
  | {
      readonly path: 'store-first' | 'postgres-first' | 'record-only' | 'list';
      readonly to: Confirmers;
      readonly why: Reason;
    }
  | { readonly path: 'learn'; readonly why: Reason };

export type MembershipDecision = { readonly change: SyncChange | null; readonly why: Reason };

/** How far behind a standby may be and still enter: it must confirm soon, or it would stall every commit. */
const ENTER_LAG_BYTES_MAX = 16 * 1024 * 1024;

/** One change at a time; members that are gone leave together, since a barrier would wait for each that stays (P4.4). */
export function decideMembership(v: MembershipView): MembershipDecision {
  const gone = v.record.names.filter((name) => isGone(v, name));
  const entering = firstReady(v);
  const spare = spareOf(v, gone);
  if (gone.length > 0) return decideWithout(v, gone, spare, entering);
  if (spare.length > 0) {
    const why = because('one-of-region', `${spare.join(', ')} leaves: another node of its region is recorded`);
    return propose(v, without(v.record.names, spare), why);
  }
  if (entering !== null) {
    return propose(
      v,
      [...v.record.names, entering],
      because('enter', `${entering} streams past the fork and keeps up`),
    );
  }
  const stray = firstStray(v);
  if (stray !== null) {
    const why = because('withdraw', `${stray} is in PostgreSQL's list and never reached the record (P4.4)`);
    return propose(v, v.record.names, why);
  }
  // A record between two settings: its names are the ones that are wanted, and fewer of them are asked than the mode says.
  if (v.record.w > 0 && !sameConfirmers(wanted(v.policy, v.record.names), v.record)) {
    const why = because(
      'tighten',
      `${v.record.names.join(', ')} are recorded; as many confirm as the mode asks for next`,
    );
    return propose(v, v.record.names, why);
  }
  return nothing('settled', describe(v.record, v.primary, v.configured));
}

/** Who confirms when `gone` do not any more: the rest, one who is ready instead, nobody where the file allows it, or all wait. */
function decideWithout(
  v: MembershipView,
  gone: readonly NodeId[],
  spare: readonly NodeId[],
  entering: NodeId | null,
): MembershipDecision {
  const rest = without(v.record.names, [...gone, ...spare]);
  const who = `${gone.join(', ')} ${gone.length === 1 ? 'has' : 'have'} not confirmed for ${v.knobs.evictAfterMs} ms`;
  if (rest.length > 0) return propose(v, rest, because('evict', who));
  if (entering !== null) return propose(v, [entering], because('replace', `${who}; ${entering} takes over`));
  if (v.policy.whenAlone !== 'block') return propose(v, [], because('evict', `${who}; nobody else can`));
  return nothing('alone-and-blocked', `${who}, and nobody else may: commits wait (whenAlone: block)`);
}

/** Orders the two writes so that the record covers every list in force before, between and after, and any mix of them (P4.1). */
function propose(v: MembershipView, names: readonly NodeId[], why: Reason): MembershipDecision {
  const to = wanted(v.policy, names);
  const listed = [v.configured, ...(v.olderLists ?? [])];
  const mixed = weakestOf([...listed, to]);
  if (covers(to, mixed) && covers(to, v.record)) {
    // Lists that are not known can't be judged: learn them first, unless the new record covers whatever they are.
    if (v.olderLists === null && to.w > 0) return { change: { path: 'learn', why }, why };
    if (sameConfirmers(to, v.record) && sameConfirmers(to, v.configured)) {
      return nothing('settled', describe(v.record, v.primary, v.configured));
    }
    return { change: { path: 'store-first', to, why }, why };
  }
  if (covers(v.record, mixed)) return { change: { path: 'postgres-first', to, why }, why };
  return byThirdSetting(v, to, listed, why);
}

/** Neither order will do: through a record that asks of fewer out of all of them (P4.1). */
function byThirdSetting(
  v: MembershipView,
  to: Confirmers,
  listed: readonly Confirmers[],
  why: Reason,
): MembershipDecision {
  const all = [...listed, to];
  const between: Confirmers = {
    w: Math.min(v.record.w, to.w),
    names: [...new Set([...v.record.names, ...all.flatMap((list) => list.names)])],
  };
  const safe = covers(between, weakestOf(all)) && covers(between, v.record);
  if (!safe || sameConfirmers(between, v.record)) {
    return nothing('no-safe-order', `${why.text}, but no order of writes keeps the record above every list in force`);
  }
  if (v.olderLists === null) return { change: { path: 'learn', why }, why };
  return { change: { path: 'record-only', to: between, why }, why };
}

/**
 * Names that must leave because of M6: a record between two settings holds the node that gave way and the one that came for
 * it, and the first may be back by then. Of the nodes of a region one stays that is ready, and rather one that is in
 * PostgreSQL's list already.
 */
function spareOf(v: MembershipView, gone: readonly NodeId[]): readonly NodeId[] {
  if (v.policy.mode === 'async') return [];
  const present = without(v.record.names, gone);
  if (present.length < 2) return [];
  const rank = (name: NodeId): number =>
    (v.standbys.some((s) => s.node === name && isReady(v, s)) ? 0 : 2) + (v.configured.names.includes(name) ? 0 : 1);
  const kept = new Map<string, NodeId>();
  for (const name of present.toSorted((a, b) => rank(a) - rank(b)))
    if (!kept.has(placeOf(name))) kept.set(placeOf(name), name);
  return present.filter((name) => kept.get(placeOf(name)) !== name);
}

const without = (names: readonly NodeId[], leaving: readonly NodeId[]): readonly NodeId[] =>
  names.filter((name) => !leaving.includes(name));

export function isGone(v: MembershipView, name: NodeId): boolean {
  const sinceMs = v.goneSinceMs.get(name);
  return sinceMs !== undefined && v.nowMs - sinceMs >= v.knobs.evictAfterMs;
}

/**
 * A name in PostgreSQL's list that is not in the record. While the record says solo the reign has just begun: the name is
 * expected to enter; it is withdrawn when it stays away and the file lets a primary serve alone.
 */
function firstStray(v: MembershipView): NodeId | null {
  const strays = v.configured.names.filter((name) => !v.record.names.includes(name));
  if (v.record.w > 0) return strays[0] ?? null;
  if (v.policy.whenAlone === 'block') return null;
  return strays.find((name) => isGone(v, name)) ?? null;
}

function firstReady(v: MembershipView): NodeId | null {
  // M6: one name a region, so that the number of names that confirm is a number of regions. One that is gone gives way.
  const taken = v.policy.mode === 'async' ? [] : v.record.names.filter((name) => !isGone(v, name)).map(placeOf);
  const allowed = confirmersFor(v.policy, v.primary).filter((node) => !taken.includes(placeOf(node)));
  const ready = v.standbys.find((s) => allowed.includes(s.node) && !v.record.names.includes(s.node) && isReady(v, s));
  return ready?.node ?? null;
}

export const isReady = (v: MembershipView, s: StandbySeen): boolean =>
  s.state === 'streaming' &&
  s.epoch === v.epoch &&
  s.flushLsn !== null &&
  compareLsn(s.flushLsn, v.reignLsn) >= 0 &&
  lsnBytes(s.flushLsn, v.endLsn) <= ENTER_LAG_BYTES_MAX;

const nothing = (code: string, text: string): MembershipDecision => ({ change: null, why: because(code, text) });

function describe(record: Confirmers, primary: NodeId, configured: Confirmers): string {
  if (record.w > 0) return `${record.w} of ${record.names.join(', ')} confirm`;
  if (configured.w === 0) return `solo: ${primary} acknowledges alone`;
  return `${primary} acknowledges what ${configured.w} of ${configured.names.join(', ')} have; they enter the record next`;
}
