import { readFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { Facts } from '../../facts/facts.ts';
import { diffPlans } from '../../plan/compare/diff.ts';
import { driftOf } from '../../plan/compare/drift.ts';
import { planFile, type PlanFile } from '../../plan/compare/plan-file.ts';
import { pricesOf } from '../../plan/compare/relax.ts';
import type { PlanOptions } from '../../plan/plan-regions.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { diffText, driftText, pricesText } from './compare-text.ts';

/** What a comparison prints, and whether there is a change to be made. */
export interface Compared {
  readonly text: string;
  readonly changed: boolean;
}

const jsonOf = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/** `farshore plan diff A.json B.json`. */
export function comparePlans(a: string, b: string, json: boolean): Compared {
  const diff = diffPlans(readPlan(a), readPlan(b));
  return { text: json ? jsonOf(diff) : diffText(diff), changed: !diff.same };
}

/** `farshore plan relax FILE`; null: there is no plan. */
export function relaxed(request: PlanRequest, facts: Facts, json: boolean): string | null {
  const prices = pricesOf(request, facts);
  if (prices === null) return null;
  return json ? jsonOf(prices) : pricesText(prices);
}

/** `farshore plan drift FILE --against PLAN.json`. */
export function drifted(
  request: PlanRequest,
  facts: Facts,
  against: string,
  options: PlanOptions,
  json: boolean,
): Compared {
  const old = readPlan(against);
  const gone = old.regions.find(({ id }) => ![...facts.regions.keys()].some((known) => known === id));
  if (gone !== undefined) throw new FarshoreError('FSH_USAGE', `${against}: no facts about the region "${gone.id}"`);
  const drift = driftOf(request, facts, old, options);
  if (drift === null)
    throw new FarshoreError('FSH_FAILED', `${request.name}: there is no plan now; \`farshore plan\` says why`);
  return { text: json ? jsonOf(drift) : driftText(drift), changed: drift.actions.some(({ suggested }) => suggested) };
}

/** A plan as `farshore plan --json` wrote it. */
function readPlan(file: string): PlanFile {
  let written: string;
  try {
    written = readFileSync(file, 'utf8');
  } catch (error) {
    throw new FarshoreError('FSH_USAGE', `${file} cannot be read: ${messageOf(error)}`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch (error) {
    throw new FarshoreError(
      'FSH_USAGE',
      `${file} is no plan: a comparison reads what \`farshore plan FILE --out plan.json\` wrote${/\.ya?ml$/i.test(file) ? `; for this one: farshore plan ${file} --out ${file.replace(/\.ya?ml$/i, '.json')}` : ''}`,
      error,
    );
  }
  const read = planFile.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new FarshoreError(
    'FSH_USAGE',
    `${file} is not a plan that \`farshore plan --json --out\` wrote: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
  );
}
