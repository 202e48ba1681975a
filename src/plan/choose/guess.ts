import { lookAt, type Look } from '../look.ts';
import { compareChoices, millionths, type Choice, type PlanProblem } from '../problem.ts';

/** Steps of one descent; it has always ended long before. */
const MOST_STEPS = 40;

interface Tried {
  readonly set: readonly number[];
  readonly look: Look;
  /** How far it is from keeping what is asked, in millionths and cents; 0: it does. */
  readonly misses: number;
}

/**
 * Good choices, fast, and nothing proven: for each size the best set by one candidate after another, then the best swap as long as one is better. What is
 * known early makes the bounds of the search sharp, and is what is shown when the search is cut. One list a step.
 */
export function* guesses(problem: PlanProblem): Generator<readonly Choice[], void> {
  const { sizes, pinned } = problem;
  let set: readonly number[] = pinned.toSorted((a, b) => a - b);
  for (let size = Math.max(sizes.min, pinned.length); size <= sizes.max; size++) {
    while (set.length < size) {
      const grown = bestOf(problem, withOneMore(problem, set));
      if (grown === null) break;
      set = grown.set;
      yield [];
    }
    let here = set.length === size ? tried(problem, set) : null;
    for (let step = 0; step < MOST_STEPS && here !== null; step++) {
      const around = neighbours(problem, here.set).flatMap((other) => tried(problem, other) ?? []);
      yield [here, ...around].filter(({ look }) => look.isAllowed).map(({ look }) => look.choice);
      const [next] = around.toSorted((a, b) => compareTried(problem, a, b));
      if (next === undefined || compareTried(problem, next, here) >= 0) break;
      here = next;
    }
  }
}

function tried(problem: PlanProblem, set: readonly number[]): Tried | null {
  const look = set.length < 2 ? null : lookAt(problem, set);
  if (look === null) return null;
  const { coverage, worst, costUsd } = look.choice;
  const short = Math.max(0, millionths(problem.objectives[0]?.share ?? 0) - millionths(coverage));
  const shortAfter = Math.max(0, millionths(problem.worstShare ?? 0) - millionths(worst));
  const over = Math.max(0, costUsd - (problem.budgetUsd ?? Infinity)) * 100;
  return { set, look, misses: look.isAllowed ? 0 : 1 + short + shortAfter + over };
}

const compareTried = (problem: PlanProblem, a: Tried, b: Tried): number =>
  a.misses - b.misses || compareChoices(problem, a.look.choice, b.look.choice);

/** One candidate by itself is no choice: from nothing the two that are best together. */
function bestOf(problem: PlanProblem, sets: readonly (readonly number[])[]): Tried | null {
  const all = sets.flatMap((set) => tried(problem, set) ?? []);
  return all.toSorted((a, b) => compareTried(problem, a, b))[0] ?? null;
}

function withOneMore(problem: PlanProblem, set: readonly number[]): readonly (readonly number[])[] {
  const one = [...problem.candidates.keys()].flatMap((r) => joined(problem, set, r));
  if (set.length > 0) return one;
  return one.flatMap(([r = 0]) => one.flatMap(([s = 0]) => (r < s ? joined(problem, [r], s) : [])));
}

function neighbours(problem: PlanProblem, set: readonly number[]): readonly (readonly number[])[] {
  return set.flatMap((out) => {
    if (problem.pinned.includes(out)) return [];
    const stay = set.filter((r) => r !== out);
    return [...problem.candidates.keys()].flatMap((r) => (r === out ? [] : joined(problem, stay, r)));
  });
}

/** The set with `r`, in order; empty: it is in it, or may not be. */
function joined(problem: PlanProblem, set: readonly number[], r: number): readonly (readonly number[])[] {
  const n = problem.candidates.length;
  if (set.some((other) => other === r || problem.conflicts[r * n + other] === 1)) return [];
  return [[...set, r].toSorted((a, b) => a - b)];
}
