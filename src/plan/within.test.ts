import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { inVerify } from '../base/long.testing.ts';
import { readFacts } from '../cli/read-facts.ts';
import { parsePlanRequest } from '../spec/planning.ts';
import { checkPlan } from './check/check.ts';
import type { Plan } from './plan.ts';
import { planRegions, type PlanOptions } from './plan-regions.ts';

const facts = readFacts();

/** 132 regions: three continents, every provider, every region that the law allows. */
const ALL = `farshore: v1
name: everywhere
model: global
tier: high
users:
  - { country: US, share: 40 }
  - { country: JP, share: 30 }
  - { country: BR, share: 30 }
`;
const example = (name: string): string =>
  readFileSync(new URL(`../../examples/plan/${name}.yaml`, import.meta.url), 'utf8');

function planOf(text: string, isEnough?: PlanOptions['isEnough']): Plan {
  const parsed = parsePlanRequest(text, 'x.yaml', facts);
  if (!parsed.ok) throw new Error(parsed.error.map(({ message }) => message).join('; '));
  const options = { top: 5, seed: 1, ...(isEnough === undefined ? {} : { isEnough }) };
  const result = planRegions(parsed.value.request, facts, options);
  if (result.kind !== 'plan') throw new Error(JSON.stringify(result.infeasible.conflict));
  return result.plan;
}

/** What `--within` does, with a clock that counts questions. */
const patient = (questions: number): NonNullable<PlanOptions['isEnough']> => {
  let asked = 0;
  return () => (asked += 1) > questions;
};

test.each([
  ['a shop in the EU', example('eu-shop'), 'cost'],
  ['recovery in Germany, on any provider', example('in-country').replace('[aws]', '[aws, azure, gcp]'), 'coverage'],
  ['132 regions, most users', `${ALL}plan: { regions: { max: 3 } }\n`, 'coverage'],
  // Cost as in the first row, many regions as in the last.
  ...inVerify(
    ['the users of the world', example('world'), 'cost'] as const,
    [
      '132 regions, cheapest',
      `${ALL}objectives: { latency: [{ within: 80ms, for: 90 }] }\nplan: { regions: { max: 3 } }\n`,
      'cost',
    ] as const,
  ),
] as const)(
  'stopped at any moment: a plan that the checker accepts, and no set beats its bound: %s',
  (_, text, goal) => {
    const whole = planOf(text);
    expect(whole.proof?.kind).toBe('optimal');
    const reached = (plan: Plan): number => plan.reads.objectives[0]?.reached ?? 0;
    for (const questions of [0, 3, 20, 100]) {
      const plan = planOf(text, patient(questions));
      const { proof } = plan;
      expect(checkPlan(plan, facts)).toEqual([]);
      if (questions === 0 && text.startsWith(ALL)) expect(proof?.kind).toBe('gap');
      if (proof?.kind !== 'gap') {
        expect(plan.regions).toEqual(whole.regions);
        continue;
      }
      if (goal === 'cost') {
        expect(proof.bound).toBeLessThanOrEqual(whole.cost.usd + 0.01);
        expect(plan.cost.usd).toBeGreaterThanOrEqual(whole.cost.usd - 0.01);
      } else {
        expect(proof.bound).toBeGreaterThanOrEqual(reached(whole) - 1e-9);
        expect(Math.floor(reached(plan) * 100)).toBeLessThanOrEqual(Math.floor(reached(whole) * 100 + 1e-6));
      }
    }
  },
);
