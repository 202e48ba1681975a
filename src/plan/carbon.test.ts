import { describe, expect, test } from 'vitest';
import { placeId } from '../base/ids.ts';
import { planText } from '../cli/plan/text.ts';
import { carbonRangeOf, carbonText } from '../facts/countries.ts';
import { rejectionOf } from './build/eligible.ts';
import { checkPlan } from './check/check.ts';
import { facts, planOf, requestOf } from './testing.ts';

const asked = (provider: string, carbon: number, more = '') =>
  requestOf(`farshore: v1
name: green
model: active-passive
users: [{ country: DE }]
objectives: { rpo: 1m }
plan: { providers: [${provider}], carbon: ${carbon}${more} }
`);
const range = (id: string) => carbonRangeOf(facts, placeId(id));

describe('carbon that a region has no row of', () => {
  test('is what other regions of the country have, as a range; where there are none it is unknown', () => {
    expect(range('aws:eu-north-1')).toMatchObject({ lowGrams: 8.8, highGrams: 8.8 });
    expect(range('aws:ap-south-2')).toMatchObject({ lowGrams: 531.83, highGrams: 708.2 });
    expect(carbonText(range('aws:ap-south-2'))).toBe('532 to 708 g CO2e/kWh (8 other regions of IN)');
    expect(carbonText(range('aws:eu-south-2'))).toBe('89 g CO2e/kWh (the other region of ES)');
    expect([range('azure:austriaeast'), carbonText(null)]).toEqual([null, 'unknown']);
  });

  test('a cap keeps out what is above it everywhere in the country; the checker says so too', () => {
    const why = (id: string) => rejectionOf(placeId(id), asked('aws', 80), facts, new Set());
    expect(why('aws:ap-south-2')).toMatchObject({ constraint: 'carbon', admit: 'plan.carbon: 532' });
    expect(why('aws:eu-south-2')?.why).toBe('at least 89.04 g CO2e/kWh (the other region of ES), 9 above the cap');
    expect([why('aws:eu-north-1'), why('aws:mx-central-1')]).toEqual([null, null]);
    const plan = planOf(asked('aws', 600, ', pin: [aws:ap-south-2]'));
    const capped = { ...plan, request: { ...plan.request, carbonGrams: 500 } };
    expect(checkPlan(capped, facts).join()).toContain('aws:ap-south-2: 531.83 g CO2e/kWh');
  });

  test('what stays open is in the assumptions, and every region’s is in the details', () => {
    const plan = planOf(asked('aws, azure', 600, ', pin: [azure:austriaeast, aws:ap-south-2]'));
    const line = plan.assumptions.find((one) => one.startsWith('carbon:'));
    expect(line).toContain('600 g CO2e/kWh is kept is not known in');
    expect(line).toContain('azure:austriaeast unknown');
    expect(line).toContain('aws:ap-south-2 532 to 708 g CO2e/kWh (8 other regions of IN)');
    expect(planText(plan, true)).toMatch(/azure:austriaeast .*carbon unknown/);
    const known = planOf(asked('aws', 600, ', pin: [aws:eu-north-1, aws:eu-west-3]'));
    expect(known.assumptions.join()).not.toContain('carbon:');
    expect(planText(known, true)).toMatch(/aws:eu-north-1 .*carbon 9 g CO2e\/kWh/);
  });
});
