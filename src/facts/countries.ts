import type { PlaceId } from '../base/ids.ts';
import { regionFact, type CountryFact, type Facts, type PopulationCluster } from './facts.ts';

/** Where the internet users of a country are; their `internetUsers` add up to the country's. Empty: nothing is known. */
export const clustersOf = (facts: Facts, country: string): readonly PopulationCluster[] =>
  facts.clusters.filter((cluster) => cluster.country === country);

/** A country by its two letters, or null. A country that hosts a region may be missing here: `TW` has no row in the World Bank's table. */
export const countryFact = (facts: Facts, iso2: string): CountryFact | null => facts.countries.get(iso2) ?? null;

/** Governance of the country that a region is in, 0 to 1; null: unknown. */
export const governanceOf = (facts: Facts, region: PlaceId): number | null =>
  facts.countries.get(regionFact(facts, region).country)?.governance ?? null;

export interface CarbonFact {
  /** Grams of CO2 equivalent per kWh of the grid. */
  readonly gramsPerKwh: number;
  /** Share of the provider's energy that is carbon free, by the hour, 0 to 1; null: not published. */
  readonly carbonFreeShare: number | null;
  readonly asOf: string;
}

/** Carbon of a region's energy; null: unknown. */
export function carbonOf(facts: Facts, region: PlaceId): CarbonFact | null {
  const row = facts.carbon.get(region);
  return row === undefined ? null : { gramsPerKwh: row[1], carbonFreeShare: row[2], asOf: row[3] };
}
