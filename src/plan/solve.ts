import type { Base } from './build/base.ts';
import { build, type Built } from './build/build.ts';
import { choose, type ChooseOptions } from './choose/choose.ts';
import type { Constraint, Rejection } from './constraints.ts';
import type { PlanRequest } from '../spec/planning.ts';
import type { Chosen } from './problem.ts';

export type Solved =
  | { readonly built: Built; readonly chosen: Chosen }
  | { readonly built: readonly Rejection[]; readonly chosen: null };

/** Sets looked at for the question whether the budget alone stands against a third vote. */
const FEW_SETS = 500_000;

/**
 * The best choices for a request without the constraints in `left`. Where no set that keeps the rest has a place for a third vote, they are without
 * one, and the plan says so; never because of the money.
 */
export function solve(
  request: PlanRequest,
  base: Base,
  left: ReadonlySet<Constraint>,
  search: Partial<ChooseOptions>,
): Solved {
  const built = build(request, base, left);
  if (Array.isArray(built)) return { built, chosen: null };
  const { problem } = built;
  const chosen = choose(problem, search);
  if (chosen.top.length > 0 || problem.votes === null) return { built, chosen };
  const free = { ...problem, budgetUsd: null };
  // A search that was cut has not shown that there is no place for a vote.
  if (chosen.proof.kind === 'gap') return { built, chosen };
  if (problem.budgetUsd !== null) {
    const { top, proof } = choose(free, { top: 1, front: false, mostSets: FEW_SETS });
    if (top.length > 0 || proof.kind === 'gap') return { built, chosen };
  }
  const voteless = { ...problem, votes: null };
  return { built: { ...built, problem: voteless }, chosen: choose(voteless, search) };
}
