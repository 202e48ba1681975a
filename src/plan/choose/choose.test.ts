import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cents, millionths, type Choice, type PlanProblem } from '../problem.ts';
import { choose } from './choose.ts';
import { bruteForce, solveMilp } from './testing.ts';

/** Random problems of every kind, with up to so many candidates; about a third of the small ones have no solution. */
const problemsOf = (most: number): fc.Arbitrary<PlanProblem> =>
  fc
    .record({
      n: fc.integer({ min: 2, max: most }),
      people: fc.integer({ min: 1, max: 6 }),
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      serving: fc.constantFrom('all' as const, 'primary' as const),
      goal: fc.constantFrom('cost' as const, 'coverage' as const),
      isStrict: fc.boolean(),
      isPinned: fc.boolean(),
      hasBudget: fc.boolean(),
    })
    .map(({ n, people, seed, serving, goal, isStrict, isPinned, hasBudget }) => {
      let state = seed;
      const next = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
      const whole = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
      const list = (length: number, make: () => number): Float64Array => Float64Array.from({ length }, make);
      const raw = list(people, () => whole(1, 9));
      const total = raw.reduce((a, b) => a + b, 0);
      const conflicts = new Uint8Array(n * n);
      for (let a = 0; a < n; a++)
        for (let b = 0; b < a; b++) conflicts[a * n + b] = conflicts[b * n + a] = next() < 0.15 ? 1 : 0;
      const max = whole(2, Math.min(n, most > 6 ? 6 : 4));
      return {
        candidates: Array.from({ length: n }, (_, r) => `r${r}`),
        weights: raw.map((weight) => weight / total),
        latencyMs: list(n * people, () => whole(5, 20) * 10),
        objectives: [
          { withinMs: 100, share: isStrict ? 0.6003 : 0, populations: null },
          ...(next() < 0.3 ? [{ withinMs: 80, share: 0.3002, populations: [0] }] : []),
        ],
        serving,
        goal,
        sizes: { min: whole(2, max), max },
        pinned: isPinned ? [whole(0, n - 1)] : [],
        conflicts,
        writeMs: list(n * n, () => (next() < 0.25 ? Infinity : whole(10, 60))),
        cost: {
          units: whole(1, 12),
          unitUsd: list(n, () => whole(80, 160)),
          fixedUsd: list(n, () => whole(0, 90)),
          egressUsd: list(n, () => whole(0, 200)),
          transferUsd: list(n * n, () => whole(0, 40)),
          standbyShare: [0, 0.1, 0.4, 1][whole(0, 3)] ?? 1,
        },
        budgetUsd: hasBudget ? whole(800, 2_600) + 0.5 : null,
        worstShare: next() < 0.25 ? 0.3004 : null,
      };
    });

const aProblem = problemsOf(6);

/** The two ways to judge a set: they share bounds and costs with nothing but the problem. */
const EACH = { tablesFrom: Infinity };
const TABLES = { tablesFrom: 0 };
const regionsOf = (list: readonly Choice[]): readonly (readonly number[])[] => list.map(({ regions }) => regions);

describe('choose', () => {
  test('enumeration, a mixed integer program and brute force agree on 200 random problems', async () => {
    const outcomes = { solved: 0, infeasible: 0 };
    await fc.assert(
      fc.asyncProperty(aProblem, async (problem) => {
        const { top, proof } = choose(problem, EACH);
        expect(proof.kind).toBe('optimal');
        const tabled = choose(problem, TABLES);
        expect(tabled.proof.kind).toBe('optimal');
        expect(regionsOf(tabled.top)).toEqual(regionsOf(top));
        const [expected] = bruteForce(problem);
        const milp = await solveMilp(problem);
        const [best] = top;
        if (expected === undefined) {
          outcomes.infeasible += 1;
          expect(best).toBeUndefined();
          expect(milp).toBeNull();
          return;
        }
        outcomes.solved += 1;
        expect(best?.costUsd).toBeCloseTo(expected.costUsd, 6);
        expect(milp?.costUsd).toBeCloseTo(expected.costUsd, 3);
        if (problem.goal === 'cost') return;
        expect(Math.floor(millionths(best?.coverage ?? 0) / 1e4)).toBe(expected.points);
        expect(milp?.points).toBe(expected.points);
      }),
      { numRuns: 200, seed: 20_261_122 },
    );
    expect(outcomes.solved).toBeGreaterThan(60);
    expect(outcomes.infeasible).toBeGreaterThan(20);
  });

  test.each([
    ['each set by itself', EACH],
    ['tables of the smaller sets', TABLES],
  ])('the list holds the best in order, and nothing allowed beats the Pareto front: %s', (_, options) => {
    fc.assert(
      fc.property(aProblem, (problem) => {
        const { top, pareto } = choose(problem, { ...options, top: 4 });
        const every = choose(problem, { ...options, top: 1e6 }).top;
        const brute = bruteForce(problem);
        expect(every.length).toBe(brute.length);
        expect(top.map(({ regions }) => regions)).toEqual(every.slice(0, 4).map(({ regions }) => regions));
        if (problem.goal === 'cost')
          for (const [i, { costUsd }] of every.entries()) expect(costUsd).toBeCloseTo(brute[i]?.costUsd ?? -1, 1);
        for (const one of every)
          expect(
            pareto.some(
              (point) =>
                cents(point.costUsd) <= cents(one.costUsd) &&
                millionths(point.coverage) >= millionths(one.coverage) &&
                millionths(point.worst) >= millionths(one.worst),
            ),
          ).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('both ways to judge a set find the same list and the same front among thousands of sets', () => {
    let solved = 0;
    fc.assert(
      fc.property(problemsOf(14), (problem) => {
        const [each, tables] = [choose(problem, EACH), choose(problem, TABLES)];
        expect(regionsOf(tables.top)).toEqual(regionsOf(each.top));
        expect(regionsOf(tables.pareto)).toEqual(regionsOf(each.pareto));
        for (const [i, { costUsd, worst }] of tables.pareto.entries()) {
          expect(costUsd).toBeCloseTo(each.pareto[i]?.costUsd ?? -1, 6);
          expect(worst).toBeCloseTo(each.pareto[i]?.worst ?? -1, 9);
        }
        solved += Math.sign(each.top.length);
      }),
      { numRuns: 200, seed: 20_261_127 },
    );
    expect(solved).toBeGreaterThan(60);
  });

  test('without time for a proof the bound is still one: no set is better', () => {
    fc.assert(
      fc.property(aProblem, (problem) => {
        const cut = choose(problem, { top: 1, mostSets: 3 });
        const [best] = bruteForce(problem);
        if (cut.proof.kind === 'optimal' || best === undefined) return;
        if (problem.goal === 'cost') expect(cut.proof.bound).toBeLessThanOrEqual(best.costUsd + 1e-6);
        else expect(cut.proof.bound * 100).toBeGreaterThanOrEqual(best.points - 1e-6);
      }),
      { numRuns: 300 },
    );
  });
});
