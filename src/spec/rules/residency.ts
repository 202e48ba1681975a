import { placeId } from '../../base/ids.ts';
import type { Facts, RegionFact } from '../../facts/facts.ts';
import { jurisdictionHolds, jurisdictions } from '../../facts/residency.ts';
import { distanceKm } from '../../facts/geo.ts';
import type { Draft } from '../draft.ts';
import { atKey, atValue, didYouMean, type Field, type Finding } from '../finding.ts';

/** E2005, E24xx: where the data may be, and whether a failover stays there (I11). */
export function residency(draft: Draft, facts: Facts): readonly Finding[] {
  const known = new Set(jurisdictions(facts));
  const findings: Finding[] = [];
  const rules: Rule[] = [];
  for (const rule of draft.residency ?? []) {
    if (rule.jurisdiction === null) continue;
    if (known.has(rule.jurisdiction.value))
      rules.push({ name: rule.name?.value ?? '', jurisdiction: rule.jurisdiction });
    else findings.push(unknownJurisdiction(rule.jurisdiction, known));
  }
  return [...findings, ...forbiddenRegions(draft, rules, facts), ...noTarget(draft, rules, facts)];
}

interface Rule {
  readonly name: string;
  readonly jurisdiction: Field<string>;
}

const ALIASES: Readonly<Record<string, string>> = { UK: 'GB', EU27: 'EU', USA: 'US', EUROPE: 'EU' };

function unknownJurisdiction(field: Field<string>, known: ReadonlySet<string>): Finding {
  const upper = field.value.toUpperCase();
  const guess = ALIASES[upper] ?? (known.has(upper) ? upper : null);
  return {
    code: 'E2005',
    message: `unknown jurisdiction "${field.value}"`,
    at: [atValue(field.path)],
    help: guess === null ? ['expected EU, EEA, or the two letters of a country: DE'] : didYouMean(guess),
  };
}

function forbiddenRegions(draft: Draft, rules: readonly Rule[], facts: Facts): readonly Finding[] {
  return (draft.regions ?? []).flatMap(({ id }) => {
    const fact = id === null ? undefined : facts.regions.get(placeId(id.value));
    if (id === null || fact === undefined) return [];
    return rules
      .filter((rule) => !jurisdictionHolds(facts, rule.jurisdiction.value, fact.country))
      .map((rule) => ({
        code: 'E2401' as const,
        message: `${id.value} (${fact.place}, ${fact.country}) is outside ${rule.jurisdiction.value}: "${rule.name}" lets no data be stored there`,
        at: [
          atValue(id.path, `in ${fact.country}`),
          atValue(rule.jurisdiction.path, `all data stays in ${rule.jurisdiction.value}`),
        ],
        help: conformingNear(draft, rules, facts, fact),
      }));
  });
}

/** The data needs two places to be in, or a failover would have nowhere to go. */
function noTarget(draft: Draft, rules: readonly Rule[], facts: Facts): readonly Finding[] {
  const regions = draft.regions ?? [];
  const known = regions.flatMap(({ id }) => (id === null ? [] : (facts.regions.get(placeId(id.value)) ?? [])));
  const [first] = rules;
  if (first === undefined || regions.length < 2 || known.length < regions.length) return [];
  const conforming = known.filter((region) => conforms(region, rules, facts));
  if (conforming.length >= 2) return [];
  const left = conforming[0] === undefined ? 'no region' : `only ${conforming[0].id}`;
  return [
    {
      code: 'E2402',
      message: `${left} conforms to the residency rules: a failover would have no place to go`,
      at: [
        atKey(['regions']),
        ...rules.map((rule) => atValue(rule.jurisdiction.path, `all data stays in ${rule.jurisdiction.value}`)),
      ],
    },
  ];
}

const conforms = (region: RegionFact, rules: readonly Rule[], facts: Facts): boolean =>
  rules.every((rule) => jurisdictionHolds(facts, rule.jurisdiction.value, region.country));

/** Up to two conforming regions near the forbidden one that the file does not use yet, of the same provider if it has any. */
function conformingNear(draft: Draft, rules: readonly Rule[], facts: Facts, from: RegionFact): readonly string[] {
  const used = new Set([...(draft.regions ?? []), ...(draft.sites ?? [])].map(({ id }) => id?.value));
  const provider = from.id.slice(0, from.id.indexOf(':') + 1);
  const free = [...facts.regions.values()].filter((region) => !used.has(region.id) && conforms(region, rules, facts));
  const own = free.filter((region) => region.id.startsWith(provider));
  const near = (own.length > 0 ? own : free).toSorted((a, b) => distanceKm(from, a) - distanceKm(from, b));
  if (near.length === 0) return ['no region of the catalogue conforms to all rules'];
  return [
    `conforming regions nearby: ${near
      .slice(0, 2)
      .map((region) => `${region.id} (${region.place})`)
      .join(', ')}`,
  ];
}
