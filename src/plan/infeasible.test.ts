import { describe, expect, test } from 'vitest';
import type { PlanRequest } from '../spec/planning.ts';
import { planRegions } from './plan-regions.ts';
import { example, facts, infeasibleOf, OPTIONS, planOf, requestOf } from './testing.ts';

/** What is printed as a way out is tried here as a person would: it has to be enough, and less of it must not be. */
const isEnough = (request: PlanRequest): boolean => planRegions(request, facts, OPTIONS).kind === 'plan';
const FREE = (plan: string, more = '') =>
  requestOf(
    `farshore: v1\nname: a\nmodel: active-active\nusers: [{ country: US }, { country: DE }, { country: BR }]\nplan: { providers: [aws], ${plan} }\n${more}`,
  );
const changes = (request: PlanRequest): readonly string[] =>
  infeasibleOf(request).relaxations.map(({ change }) => change);

function numberIn(words: readonly string[], pattern: RegExp): number {
  const found = words.flatMap((one) => pattern.exec(one)?.[1] ?? [])[0];
  if (found === undefined) throw new Error(`no ${pattern} in ${words.join('; ')}`);
  return Number(found);
}

describe('one change: the least that is enough', () => {
  test('the budget, where nothing is asked of the latency: the dollars of the cheapest plan, not of the best one', () => {
    const request = FREE('budget: 2400');
    const { relaxations } = infeasibleOf(request);
    const more = numberIn(changes(request), /^\$(\d+) a month more/);
    expect(isEnough({ ...request, budgetUsd: 2_400 + more })).toBe(true);
    expect(isEnough({ ...request, budgetUsd: 2_400 + more - 1 })).toBe(false);
    const found = planOf({ ...request, budgetUsd: 2_400 + more });
    expect(relaxations.find(({ constraint }) => constraint === 'budget')?.usd).toBeCloseTo(found.cost.usd, 6);
  });

  test('separation, in whole kilometres', () => {
    const pin = ['aws:eu-west-3', 'aws:eu-central-1'] as never;
    const request = { ...requestOf(example('plan/eu-shop')), minSeparationKm: 2_000, pin };
    const km = numberIn(changes(request), /minSeparation: (\d+) instead of 2000/);
    expect(isEnough({ ...request, minSeparationKm: km })).toBe(true);
    expect(isEnough({ ...request, minSeparationKm: km + 1 })).toBe(false);
  });

  test('carbon, in whole grams', () => {
    const request = FREE('carbon: 3, ban: ["aws:eu-south-2", "aws:ap-south-2"]');
    const found = planRegions(request, facts, OPTIONS);
    if (found.kind === 'plan') return expect(found.plan.regions.map(({ carbonGrams }) => carbonGrams)).toContain(null);
    const grams = numberIn(changes(request), /carbon: (\d+) instead of 3/);
    expect([isEnough({ ...request, carbonGrams: grams }), isEnough({ ...request, carbonGrams: grams - 1 })]).toEqual([
      true,
      false,
    ]);
  });

  test('the worst loss, in whole points, and printed without the noise of its sum', () => {
    const request = FREE(
      'worstLoss: 55, regions: { max: 2 }',
      'objectives: { latency: [{ within: 60ms, for: 50 }] }\n',
    );
    const share = numberIn(changes(request), /worstLoss: (\d+) instead of 55$/);
    expect(isEnough({ ...request, worstShare: share / 100 })).toBe(true);
    expect(isEnough({ ...request, worstShare: (share + 1) / 100 })).toBe(false);
  });

  test('time, however much is needed: far more than four times what was asked', () => {
    const request = { ...requestOf(example('plan/eu-shop')), latency: [{ ...objective(), withinMs: 5, share: 0.9 }] };
    const ms = numberIn(changes(request), /raise 5 → (\d+) ms/);
    expect(ms).toBeGreaterThan(20);
    expect(isEnough({ ...request, latency: [{ ...objective(), withinMs: ms, share: 0.9 }] })).toBe(true);
    expect(isEnough({ ...request, latency: [{ ...objective(), withinMs: ms - 1, share: 0.9 }] })).toBe(false);
  });
});

const objective = () => {
  const [first] = requestOf(example('plan/eu-shop')).latency;
  if (first === undefined) throw new Error('the example has an objective');
  return first;
};

describe('two changes', () => {
  test('20 ms for 99 % and $900: each number is enough with the other, and no less of either', () => {
    const request = {
      ...requestOf(example('plan/eu-shop')),
      budgetUsd: 900,
      latency: [{ ...objective(), withinMs: 20, share: 0.99 }],
    };
    const both = changes(request).filter((one) => one.includes('raise') && one.includes('a month more'));
    const ms = numberIn(both, /raise 20 → (\d+) ms/);
    const more = numberIn(both, /\$(\d+) a month more/);
    const asked = (withinMs: number, budgetUsd: number | null): PlanRequest => ({
      ...request,
      budgetUsd,
      latency: [{ ...objective(), withinMs, share: 0.99 }],
    });
    expect(isEnough(asked(ms, 900 + more))).toBe(true);
    expect(isEnough(asked(ms, 900 + more - 1))).toBe(false);
    expect(isEnough(asked(ms - 1, null))).toBe(false);
  });

  test('conflicts that share a constraint: what stands in the way when the other is gone is named too', () => {
    const request = { ...requestOf(example('plan/in-country')), minSeparationKm: 1_000 };
    const { conflict, relaxations } = infeasibleOf(request);
    expect(conflict.map(({ constraint }) => constraint)).toContain('minSeparation');
    for (const { change } of relaxations) expect(change).not.toMatch(/^allow (azure|gcp)[^,]*$/);
  });
});
