import type { PlaceId } from '../../base/ids.ts';
import { regionFact, type Facts } from '../../facts/facts.ts';
import { sharedHazards } from '../../facts/hazards.ts';
import { jurisdictionHolds, residencyRulesOf, ruleAllows } from '../../facts/residency.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { countriesOfUsers } from '../people.ts';
import type { Availability, Plan, ResidencyVerdict } from '../plan.ts';
import type { Layout } from './serve.ts';

/** Assumptions, shares of a year; said in the plan. */
export const AVAILABILITY = {
  /** One region with an application of several zones: 99.95 %. */
  regionDown: 5e-4,
  /** What all regions hang on: global services of the provider, names, the application's own bugs: 99.995 %. */
  sharedDown: 5e-5,
  /** Failures of a region a year that a failover answers. */
  failuresAYear: 0.5,
} as const;

const YEAR_MS = 365 * 86_400_000;

/** The zones that two or more of the regions are in. */
export function sharedFateOf(facts: Facts, regions: readonly PlaceId[]): Plan['sharedFate'] {
  return facts.hazards.flatMap((zone) => {
    const members = regions.filter((a) => regions.some((b) => a !== b && sharedHazards(facts, a, b).includes(zone)));
    return members.length < 2
      ? []
      : [{ regions: members, zone: zone.name, kind: zone.kind, hard: zone.antiAffinity === 'hard' }];
  });
}

/**
 * `1 - (shared + U^k + rho * U + f * RTO)`: what all regions share, all of them down by chance, one event taking them together, and the
 * time that failovers take. The middle terms are only as good as the assumption that regions fail independently beyond the zones known.
 */
export function availabilityOf(facts: Facts, layout: Layout): Availability {
  const { regionDown, sharedDown, failuresAYear } = AVAILABILITY;
  const fates = facts.hazards.filter((zone) =>
    layout.regions.some((a) => layout.regions.some((b) => a < b && sharedHazards(facts, a, b).includes(zone))),
  );
  const rho = fates.reduce((most, { correlation }) => Math.max(most, correlation), 0);
  const independent = regionDown ** layout.regions.length;
  // One of ten outages of a region is of the kind that a zone is about; the rest is the provider's own.
  const correlated = rho * regionDown * 0.1;
  const rtoMs = (layout.strategy.rtoMs.low + layout.strategy.rtoMs.high) / 2;
  const failovers = (failuresAYear * rtoMs) / YEAR_MS;
  const total = 1 - sharedDown - independent - correlated - failovers;
  return { shared: sharedDown, independent, correlated, failovers, total };
}

/** Every rule that the users or the file bring, on the regions of the plan. */
export function residencyOf(request: PlanRequest, facts: Facts, regions: readonly PlaceId[]): ResidencyVerdict[] {
  const outside = (allows: (country: string) => boolean): readonly string[] =>
    regions.filter((id) => !allows(regionFact(facts, id).country));
  const own = request.residency.map(({ name, jurisdiction }): ResidencyVerdict => {
    const out = outside((country) => jurisdictionHolds(facts, jurisdiction, country));
    const why = out.length === 0 ? `all data stays in ${jurisdiction}` : `outside ${jurisdiction}: ${out.join(', ')}`;
    return { rule: name, users: 'all', verdict: out.length === 0 ? 'kept' : 'broken', why };
  });
  const seen = new Map<string, { users: Set<string>; verdict: ResidencyVerdict['verdict']; why: string }>();
  for (const country of countriesOfUsers(request).keys())
    for (const data of request.data)
      for (const law of residencyRulesOf(facts, country, data)) {
        const out = outside((place) => ruleAllows(facts, law, place));
        const verdict =
          law.kind === 'none'
            ? 'no place rule'
            : law.kind === 'copy'
              ? out.length < regions.length
                ? 'kept'
                : 'needs a copy there'
              : out.length === 0
                ? 'kept'
                : law.kind === 'hard'
                  ? 'broken'
                  : 'needs a legal basis';
        const known = seen.get(law.id);
        if (known !== undefined) known.users.add(country);
        else seen.set(law.id, { users: new Set([country]), verdict, why: `${law.effect} (${law.citation})` });
      }
  const laws = [...seen].map(
    ([rule, { users: all, verdict, why }]): ResidencyVerdict => ({
      rule,
      users: all.size > 4 ? `${[...all].slice(0, 4).join(', ')} and ${all.size - 4} more` : [...all].join(', '),
      verdict,
      why,
    }),
  );
  return [...own, ...laws];
}
