import type { Facts } from './facts.ts';

/** The continents as routing rules name them, by the United Nations' areas. Central America and the Caribbean are in `latin-america`. */
const AREAS: Readonly<Record<string, readonly string[]>> = {
  africa: ['Northern Africa', 'Sub-Saharan Africa'],
  asia: ['Central Asia', 'Eastern Asia', 'South-eastern Asia', 'Southern Asia', 'Western Asia'],
  europe: ['Eastern Europe', 'Northern Europe', 'Southern Europe', 'Western Europe'],
  'latin-america': ['Latin America and the Caribbean'],
  'north-america': ['Northern America'],
  oceania: ['Australia and New Zealand', 'Melanesia', 'Micronesia', 'Polynesia'],
};

/** Countries and territories that have addresses of their own and no row in the table of countries. */
const WITHOUT_ROW: Readonly<Record<string, readonly string[]>> = {
  africa: ['EH', 'IO', 'RE', 'SH', 'YT'],
  asia: ['TW'],
  europe: ['AX', 'GG', 'JE', 'SJ', 'VA'],
  'latin-america': ['AI', 'BL', 'BQ', 'FK', 'GF', 'GP', 'GS', 'MQ', 'MS'],
  'north-america': ['PM', 'UM'],
  oceania: ['CC', 'CK', 'CX', 'NF', 'NU', 'PN', 'TK', 'WF'],
};

export const CONTINENTS: readonly string[] = Object.keys(AREAS);

/** ISO 3166-1 alpha-2 of every country of a continent. */
export function countriesOf(facts: Facts, continent: string): readonly string[] {
  const areas = AREAS[continent] ?? [];
  const rows = [...facts.countries.values()].filter((country) => areas.includes(country.area)).map(({ iso2 }) => iso2);
  return [...new Set([...rows, ...(WITHOUT_ROW[continent] ?? [])])].toSorted();
}
