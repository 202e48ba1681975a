import type { QuorumScope } from './scope.ts';

/** Sets of nodes are bit masks; node 0 is bit 0. */
export type NodeSet = number;
/** A sync list in one number: how many must confirm and out of whom. 0 = nobody. */
export type List = number;

export const DOWN = 0;
export const STANDBY = 1;
export const PRIMARY = 2;

export const RUNNING = 0;
export const AGENT_FROZEN = 1;
export const NODE_FROZEN = 2;

/** Streams from nobody. */
export const NOBODY = 3;

export const UNSENT = 0;
export const WAITING = 1;
export const ACKNOWLEDGED = 2;
export const UNKNOWN = 3;

/** Steps of a takeover (P5). `ORDERED`: the target has read the epoch for the last time and may be arbitrarily slow from here. */
export const TAKEOVER = { none: 0, reading: 1, chosen: 2, recorded: 3, ordered: 4, promoted: 5, open: 6 } as const;
/** Steps of a change of who must confirm (P4). */
export const CHANGE = {
  none: 0,
  storeFirst: 1,
  listAfterStore: 2,
  postgresFirst: 3,
  settle: 4,
  flush: 5,
  recordOnly: 6,
} as const;

export interface Write {
  st: number;
  at: number;
  epoch: number;
}

export interface Takeover {
  step: number;
  epoch: number;
  revision: number;
  w: number;
  names: NodeSet;
  primary: number;
  /** Epoch under which the compared record was written. */
  recordEpoch: number;
  read: NodeSet;
  positions: number[];
  target: number;
}

export interface Change {
  step: number;
  revision: number;
  w: number;
  names: NodeSet;
  /** End of WAL that the names must have flushed. */
  mark: number;
}

export interface NodeState {
  postgres: number;
  frozen: number;
  /** Letters are client writes; a digit d is "promoted under epoch d". */
  wal: string;
  /** The epoch it is primary under; 0 = none. */
  reign: number;
  upstream: number;
  /** Lists that some process may still use, oldest first. */
  lists: List[];
  /** Epoch under which its gateway is open; 0 = closed. */
  gate: number;
  store: number;
  /** The node that an accepted order tells it to follow, + 1. */
  order: number;
  takeover: Takeover;
  change: Change;
}

export interface State {
  epoch: number;
  primary: number;
  w: number;
  names: NodeSet;
  recordEpoch: number;
  revision: number;
  /** A timed-out request to write the record that may still be applied; null = none. */
  late: { w: number; names: NodeSet; epoch: number; revision: number; primary: number } | null;
  /** Links that are cut: bit 0 = A-B, bit 1 = A-C, bit 2 = B-C. */
  cut: number;
  faults: number;
  takeovers: number;
  changes: number;
  /** 1 while everything is being repaired: then steps that can't go on are given up. */
  calm: number;
  /** Nodes that never come back. */
  dead: NodeSet;
  writes: Write[];
  nodes: NodeState[];
}

export const bit = (node: number): NodeSet => 1 << node;
export const sizeOf = (set: NodeSet): number => (set & 1) + ((set >> 1) & 1) + ((set >> 2) & 1);
export const membersOf = (set: NodeSet): readonly number[] => [0, 1, 2].filter((node) => set & bit(node));
export const listOf = (w: number, names: NodeSet): List => (w === 0 ? 0 : w * 8 + names);
export const wOf = (list: List): number => list >> 3;
export const namesOf = (list: List): NodeSet => list & 7;
export const letterOf = (write: number): string => 'abcdefgh'[write] ?? '?';
export const nameOf = (node: number): string => 'ABC'[node] ?? '?';
export const showNames = (set: NodeSet): string => membersOf(set).map(nameOf).join(',');
export const showList = (list: List): string =>
  list === 0 ? 'nobody' : `${wOf(list)} of (${showNames(namesOf(list))})`;

/** Node `i` of a state; a scope never asks for one that it does not have. */
export function nodeOf(state: State, node: number): NodeState {
  const found = state.nodes[node];
  if (found === undefined) throw new Error(`no node ${node}`);
  return found;
}

export function writeOf(state: State, write: number): Write {
  const found = state.writes[write];
  if (found === undefined) throw new Error(`no write ${write}`);
  return found;
}

export const noTakeover = (): Takeover => ({
  step: TAKEOVER.none,
  epoch: 0,
  revision: 0,
  w: 0,
  names: 0,
  primary: 0,
  recordEpoch: 0,
  read: 0,
  positions: [0, 0, 0],
  target: 0,
});
export const noChange = (): Change => ({ step: CHANGE.none, revision: 0, w: 0, names: 0, mark: 0 });

/** A is primary of epoch 1, everybody of another region confirms, everybody streams from nobody yet. */
export function initialState(scope: QuorumScope, list: List): State {
  return {
    epoch: 1,
    primary: 0,
    w: wOf(list),
    names: namesOf(list),
    recordEpoch: 1,
    revision: 1,
    late: null,
    cut: 0,
    faults: scope.faults,
    takeovers: scope.takeovers,
    changes: scope.changes,
    calm: 0,
    dead: 0,
    writes: Array.from({ length: scope.writes }, () => ({ st: UNSENT, at: 0, epoch: 0 })),
    nodes: scope.regions.map((_, node) => ({
      postgres: node === 0 ? PRIMARY : STANDBY,
      frozen: RUNNING,
      wal: '1',
      reign: node === 0 ? 1 : 0,
      upstream: node === 0 ? NOBODY : 0,
      lists: node === 0 ? [list] : [],
      gate: node === 0 ? 1 : 0,
      store: 1,
      order: 0,
      takeover: noTakeover(),
      change: noChange(),
    })),
  };
}
