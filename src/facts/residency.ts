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

export type ResidencyRule = Facts['residency']['rules'][number];

/** Is `country` among the members of `word`: a bloc, a group of the rules (`EU_ADEQUATE`), a country, or `*`? */
const isMember = (facts: Facts, word: string, country: string): boolean =>
  word === '*' ||
  (facts.residency.groups.find((group) => group.id === word)?.countries.includes(country) ??
    jurisdictionHolds(facts, word, country));

/** The rules of law about data of one class (`personal`, `health`, `payment`, …) of people in `country`. Engineering defaults, not legal advice. */
export const residencyRulesOf = (facts: Facts, country: string, dataClass: string): readonly ResidencyRule[] =>
  facts.residency.rules.filter(
    (rule) => rule.dataClasses.includes(dataClass) && isMember(facts, rule.jurisdiction, country),
  );

/** May data under `rule` be in `country` without a further legal basis? A rule without a list of places allows every place. */
export const ruleAllows = (facts: Facts, rule: ResidencyRule, country: string): boolean =>
  rule.allowed === undefined || rule.allowed.some((word) => isMember(facts, word, country));
