import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BUDGET_POLICY as POLICY, earn, newRetryBudget, type RetryBudget, spend } from './retry-budget.ts';

function spendAll(budget: RetryBudget, nowMs: number): number {
  let count = 0;
  for (let left: RetryBudget | null = budget; ; count += 1) {
    left = spend(left, nowMs);
    if (left === null) return count;
  }
}

test('a quiet plane can retry what its reserve allows, and no more', () => {
  expect(spendAll(newRetryBudget(0), 0)).toBe(POLICY.reserve);
});

test('requests earn retries, and what was earned fades', () => {
  let budget = newRetryBudget(0);
  for (let i = 0; i < 1_000; i += 1) budget = earn(budget, 0);
  expect(spendAll(budget, 0)).toBeGreaterThanOrEqual(POLICY.reserve + 199);
  expect(spendAll(budget, 20 * POLICY.halfLifeMs)).toBe(POLICY.reserve);
});

test('a spent reserve comes back with time', () => {
  const spent = { earned: -POLICY.reserve, atMs: 0 };
  expect(spend(spent, 0)).toBeNull();
  expect(spendAll(spent, POLICY.halfLifeMs)).toBe(POLICY.reserve / 2);
});

test('property: under steady failure retries stay within the earned share plus the reserve', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 0, max: 5 }), (requests, gapMs) => {
      let budget = newRetryBudget(0);
      let retries = 0;
      for (let i = 0; i < requests; i += 1) {
        budget = earn(budget, i * gapMs);
        const after = spend(budget, i * gapMs);
        if (after !== null) {
          budget = after;
          retries += 1;
        }
      }
      const regained = (POLICY.reserve * requests * gapMs) / POLICY.halfLifeMs;
      expect(retries).toBeLessThanOrEqual(POLICY.perRequest * requests + POLICY.reserve + regained + 1);
    }),
  );
});
