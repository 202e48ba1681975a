import { placeOf, type NodeId } from '../../base/ids.ts';
import { compareLsn } from '../../base/lsn.ts';
import type { Position } from '../../ports/database.ts';
import type { PositionRecord, SyncRecord } from '../../ports/records.ts';
import { holdsEverything } from './neighbours.ts';

/** How many of which standbys must confirm. `w: 0` = nobody. */
export interface Confirmers {
  readonly w: number;
  readonly names: readonly NodeId[];
}

/**
 * P4.1: does the record cover the list: does every set of standbys that can confirm a write under `list` meet every set
 * that P3.2 accepts under `record`? A solo record (w = 0) names the primary itself, which has everything.
 */
export function covers(record: Confirmers, list: Confirmers): boolean {
  if (record.w === 0) return true;
  const outside = list.names.filter((name) => !record.names.includes(name)).length;
  return list.w - outside >= record.w;
}

/**
 * P4.1: the weakest by which a write may be released while a reload reaches PostgreSQL's processes one after another. A walsender
 * counts by its own list how many must confirm, and among all walsenders that say they are named, each by its own list: one that
 * still has the old list takes a standby that only the new one names for one of its own.
 */
export const weakestOf = (lists: readonly Confirmers[]): Confirmers => {
  const w = Math.min(...lists.map((list) => list.w));
  return { w, names: w === 0 ? [] : [...new Set(lists.flatMap((list) => list.names))] };
};

export const sameConfirmers = (a: Confirmers, b: Confirmers): boolean =>
  a.w === b.w && a.names.length === b.names.length && a.names.every((name) => b.names.includes(name));

/** A record under which acknowledged writes may be lost: nobody confirmed them, and its names are only candidates. */
export const isAsync = (record: Pick<SyncRecord, 'mode'>): boolean => record.mode === 'async';

/** How many members must be detached and read: R + W > N (P3.2). Meaningless for a solo record. */
export const positionQuorumSize = (record: Confirmers): number => record.names.length - record.w + 1;

/**
 * P3.2: do these members, detached and read, prove where the last acknowledged write is? The recorded primary itself,
 * stopped and isolated, is a position quorum for promoting itself; under a solo record (w = 0, no names) nobody else is.
 */
export function hasPositionQuorum(record: SyncRecord, read: ReadonlySet<NodeId>): boolean {
  if (read.has(record.primary)) return true;
  // Async: no position is proof, so what one candidate holds is judged by what would be lost with it (F24).
  if (isAsync(record)) return record.names.some((name) => read.has(name));
  if (record.w === 0) return false;
  return record.names.filter((name) => read.has(name)).length >= positionQuorumSize(record);
}

export type Choice =
  | { readonly kind: 'chosen'; readonly target: NodeId; readonly position: Position; readonly why: string }
  | {
      readonly kind: 'refused';
      readonly code: 'no-position-quorum' | 'behind-last-position' | 'no-permitted-candidate';
      readonly why: string;
    };

/**
 * Chooses the new primary among members that were detached and read: position first, then residency (`promotable`), then
 * the order of preference (P5). A permitted member behind the furthest one is never chosen: that would lose writes (I6).
 */
export function choose(
  record: SyncRecord,
  positions: ReadonlyMap<NodeId, Position>,
  last: PositionRecord | null,
  promotable: readonly NodeId[],
): Choice {
  if (!hasPositionQuorum(record, new Set(positions.keys()))) {
    return {
      kind: 'refused',
      code: 'no-position-quorum',
      why: `only ${[...positions.keys()].join(', ') || 'nobody'} of the recorded set was detached and read`,
    };
  }
  const isNamed = (node: NodeId): boolean => record.names.includes(node) || node === record.primary;
  const named = [...positions].filter(([node]) => isNamed(node));
  const complete = [...furthest(named, record), ...unnamed(positions, named, record)];
  const permitted = promotable.filter((node) => complete.some(([other]) => other === node));
  const target = permitted[0];
  if (target === undefined) {
    return {
      kind: 'refused',
      code: 'no-permitted-candidate',
      why: `${complete.map(([node]) => node).join(', ')} may not become primary (residency, or its settings: I9)`,
    };
  }
  const position = positions.get(target);
  if (position === undefined) return { kind: 'refused', code: 'no-permitted-candidate', why: `${target} was not read` };
  if (last !== null && isBehind(position, last)) {
    return {
      kind: 'refused',
      code: 'behind-last-position',
      why: `${target} ends at ${position.lsn}, before the recorded position ${last.lsn}`,
    };
  }
  return {
    kind: 'chosen',
    target,
    position,
    why: `${target} ends at ${position.lsn}, furthest of ${named.length} read`,
  };
}

/** F20: nodes that no record names, of the primary's own region, that hold what the quorum of standbys holds. */
function unnamed(
  positions: ReadonlyMap<NodeId, Position>,
  named: readonly (readonly [NodeId, Position])[],
  record: SyncRecord,
): readonly (readonly [NodeId, Position])[] {
  const standbys = named.filter(([node]) => node !== record.primary);
  if (record.w === 0 || standbys.length < positionQuorumSize(record)) return [];
  const read = named.map(([, position]) => position);
  const others = [...positions].filter(([node]) => !named.some(([other]) => other === node));
  return others.filter(
    ([node, position]) => placeOf(node) === placeOf(record.primary) && holdsEverything(position, read, record),
  );
}

/**
 * The members that certainly hold every acknowledged write: those at the furthest position, and the recorded primary. Async:
 * those that hold the most of all that were read.
 */
function furthest(
  named: readonly (readonly [NodeId, Position])[],
  record: SyncRecord,
): readonly (readonly [NodeId, Position])[] {
  if (isAsync(record)) {
    const most = furthestOf(named.map(([, position]) => position));
    return named.filter(([, position]) => most !== null && !isFurther(most, position));
  }
  const standbys = named.filter(([node]) => node !== record.primary);
  const quorum = record.w > 0 && standbys.length >= positionQuorumSize(record);
  const best = furthestOf(standbys.map(([, position]) => position));
  return named.filter(
    ([node, position]) => node === record.primary || (quorum && best !== null && !isFurther(best, position)),
  );
}

export const furthestOf = (positions: readonly Position[]): Position | null =>
  positions.reduce<Position | null>(
    (most, position) => (most === null || isFurther(position, most) ? position : most),
    null,
  );

export const isFurther = (a: Position, b: Position): boolean =>
  a.timeline > b.timeline || (a.timeline === b.timeline && compareLsn(a.lsn, b.lsn) > 0);

/** P1.4: a record of an older timeline says nothing about a newer one. */
const isBehind = (position: Position, last: PositionRecord): boolean =>
  position.timeline < last.timeline || (position.timeline === last.timeline && compareLsn(position.lsn, last.lsn) < 0);
