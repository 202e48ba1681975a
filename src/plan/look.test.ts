import fc from 'fast-check';
import { expect, test } from 'vitest';
import { choose } from './choose/choose.ts';
import { problemsOf } from './choose/testing.ts';
import { lookAt } from './look.ts';
import type { PlanProblem } from './problem.ts';

const someSet = (problem: PlanProblem, picks: readonly number[]): readonly number[] => {
  const n = problem.candidates.length;
  return [...new Set([0, n - 1, ...picks.map((pick) => pick % n)])].toSorted((a, b) => a - b);
};

/** The search over this one set. */
const onlyThis = (problem: PlanProblem, set: readonly number[]): PlanProblem => ({
  ...problem,
  sizes: { min: set.length, max: set.length },
  pinned: set,
  conflicts: new Uint8Array(problem.conflicts.length),
});

test('a look at one set says what the search says about it, and allows it exactly when the search does', () => {
  const seen = { allowed: 0, refused: 0, impossible: 0 };
  fc.assert(
    fc.property(problemsOf(6), fc.array(fc.nat(5), { maxLength: 2 }), (problem, picks) => {
      const set = someSet(problem, picks);
      const look = lookAt(problem, set);
      const one = onlyThis(problem, set);
      const free = { ...one, objectives: one.objectives.map((o) => ({ ...o, share: 0 })), budgetUsd: null };
      const [found] = choose({ ...free, worstShare: null }).top;
      if (look === null || found === undefined) {
        seen.impossible += 1;
        expect([look, found]).toEqual([null, undefined]);
        return;
      }
      const [kept] = choose(one).top;
      const { regions, primary, standby, writeMs, ...figures } = kept ?? found;
      expect(look.choice).toMatchObject({ regions, primary, standby, writeMs });
      for (const figure of ['costUsd', 'coverage', 'worst'] as const)
        expect(look.choice[figure], figure).toBeCloseTo(figures[figure], 6);
      expect(look.isAllowed).toBe(kept !== undefined);
      seen[look.isAllowed ? 'allowed' : 'refused'] += 1;
    }),
    { numRuns: 400, seed: 20_261_128 },
  );
  expect(Math.min(seen.allowed, seen.refused, seen.impossible)).toBeGreaterThan(20);
});
