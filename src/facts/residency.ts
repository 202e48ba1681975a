import type { Facts } from './facts.ts';

/** Every word that a residency rule may use as its jurisdiction: the blocs, then the countries that the facts know. */
export function jurisdictions(facts: Facts): readonly string[] {
  const countries = new Set<string>();
  for (const bloc of facts.blocs.values()) for (const country of bloc.countries) countries.add(country);
  for (const region of facts.regions.values()) countries.add(region.country);
  return [...facts.blocs.keys(), ...[...countries].toSorted()];
}

/** Does the law of `jurisdiction` (a bloc, or a country's two letters) hold in `country`? */
export const jurisdictionHolds = (facts: Facts, jurisdiction: string, country: string): boolean =>
  facts.blocs.get(jurisdiction)?.countries.has(country) ?? jurisdiction === country;
