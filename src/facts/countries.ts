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

/** What a region's grid emits, at least and at most; ends that are alike: it is known. */
export interface CarbonRange {
  readonly lowGrams: number;
  readonly highGrams: number;
  /** What it is from, for a person. */
  readonly source: string;
}

/**
 * Carbon of a region's energy, as near as the facts have it: its own row, else what other regions of its country have, as a range; null: nothing is
 * known of the country either. A grid does not end where a provider does, but a big country has several.
 */
export function carbonRangeOf(facts: Facts, region: PlaceId): CarbonRange | null {
  const own = carbonOf(facts, region);
  if (own !== null) return { lowGrams: own.gramsPerKwh, highGrams: own.gramsPerKwh, source: own.asOf };
  const { country } = regionFact(facts, region);
  const grams = [...facts.carbon.values()]
    .filter(([id]) => facts.regions.get(id as PlaceId)?.country === country)
    .map(([, gramsPerKwh]) => gramsPerKwh);
  if (grams.length === 0) return null;
  const source = `${grams.length === 1 ? 'the other region' : `${grams.length} other regions`} of ${country}`;
  return { lowGrams: Math.min(...grams), highGrams: Math.max(...grams), source };
}

/** Carbon of a region's energy for a person. */
export function carbonText(carbon: CarbonRange | null): string {
  if (carbon === null) return 'unknown';
  const [low, high] = [Math.round(carbon.lowGrams), Math.round(carbon.highGrams)];
  return `${low === high ? low : `${low} to ${high}`} g CO2e/kWh (${carbon.source})`;
}

/** Carbon of a region's energy, as its row has it; null: it has none. */
export function carbonOf(facts: Facts, region: PlaceId): CarbonFact | null {
  const row = facts.carbon.get(region);
  return row === undefined ? null : { gramsPerKwh: row[1], carbonFreeShare: row[2], asOf: row[3] };
}
