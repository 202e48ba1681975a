import { describe, expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { checkPlan } from '../../plan/check/check.ts';
import { residencyOf } from '../../plan/describe/fate.ts';
import { isMet } from '../../plan/limit.ts';
import { example, facts, FREE, planOf, requestOf } from '../../plan/testing.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { proofSentence } from './proof.ts';

/** Sentences of a plan that were not true of it. */
describe('an RTO that no strategy meets', () => {
  test.each([
    ['active-passive', 5_000, 1],
    ['active-passive', 30_000, 0],
    ['active-active', 5_000, 1],
  ] as const)('%s, %d ms: said in the plan, and by the checker when it is not', (model, rtoMs, count) => {
    const plan = planOf(requestOf(example('plan/eu-shop'), { model, rtoMs }));
    expect(plan.violations).toHaveLength(count);
    expect(plan.violations.join()).toMatch(count === 0 ? /^$/ : /^RTO of 5s not met: .* takes 3s to 30s/);
    expect(checkPlan({ ...plan, violations: [] }, facts)).toHaveLength(count);
  });
});

describe('regions that the file names', () => {
  test('have no proof of their own: nobody chose them', () => {
    const file = `${FREE}regions: [{ id: 'aws:sa-east-1' }, { id: 'aws:ap-south-1' }]\nsites: [{ id: 'aws:us-east-1', store: true, witness: true }]\ndatabase: { replication: { mode: sync, whenAlone: block } }\n`;
    const plan = planOf(requestOf(file));
    expect(proofSentence(plan)).toMatch(/^none: the regions are the file’s.*chosen freely, the best is proven/);
    expect(proofSentence({ ...plan, proof: null, alternatives: [] })).toMatch(/chosen freely, were not found/);
  });
});

describe('a region that is not chosen', () => {
  test.each([
    ['pinned beside the users’ way', { pin: ['aws:sa-east-1'].map(placeId), rpoMs: 60_000, residency: [] }],
    ['a worst loss', { worstShare: 0.95 }],
    ['a budget', { budgetUsd: 3_000 }],
  ])('is never "not better" where it is cheaper: %s', (_, change) => {
    const request = requestOf(example('plan/eu-shop'), change);
    const free = 'pin' in change ? { ...request, latency: [{ ...first(request), withinMs: 250 }] } : request;
    const { others } = planOf(free);
    const none = others.filter(({ constraint }) => constraint === 'none');
    expect(none.length).toBeGreaterThan(0);
    for (const { why } of none) expect(why).toMatch(/: \+\$/);
    if ('pin' in change) for (const { why } of none) expect(why).not.toContain('in place of aws:sa-east-1');
  });

  test('and when all that are chosen are pinned, that is why', () => {
    const pin = ['aws:eu-west-1', 'aws:eu-west-3'].map(placeId);
    const { others } = planOf(requestOf(example('plan/eu-shop'), { pin }));
    expect(others.find(({ region }) => region === placeId('aws:eu-south-2'))?.constraint).toBe('pin');
  });
});

const first = ({ latency: [objective] }: PlanRequest) => {
  if (objective === undefined) throw new Error('the example has an objective');
  return objective;
};

test('met to the millionth is met, as the chooser and the checker have it', () => {
  expect(isMet({ reached: 0.7999999999999999, asked: 0.8 })).toBe(true);
  expect(isMet({ reached: 0.79999, asked: 0.8 })).toBe(false);
});

describe('a law that wants a copy in the country', () => {
  // The one there is names Vietnam, where no provider is: here it names Ireland.
  const [law] = facts.residency.rules.filter(({ kind }) => kind === 'copy');
  if (law === undefined) throw new Error('the facts have such a law');
  const irish = { ...facts, residency: { ...facts.residency, rules: [{ ...law, allowed: ['IE'] }] } };
  const verdicts = (ids: readonly string[]) =>
    residencyOf(
      requestOf(FREE, {
        users: [{ country: law.jurisdiction, share: 1 }],
        data: [...law.dataClasses, ...law.dataClasses],
      }),
      irish,
      ids.map(placeId),
    ).map(({ users, verdict }) => [users, verdict]);

  test('is kept by one region there, whatever the others; without one it says what is missing; users are named once', () => {
    expect(verdicts(['aws:eu-south-1', 'aws:eu-west-3'])).toEqual([['VN', 'needs a copy there']]);
    expect(verdicts(['aws:eu-west-1', 'aws:eu-west-3'])).toEqual([['VN', 'kept']]);
  });
});
