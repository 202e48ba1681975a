import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cents, millionths, type Choice, type PlanProblem } from '../problem.ts';
import { Keeper } from './keep.ts';

const PROBLEM: PlanProblem = {
  candidates: [],
  weights: new Float64Array(),
  betweenMs: new Float64Array(),
  latencyMs: new Float64Array(),
  objectives: [],
  serving: 'all',
  goal: 'cost',
  sizes: { min: 2, max: 2 },
  pinned: [],
  conflicts: new Uint8Array(),
  writeMs: new Float64Array(),
  cost: {
    units: 1,
    unitUsd: new Float64Array(),
    fixedUsd: new Float64Array(),
    egressUsd: new Float64Array(),
    transferUsd: new Float64Array(),
    standbyShare: 1,
  },
  votes: null,
  budgetUsd: null,
  worstShare: null,
};

/** Close together, so that many share a cell of the grid and many are equal in something. */
const someChoices: fc.Arbitrary<readonly Choice[]> = fc
  .array(fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30)), { minLength: 1, maxLength: 60 })
  .map((list) =>
    list.map(([usd, more, after], i) => ({
      regions: [i],
      primary: 0,
      standby: 0,
      costUsd: 1_000 + usd,
      coverage: 0.7 + more / 3_000,
      worst: 0.5 + after / 3_000,
      writeMs: 0,
    })),
  );

const isBetter = (a: Choice, b: Choice): boolean => {
  const ahead = [
    cents(b.costUsd) - cents(a.costUsd),
    millionths(a.coverage) - millionths(b.coverage),
    millionths(a.worst) - millionths(b.worst),
  ];
  return ahead.every((one) => one >= 0) && ahead.some((one) => one > 0);
};

test('the front is every choice that none is better than, and of equals the first by name, in whatever order they come', () => {
  fc.assert(
    fc.property(someChoices, fc.boolean(), (choices, isReversed) => {
      const keeper = new Keeper(PROBLEM, 1);
      keeper.wantFront();
      for (const choice of isReversed ? choices.toReversed() : choices) keeper.offer(choice);
      const isEqual = (a: Choice, b: Choice): boolean =>
        a.costUsd === b.costUsd && a.coverage === b.coverage && a.worst === b.worst;
      const expected = choices.filter(
        (choice, i) => !choices.some((other, j) => isBetter(other, choice) || (j < i && isEqual(other, choice))),
      );
      const names = (list: readonly Choice[]): number[] =>
        list.map(({ regions }) => regions[0] ?? -1).toSorted((a, b) => a - b);
      expect(names(keeper.pareto())).toEqual(names(expected));
    }),
    { numRuns: 300 },
  );
});

test('a bound is without a chance exactly when a point of the front is better than it', () => {
  fc.assert(
    fc.property(someChoices, someChoices, (choices, bounds) => {
      const keeper = new Keeper(PROBLEM, 1);
      keeper.wantFront();
      for (const choice of choices) keeper.offer(choice);
      const cheapest = Math.min(...choices.map(({ costUsd }) => costUsd));
      for (const bound of bounds)
        expect(keeper.couldMatter(bound.costUsd, bound.coverage, bound.worst)).toBe(
          bound.costUsd <= cheapest || !choices.some((choice) => isBetter(choice, bound)),
        );
    }),
    { numRuns: 300 },
  );
});
