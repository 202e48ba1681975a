import type { Emit, Model } from './explore.ts';

/**
 * The way home after an async failover: P1.3, P8.1-P8.3, I1, I6, I7, I10. Nodes stream from a primary without confirming; a
 * takeover may begin whenever the primary is fenced (killed or frozen past its deadline, lease.ts has the timing). What a
 * diverged node alone holds must be saved before it is rewound, and every step of that may be the last before a crash.
 */
export interface RejoinScope {
  readonly nodes: number;
  readonly writes: number;
  readonly faults: number;
  readonly takeovers: number;
  readonly mistake: RejoinMistake | null;
}

export type RejoinMistake =
  | 'no-salvage'
  | 'follow-without-comparing'
  | 'compare-by-length'
  | 'behind-the-fork-is-a-candidate';

const DOWN = 0;
const STANDBY = 1;
const PRIMARY = 2;

/** Steps of a rejoin. A crash in between begins again at `none`; only what is on disk is kept. */
const REJOIN = { none: 0, diverged: 1, salvaged: 2, rewound: 3 } as const;

interface NodeState {
  postgres: number;
  /** Letters are acknowledged writes; a digit d is "promoted under epoch d". */
  wal: string;
  /** Whom it streams from, -1 = nobody. */
  upstream: number;
  step: number;
}

export interface RejoinState {
  epoch: number;
  /** The recorded primary, -1 while a takeover has not promoted yet. */
  primary: number;
  faults: number;
  takeovers: number;
  written: number;
  nodes: NodeState[];
  /** Writes in salvage files, each once, in the order of the alphabet. */
  salvaged: string;
}

const nameOf = (node: number): string => 'ABC'[node] ?? '?';
const LETTERS = 'abcdefgh';

export function rejoinModel(scope: RejoinScope): Model<RejoinState> {
  return {
    initial: () => ({
      epoch: 1,
      primary: 0,
      faults: scope.faults,
      takeovers: scope.takeovers,
      written: 0,
      salvaged: '',
      nodes: Array.from({ length: scope.nodes }, (_, i) => ({
        postgres: i === 0 ? PRIMARY : STANDBY,
        wal: '1',
        upstream: i === 0 ? -1 : 0,
        step: REJOIN.none,
      })),
    }),
    pack: (s) => JSON.stringify(s),
    unpack: (key) => JSON.parse(key) as RejoinState,
    successors: (now, emit) => successors(scope, now, emit),
  };
}

type Report = (label: string, apply: (s: RejoinState) => string | void) => void;

interface Look {
  readonly scope: RejoinScope;
  readonly now: RejoinState;
  readonly report: Report;
}

function successors(scope: RejoinScope, now: RejoinState, emit: Emit<RejoinState>): void {
  const report: Report = (label, apply) => {
    const next = structuredCloneOf(now);
    const violation = apply(next) ?? judgeWrites(next) ?? judgeBranches(next);
    emit(label, next, violation);
  };
  const look = { scope, now, report };
  now.nodes.forEach((_, i) => {
    writesAndStreaming(look, i);
    crashes(look, i);
    takeover(look, i);
    rejoin(look, i);
  });
}

const structuredCloneOf = (s: RejoinState): RejoinState => ({ ...s, nodes: s.nodes.map((n) => ({ ...n })) });

function nodeAt(s: RejoinState, i: number): NodeState {
  const n = s.nodes[i];
  if (n === undefined) throw new Error(`no node ${i}`);
  return n;
}

/** I7: whatever was acknowledged is in some WAL that is still there, or in a salvage file. */
function judgeWrites(s: RejoinState): string | null {
  const lost = LETTERS.slice(0, s.written)
    .split('')
    .find((x) => !s.salvaged.includes(x) && !s.nodes.some((n) => n.wal.includes(x)));
  return lost === undefined ? null : `I7: write ${lost} is in no data directory and in no salvage file`;
}

/** I10, I1: who streams is on the branch of its primary; one primary per epoch. */
function judgeBranches(s: RejoinState): string | null {
  for (const [i, n] of s.nodes.entries()) {
    if (n.postgres === STANDBY && n.upstream >= 0) {
      const from = nodeAt(s, n.upstream);
      if (from.postgres === PRIMARY && !from.wal.startsWith(n.wal))
        return `I10: ${nameOf(i)} streams from ${nameOf(n.upstream)} and is on another branch`;
    }
  }
  const reigns = s.nodes.filter((n) => n.postgres === PRIMARY).map((n) => reignIn(n.wal));
  return new Set(reigns).size === reigns.length ? null : 'I1: two primaries under one epoch';
}

const reignIn = (wal: string): number =>
  Math.max(
    ...wal
      .split('')
      .filter((x) => x >= '1' && x <= '9')
      .map(Number),
  );

function writesAndStreaming({ scope, now, report }: Look, i: number): void {
  const n = nodeAt(now, i);
  const x = LETTERS[now.written];
  if (n.postgres === PRIMARY && reignIn(n.wal) === now.epoch && x !== undefined && now.written < scope.writes)
    report(`${nameOf(i)} acknowledges write ${x}`, (s) => {
      nodeAt(s, i).wal += x;
      s.written += 1;
    });
  if (n.postgres !== STANDBY || n.upstream < 0) return;
  const from = nodeAt(now, n.upstream);
  const next = from.wal[n.wal.length];
  if (from.postgres === PRIMARY && next !== undefined)
    report(`${nameOf(i)} receives ${next} from ${nameOf(n.upstream)}`, (s) => void (nodeAt(s, i).wal += next));
}

function crashes({ now, report }: Look, i: number): void {
  const n = nodeAt(now, i);
  if (now.faults > 0 && n.postgres !== DOWN)
    report(`node ${nameOf(i)} crashes`, (s) => {
      s.faults -= 1;
      Object.assign(nodeAt(s, i), { postgres: DOWN, upstream: -1, step: REJOIN.none });
    });
  if (n.postgres === DOWN)
    report(
      `${nameOf(i)} starts as an isolated standby (P8.1)`,
      (s) => void Object.assign(nodeAt(s, i), { postgres: STANDBY, upstream: -1 }),
    );
}

/** The recorded primary is down (fenced): the furthest of the standbys that can be read is promoted. The others are detached. */
function takeover({ scope, now, report }: Look, i: number): void {
  const n = nodeAt(now, i);
  const holder = now.primary < 0 ? null : nodeAt(now, now.primary);
  const isFenced = holder !== null && holder.postgres !== PRIMARY;
  // Only who passed the fork of the present reign is recorded as a candidate (P1.3).
  const passedFork = (m: NodeState): boolean =>
    scope.mistake === 'behind-the-fork-is-a-candidate' || reignIn(m.wal) === now.epoch;
  const isCandidate = n.postgres === STANDBY && passedFork(n) && n.step === REJOIN.none;
  if (now.takeovers === 0 || !isFenced || !isCandidate) return;
  const isFurthest = now.nodes.every((m) => m.postgres !== STANDBY || !passedFork(m) || m.wal.length <= n.wal.length);
  if (!isFurthest) return;
  const epoch = now.epoch + 1;
  report(
    `${nameOf(i)} is fenced off from the old primary, read as the furthest, and promoted under epoch ${epoch}`,
    (s) => {
      s.takeovers -= 1;
      s.epoch = epoch;
      s.primary = i;
      for (const m of s.nodes) if (m.postgres === STANDBY) m.upstream = -1;
      const target = nodeAt(s, i);
      const from = reignIn(target.wal);
      const newer = now.nodes.findIndex((m) => m.postgres === STANDBY && reignIn(m.wal) > from);
      Object.assign(target, { postgres: PRIMARY, upstream: -1, wal: target.wal + epoch });
      if (newer >= 0)
        return `I10: ${nameOf(i)} was promoted from an older branch than the one that ${nameOf(newer)} is on`;
    },
  );
}

/** P8.2, P8.3: compare, salvage what is beyond the fork, rewind, follow. */
function rejoin({ scope, now, report }: Look, i: number): void {
  const n = nodeAt(now, i);
  const p = now.primary;
  if (p < 0 || p === i || n.postgres !== STANDBY || n.upstream >= 0) return;
  const primary = nodeAt(now, p);
  if (primary.postgres !== PRIMARY) return;
  const me = nameOf(i);
  if (n.step === REJOIN.none) {
    if (isOnBranch(scope, n.wal, primary.wal))
      report(`${me}'s WAL is not beyond the fork: it follows ${nameOf(p)}`, (s) => void (nodeAt(s, i).upstream = p));
    else report(`${me} finds that it diverged from ${nameOf(p)}`, (s) => void (nodeAt(s, i).step = REJOIN.diverged));
    return;
  }
  const kept = commonLength(n.wal, primary.wal);
  if (n.step === REJOIN.diverged)
    report(`${me} saves what lies beyond the fork, synced to disk`, (s) => {
      nodeAt(s, i).step = REJOIN.salvaged;
      if (scope.mistake !== 'no-salvage') s.salvaged = union(s.salvaged, n.wal.slice(kept));
    });
  if (n.step === REJOIN.salvaged)
    report(
      `${me} is rewound to the fork`,
      (s) => void Object.assign(nodeAt(s, i), { wal: n.wal.slice(0, kept), step: REJOIN.rewound }),
    );
  if (n.step === REJOIN.rewound)
    report(`${me} follows ${nameOf(p)}`, (s) => void Object.assign(nodeAt(s, i), { upstream: p, step: REJOIN.none }));
}

/** On the branch: everything it has is also in the primary's WAL. Lengths alone say nothing. */
function isOnBranch(scope: RejoinScope, wal: string, primaryWal: string): boolean {
  if (scope.mistake === 'follow-without-comparing') return true;
  if (scope.mistake === 'compare-by-length') return wal.length <= primaryWal.length;
  return primaryWal.startsWith(wal);
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

const union = (a: string, b: string): string =>
  [...new Set([...a.split(''), ...b.split('').filter((x) => LETTERS.includes(x))])].toSorted().join('');
