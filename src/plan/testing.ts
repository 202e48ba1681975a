import { readFileSync } from 'node:fs';
import { readFacts } from '../cli/read-facts.ts';
import { parsePlanRequest, type PlanRequest } from '../spec/planning.ts';
import type { Infeasible } from './infeasible.ts';
import type { Plan } from './plan.ts';
import { planRegions } from './plan-regions.ts';

export const facts = readFacts();
export const OPTIONS = { top: 5, seed: 1 };

export function requestOf(text: string, change: Partial<PlanRequest> = {}): PlanRequest {
  const parsed = parsePlanRequest(text, 'x.yaml', facts);
  if (!parsed.ok) throw new Error(parsed.error.map(({ message }) => message).join('; '));
  return { ...parsed.value.request, ...change };
}
export const example = (name: string): string =>
  readFileSync(new URL(`../../examples/${name}.yaml`, import.meta.url), 'utf8');
export function planOf(request: PlanRequest): Plan {
  const result = planRegions(request, facts, OPTIONS);
  if (result.kind !== 'plan') throw new Error(JSON.stringify(result.infeasible.conflict));
  return result.plan;
}
export function infeasibleOf(request: PlanRequest): Infeasible {
  const result = planRegions(request, facts, OPTIONS);
  if (result.kind !== 'infeasible') throw new Error(result.plan.regions.map(({ id }) => id).join(', '));
  return result.infeasible;
}

export const FREE = `farshore: v1
name: free
model: active-active
tier: critical
users:
  - { country: AE, share: 50 }
  - { country: IL, share: 30 }
  - { country: SA, share: 20 }
objectives:
  latency: [{ within: 150ms, for: 60 }]
plan: { providers: [aws] }
`;
