import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { draws } from '../../base/long.testing.ts';
import { cents, millionths, type Choice } from '../problem.ts';
import { choose } from './choose.ts';
import { solveMilp } from './milp.testing.ts';
import { bruteForce, problemsOf } from './testing.ts';

const aProblem = problemsOf(6);

/** The two ways to judge a set: they share bounds and costs with nothing but the problem. */
const EACH = { tablesFrom: Infinity };
const TABLES = { tablesFrom: 0 };
const regionsOf = (list: readonly Choice[]): readonly (readonly number[])[] => list.map(({ regions }) => regions);

describe('choose', () => {
  test('enumeration, a mixed integer program and brute force agree on random problems', async () => {
    // Most of the time is the mixed integer program's.
    const runs = draws(50, 200);
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
      { numRuns: runs, seed: 20_261_122 },
    );
    expect(outcomes.solved).toBeGreaterThan(0.3 * runs);
    expect(outcomes.infeasible).toBeGreaterThan(0.1 * runs);
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

  test('cut at any moment the bound is still one; what is not cut has the list and the front of the whole search', () => {
    const seen = { best: 0, front: 0, whole: 0 };
    fc.assert(
      fc.property(problemsOf(14), fc.nat(12), fc.boolean(), (problem, patience, isGuessed) => {
        const options = { tablesFrom: 0, guessFrom: isGuessed ? 0 : Infinity, stepBranches: 1 };
        const whole = choose(problem, options);
        let asked = 0;
        const cut = choose(problem, {
          ...options,
          isEnough: ({ best: any }) => any !== null && (asked += 1) > patience,
        });
        const [best, found] = [whole.top[0], cut.top[0]];
        if (best === undefined) return;
        expect(found).toBeDefined();
        if (cut.proof.kind === 'gap') {
          seen.best += 1;
          if (problem.goal === 'cost') expect(cut.proof.bound).toBeLessThanOrEqual(best.costUsd + 1e-6);
          else expect(cut.proof.bound).toBeGreaterThanOrEqual(best.coverage - 1e-9);
          return;
        }
        expect(regionsOf(cut.top)).toEqual(regionsOf(whole.top));
        if (!cut.proof.wholeFront) seen.front += 1;
        else {
          seen.whole += 1;
          expect(regionsOf(cut.pareto)).toEqual(regionsOf(whole.pareto));
        }
      }),
      { numRuns: 200, seed: 20_261_129 },
    );
    expect(Math.min(seen.best, seen.front, seen.whole)).toBeGreaterThan(5);
  });

  test('with good sets guessed first the list and the front are the same', () => {
    fc.assert(
      fc.property(problemsOf(12), (problem) => {
        const [plain, guessed] = [choose(problem, TABLES), choose(problem, { ...TABLES, guessFrom: 0 })];
        expect(regionsOf(guessed.top)).toEqual(regionsOf(plain.top));
        expect(regionsOf(guessed.pareto)).toEqual(regionsOf(plain.pareto));
      }),
      { numRuns: 150, seed: 20_261_130 },
    );
  });
});
