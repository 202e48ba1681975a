import type { PlaceId } from '../../base/ids.ts';
import { carbonOf, carbonRangeOf } from '../../facts/countries.ts';
import { providerOf, regionFact, type Facts } from '../../facts/facts.ts';
import { missingServices } from '../../facts/own.ts';
import { jurisdictionHolds, residencyRulesOf, ruleAllows } from '../../facts/residency.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { matchesRegion } from '../../spec/rules/planning.ts';
import type { Constraint, Rejection } from '../constraints.ts';

type Left = ReadonlySet<Constraint>;

/** The first constraint that keeps a region out by itself, or null. */
export function rejectionOf(region: PlaceId, request: PlanRequest, facts: Facts, left: Left): Rejection | null {
  const { country } = regionFact(facts, region);
  const provider = providerOf(region);
  const no = (constraint: Constraint, why: string, admit: string): Rejection => ({ region, constraint, why, admit });
  if (!left.has('providers') && !request.providers.includes(provider))
    return no(
      'providers',
      `${provider} is not among the providers allowed`,
      `plan.providers: [${[...request.providers, provider].join(', ')}]`,
    );
  const ban = left.has('ban') ? undefined : request.ban.find((pattern) => matchesRegion(pattern, region));
  if (ban !== undefined) return no('ban', `banned by "${ban}"`, `leave "${ban}" out of the bans`);
  const rule = left.has('residency')
    ? undefined
    : request.residency.find(({ jurisdiction }) => !jurisdictionHolds(facts, jurisdiction, country));
  if (rule !== undefined)
    return no(
      'residency',
      `"${rule.name}" keeps all data in ${rule.jurisdiction}; this is in ${country}`,
      `a residency rule that allows ${country}`,
    );
  const law = left.has('law') ? null : lawAgainst(country, request, facts);
  if (law !== null) return no('law', law.why, law.admit);
  const missing = left.has('services') ? [] : missingServices(facts, region, request.services);
  if (missing.length > 0)
    return no(
      'services',
      `your regions.json names its services, and ${missing.join(', ')} is not one of them`,
      `${missing.join(', ')} among its services in regions.json, or fewer in plan.services`,
    );
  const carbon = left.has('carbon') || request.carbonGrams === null ? null : carbonRangeOf(facts, region);
  if (carbon !== null && request.carbonGrams !== null && carbon.lowGrams > request.carbonGrams) {
    const above = Math.round(carbon.lowGrams - request.carbonGrams);
    const isKnown = carbonOf(facts, region) !== null;
    return no(
      'carbon',
      `${isKnown ? '' : 'at least '}${carbon.lowGrams} g CO2e/kWh (${carbon.source}), ${above} above the cap`,
      `plan.carbon: ${Math.ceil(carbon.lowGrams)}`,
    );
  }
  return null;
}

/** The first hard rule of law about the users' data that does not allow a country. */
function lawAgainst(country: string, request: PlanRequest, facts: Facts): Pick<Rejection, 'why' | 'admit'> | null {
  for (const { country: users } of request.users)
    for (const data of request.data) {
      const hard = residencyRulesOf(facts, users, data).filter(({ kind }) => kind === 'hard');
      const law = hard.find((rule) => !ruleAllows(facts, rule, country));
      if (law === undefined) continue;
      return {
        why: `${law.id}: ${data} data of users in ${users} stays in ${law.allowed?.join(', ') ?? users}`,
        admit: `leave ${users} out of the users, or serve it by a deployment of its own`,
      };
    }
  return null;
}
