import { CHANGE, noChange, noTakeover, type NodeState, type State, TAKEOVER } from './state.ts';

/** A state as a short string: what makes two states the same, and small enough for millions of them. */
export function packState(s: State): string {
  const { late } = s;
  const numbers = [s.epoch, s.primary, s.w, s.names, s.recordEpoch, s.revision];
  if (late === null) numbers.push(0);
  else numbers.push(1, late.w, late.names, late.epoch, late.revision, late.primary);
  numbers.push(s.cut, s.faults, s.takeovers, s.changes, s.calm, s.dead);
  for (const write of s.writes) numbers.push(write.st, write.at, write.epoch);
  for (const node of s.nodes) packNode(node, numbers);
  return String.fromCharCode(...numbers);
}

function packNode(n: NodeState, numbers: number[]): void {
  numbers.push(n.postgres, n.frozen, n.reign, n.upstream, n.gate, n.store, n.order);
  const { takeover: t, change: c } = n;
  numbers.push(t.step);
  if (t.step !== TAKEOVER.none)
    numbers.push(t.epoch, t.revision, t.w, t.names, t.primary, t.recordEpoch, t.read, ...t.positions, t.target);
  numbers.push(c.step);
  if (c.step !== CHANGE.none) numbers.push(c.revision, c.w, c.names, c.mark);
  numbers.push(n.lists.length, ...n.lists, n.wal.length);
  for (let i = 0; i < n.wal.length; i++) numbers.push(n.wal.charCodeAt(i));
}

/** The inverse of `packState` for a scope with this many writes and nodes. */
export function unpackState(key: string, writeCount: number, nodeCount: number): State {
  let at = 0;
  const next = (): number => key.charCodeAt(at++);
  const text = (length: number): string => key.slice(at, (at += length));
  const [epoch, primary, w, names, recordEpoch, revision] = [next(), next(), next(), next(), next(), next()];
  const late = next() === 0 ? null : { w: next(), names: next(), epoch: next(), revision: next(), primary: next() };
  const [cut, faults, takeovers, changes, calm, dead] = [next(), next(), next(), next(), next(), next()];
  const writes = Array.from({ length: writeCount + calm }, () => ({ st: next(), at: next(), epoch: next() }));
  const nodes = Array.from({ length: nodeCount }, () => unpackNode(next, text));
  return {
    epoch,
    primary,
    w,
    names,
    recordEpoch,
    revision,
    late,
    cut,
    faults,
    takeovers,
    changes,
    calm,
    dead,
    writes,
    nodes,
  };
}

function unpackNode(next: () => number, text: (length: number) => string): NodeState {
  const [postgres, frozen, reign, upstream, gate, store, order] = [
    next(),
    next(),
    next(),
    next(),
    next(),
    next(),
    next(),
  ];
  const takeover = noTakeover();
  takeover.step = next();
  if (takeover.step !== TAKEOVER.none) {
    for (const field of ['epoch', 'revision', 'w', 'names', 'primary', 'recordEpoch', 'read'] as const)
      takeover[field] = next();
    takeover.positions = [next(), next(), next()];
    takeover.target = next();
  }
  const change = noChange();
  change.step = next();
  if (change.step !== CHANGE.none) {
    for (const field of ['revision', 'w', 'names', 'mark'] as const) change[field] = next();
  }
  const lists = Array.from({ length: next() }, next);
  const wal = text(next());
  return { postgres, frozen, reign, upstream, gate, store, order, takeover, change, lists, wal };
}
