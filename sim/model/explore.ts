/** An explicit-state model: every state within its scope is visited once. `pack` and `unpack` are inverse to each other. */
export interface Model<S> {
  initial(): S;
  pack(state: S): string;
  unpack(key: string): S;
  /** Reports every event that is possible in `state`. The state itself is not changed. */
  successors(state: S, emit: Emit<S>): void;
}

/** One event in words, the state after it, and the invariant that it breaks: a sentence that begins with the invariant's number. */
export type Emit<S> = (label: string, next: S, violation: string | null) => void;

export interface Violation {
  readonly what: string;
  /** The shortest sequence of events that leads to it, in words. */
  readonly trace: readonly string[];
}

export interface Exploration {
  readonly violation: Violation | null;
  readonly stateCount: number;
  /** False when a limit ended the search. */
  readonly isComplete: boolean;
  /** Every state found, packed, in the order of its distance from the start. */
  readonly keys: readonly string[];
  /** The events that lead to the state at this place of `keys`. */
  readonly traceTo: (index: number) => readonly string[];
}

export interface Limits {
  readonly statesMax: number;
  /** Asked now and then: is the time up? */
  readonly isOver: () => boolean;
}

const ASK_EVERY = 1_024;

/** Breadth-first search: stops at the first violation, which therefore has the shortest trace. */
export function explore<S>(model: Model<S>, limits: Limits): Exploration {
  const first = model.pack(model.initial());
  const keys = [first];
  const parents = [-1];
  const labels = [''];
  const seen = new Set([first]);
  const traceTo = (index: number): string[] => {
    const steps: string[] = [];
    for (let i = index; i > 0; i = parents[i] ?? 0) steps.push(labels[i] ?? '');
    return steps.toReversed();
  };
  let violation: Violation | null = null;
  let isComplete = true;
  for (let at = 0; at < keys.length && violation === null; at++) {
    if (keys.length > limits.statesMax || (at % ASK_EVERY === 0 && limits.isOver())) {
      isComplete = false;
      break;
    }
    model.successors(model.unpack(keys[at] ?? first), (label, next, what) => {
      if (violation !== null) return;
      if (what !== null) {
        violation = { what, trace: [...traceTo(at), label] };
        return;
      }
      const key = model.pack(next);
      if (seen.has(key)) return;
      seen.add(key);
      keys.push(key);
      parents.push(at);
      labels.push(label);
    });
  }
  return { violation, stateCount: keys.length, isComplete, keys, traceTo };
}

/** What searches of the same model learnt: states from which the goal can be reached, and from which it can't. */
export interface Learnt {
  readonly good: Set<string>;
  readonly bad: Set<string>;
}

/** Can a state that `isGoal` accepts still be reached? Depth first; calls with the same `learnt` share what they find. */
export function canReach<S>(model: Model<S>, from: S, isGoal: (state: S) => boolean, learnt: Learnt): boolean {
  const start = model.pack(from);
  if (learnt.good.has(start)) return true;
  if (learnt.bad.has(start)) return false;
  const parents = new Map<string, string | null>([[start, null]]);
  const stack = [start];
  for (let key = stack.pop(); key !== undefined; key = stack.pop()) {
    if (!expand(model, key, isGoal, learnt, parents, stack)) continue;
    for (let good: string | null = key; good !== null; good = parents.get(good) ?? null) learnt.good.add(good);
    return true;
  }
  for (const key of parents.keys()) learnt.bad.add(key);
  return false;
}

/** Puts the unvisited successors on the stack; true when one of them is the goal or known to lead there. */
function expand<S>(
  model: Model<S>,
  key: string,
  isGoal: (state: S) => boolean,
  learnt: Learnt,
  parents: Map<string, string | null>,
  stack: string[],
): boolean {
  let found = false;
  model.successors(model.unpack(key), (_label, next) => {
    if (found) return;
    const nextKey = model.pack(next);
    found = isGoal(next) || learnt.good.has(nextKey);
    if (found || parents.has(nextKey) || learnt.bad.has(nextKey)) return;
    parents.set(nextKey, key);
    stack.push(nextKey);
  });
  return found;
}
