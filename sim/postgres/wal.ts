import type { NodeId } from '../../src/base/ids.ts';
import type { Lsn } from '../../src/base/lsn.ts';

/** What one record of the write-ahead log says. */
export type What =
  | { readonly kind: 'row'; readonly id: number }
  | { readonly kind: 'beat'; readonly seq: number; readonly wallMs: number }
  | { readonly kind: 'epoch'; readonly n: number; readonly by: NodeId }
  /** End of recovery, checkpoint, or the mark of a barrier. */
  | { readonly kind: 'mark'; readonly text: string };

/** A record; the same object on every node that holds it, so that "is it the same branch" is one comparison. */
export interface Entry {
  readonly timeline: number;
  readonly what: What;
}

/** Where a timeline was left for the next one: after this many records. */
export interface ForkAt {
  readonly timeline: number;
  readonly count: number;
}

const BYTES = 0x60;
const START = 0x3000000;
const texts: Lsn[] = [];

/** A position is a number of records; as PostgreSQL prints it, every record takes the same room. */
export function lsnOf(count: number): Lsn {
  return (texts[count] ??= `0/${(START + count * BYTES).toString(16).toUpperCase()}`);
}

/** A data directory: what survives a crash. */
export interface DataDir {
  systemId: string | null;
  wal: Entry[];
  /** Ancestors of the newest timeline, oldest first. */
  history: readonly ForkAt[];
  fresh: boolean;
  standbySignal: boolean;
  syncList: { readonly epoch: number; readonly w: number; readonly names: readonly NodeId[] };
  upstream: { readonly node: NodeId; readonly epoch: number } | null;
}

export const emptyDir = (): DataDir => ({
  systemId: null,
  wal: [],
  history: [],
  fresh: false,
  standbySignal: false,
  syncList: { epoch: 0, w: 0, names: [] },
  upstream: null,
});

export const timelineOf = (dir: DataDir): number => dir.wal.at(-1)?.timeline ?? 1;

/** Is everything that `dir` holds also in `other`, at the same place? */
export const isPrefix = (dir: readonly Entry[], other: readonly Entry[]): boolean =>
  dir.length <= other.length && (dir.length === 0 || dir[dir.length - 1] === other[dir.length - 1]);

/** How many records two logs have in common from the start. */
export function commonCount(a: readonly Entry[], b: readonly Entry[]): number {
  let count = Math.min(a.length, b.length);
  while (count > 0 && a[count - 1] !== b[count - 1]) count -= 1;
  return count;
}
