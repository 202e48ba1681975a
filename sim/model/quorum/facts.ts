import type { QuorumScope } from './scope.ts';
import {
  bit,
  DOWN,
  type List,
  listOf,
  membersOf,
  namesOf,
  NODE_FROZEN,
  nodeOf,
  type NodeSet,
  type NodeState,
  RUNNING,
  sizeOf,
  STANDBY,
  type State,
  wOf,
} from './state.ts';

/** What can be read off a state. Nothing here changes one. */

/** P4.1: does the record cover the list? A solo record (w = 0) is covered by the primary itself. Same as decide/failover/quorum. */
export function coversList(record: { readonly w: number; readonly names: NodeSet }, list: List): boolean {
  if (record.w === 0) return true;
  return wOf(list) - sizeOf(namesOf(list) & ~record.names) >= record.w;
}

/** While a reload is on its way: as few as the laxest list asks, out of all that any list names. Same as decide/failover/quorum. */
export function weakestOf(lists: readonly List[]): List {
  const w = Math.min(...lists.map(wOf));
  return w === 0
    ? 0
    : listOf(
        w,
        lists.reduce((names, list) => names | namesOf(list), 0),
      );
}

/** Everybody who may confirm for this primary: the nodes of other regions (M5). */
export function confirmersOf(scope: QuorumScope, primary: number): NodeSet {
  const counts = (region: number, node: number): boolean =>
    node !== primary && (scope.mistake === 'own-region-confirms' || region !== scope.regions[primary]);
  return scope.regions.reduce((set, region, node) => (counts(region, node) ? set | bit(node) : set), 0);
}

/** The list that the declared mode asks of these names. */
export const wantedList = (scope: QuorumScope, names: NodeSet): List =>
  listOf(scope.mode === 'all' ? sizeOf(names) : Math.min(1, sizeOf(names)), names);

/** Link A-B is bit 0, A-C bit 1, B-C bit 2. */
export const linkBit = (a: number, b: number): number => bit(a + b - 1);
export const isLinked = (s: State, a: number, b: number): boolean => a === b || (s.cut & linkBit(a, b)) === 0;
export const agentActs = (n: NodeState): boolean => n.frozen === RUNNING && n.postgres !== DOWN;
export const postgresActs = (n: NodeState): boolean => n.frozen !== NODE_FROZEN && n.postgres !== DOWN;

/** The newest epoch in a WAL; 0 = none. */
export const reignIn = (wal: string): number =>
  wal.split('').reduce((newest, entry) => (entry >= '1' && entry <= '9' ? Math.max(newest, Number(entry)) : newest), 0);

/** Does the standby stream from this primary, as far as both know, on one branch? */
export function isAttached(s: State, primary: number, standby: number): boolean {
  const n = nodeOf(s, standby);
  return (
    standby !== primary && n.postgres === STANDBY && n.upstream === primary && nodeOf(s, primary).wal.startsWith(n.wal)
  );
}

/** Attached, and bytes can flow now. */
export const isStreaming = (s: State, primary: number, standby: number): boolean =>
  isAttached(s, primary, standby) &&
  isLinked(s, primary, standby) &&
  postgresActs(nodeOf(s, primary)) &&
  postgresActs(nodeOf(s, standby));

/** Is the entry at `position` confirmed as the list asks, by standbys attached to this primary? */
export function isConfirmed(s: State, primary: number, list: List, position: number): boolean {
  if (list === 0) return true;
  const have = membersOf(namesOf(list)).filter(
    (m) => m < s.nodes.length && isAttached(s, primary, m) && nodeOf(s, m).wal.length > position,
  );
  return have.length >= wOf(list);
}

/** How many entries two WALs have in common. */
export function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

/** A key's create revision never changes by overwriting, so a guard on it compares nothing (P1.1). */
export const epochStands = (scope: QuorumScope, s: State, epoch: number): boolean =>
  scope.mistake === 'create-revision' || s.epoch === epoch;
