import type { PlaceId } from '../base/ids.ts';
import { providerOf, regionFact, type Facts } from './facts.ts';

/**
 * A price in US dollars. Never another region's: what is not known exactly is a range that says where it comes from,
 * and what has no basis at all is unknown.
 */
export type Price =
  | { readonly kind: 'value'; readonly usd: number; readonly source: string }
  | { readonly kind: 'range'; readonly lowUsd: number; readonly highUsd: number; readonly source: string }
  | { readonly kind: 'unknown'; readonly why: string };

/** `general`: 8 virtual processors with 32 GiB. `memory`: 8 with 64 GiB. */
export type InstanceClass = 'general' | 'memory';

const value = (usd: number, source: string): Price => ({ kind: 'value', usd, source });
const range = (lowUsd: number, highUsd: number, source: string): Price =>
  lowUsd === highUsd
    ? value(lowUsd, source)
    : { kind: 'range', lowUsd: digits(lowUsd), highUsd: digits(highUsd), source };
const OWN = 'your own';
/** What the user says, over what the packs do. */
const ownOr = (usd: number | undefined, otherwise: () => Price): Price =>
  usd === undefined ? otherwise() : value(usd, OWN);
const digits = (usd: number): number => Math.round(usd * 1e5) / 1e5;

/** Prices of one sku by region. */
function table(facts: Facts, sku: string): ReadonlyMap<string, { readonly usd: number; readonly asOf: string }> {
  const rows = facts.prices.usdPerHour.filter((row) => row[0] === sku);
  return new Map(rows.map(([, region, usd, asOf]) => [region, { usd, asOf }]));
}

const M6I = 'aws:m6i.2xlarge';
const X2IEDN = 'aws:x2iedn.32xlarge';
const E2_CORE = 'gcp:e2-vcpu';

/**
 * Where AWS has no m6i price but one of x2iedn: over the 20 regions that have both, a region's m6i premium over us-east-1 is
 * between 0.86 and 1.02 times its x2iedn premium.
 */
const M6I_OF_X2IEDN = [0.86, 1.02] as const;
/** GCP sells E2 by core and by GiB; the table has the core. A GiB costs 0.134 of a core in us-central1; elsewhere it may be 5 % off. */
const GIB_OF_CORE = 0.134;
const GIB_UNCERTAINTY = 0.05;
/** Across AWS and GCP an instance with twice the memory costs 1.2 to 1.4 times as much; Azure's own prices have 1.23 to 1.35. */
const MEMORY_OF_GENERAL = [1.2, 1.4] as const;

/** US dollars an hour for one instance, Linux, on demand, list price. */
export function computePrice(facts: Facts, region: PlaceId, instanceClass: InstanceClass): Price {
  if (instanceClass === 'general') return generalPrice(facts, region);
  return ownOr(facts.own.get(region)?.memoryUsdPerHour, () => memoryPrice(facts, region));
}

function memoryPrice(facts: Facts, region: PlaceId): Price {
  const row = table(facts, 'azure:Standard_E8s_v5').get(region);
  if (row !== undefined) return value(row.usd, `Standard_E8s_v5, ${row.asOf}`);
  const general = generalPrice(facts, region);
  if (general.kind === 'unknown') return general;
  const [low, high] = bounds(general);
  return range(
    low * MEMORY_OF_GENERAL[0],
    high * MEMORY_OF_GENERAL[1],
    `1.2 to 1.4 times the general instance (${general.source})`,
  );
}

function generalPrice(facts: Facts, region: PlaceId): Price {
  return ownOr(facts.own.get(region)?.generalUsdPerHour, () => listedPrice(facts, region));
}

function listedPrice(facts: Facts, region: PlaceId): Price {
  const provider = providerOf(region);
  if (provider === 'aws') return awsPrice(facts, region);
  if (provider === 'azure') {
    const prices = table(facts, 'azure:Standard_D8s_v5');
    const row = prices.get(region);
    return row === undefined ? anyOf(prices, 'Standard_D8s_v5') : value(row.usd, `Standard_D8s_v5, ${row.asOf}`);
  }
  if (provider !== 'gcp') return { kind: 'unknown', why: `no prices of ${provider}` };
  const row = table(facts, E2_CORE).get(region);
  if (row === undefined) return { kind: 'unknown', why: 'no price of an E2 core there' };
  const cores = 8 * row.usd;
  const memory = 32 * GIB_OF_CORE * row.usd;
  return range(
    cores + memory * (1 - GIB_UNCERTAINTY),
    cores + memory * (1 + GIB_UNCERTAINTY),
    `e2-standard-8: 8 cores at list price ${row.asOf}, memory at 0.134 of a core per GiB`,
  );
}

function awsPrice(facts: Facts, region: PlaceId): Price {
  const prices = table(facts, M6I);
  const row = prices.get(region);
  if (row !== undefined) return value(row.usd, `m6i.2xlarge, ${row.asOf}`);
  const index = table(facts, X2IEDN);
  const here = index.get(region);
  const there = index.get('aws:us-east-1');
  const base = prices.get('aws:us-east-1');
  if (here === undefined || there === undefined || base === undefined) return anyOf(prices, 'm6i.2xlarge');
  const likely = (base.usd * here.usd) / there.usd;
  return range(
    likely * M6I_OF_X2IEDN[0],
    likely * M6I_OF_X2IEDN[1],
    `m6i.2xlarge from the region's premium on x2iedn.32xlarge, ${here.asOf}`,
  );
}

/** Nothing is known about this region: anything between the provider's cheapest and dearest. */
function anyOf(prices: ReturnType<typeof table>, sku: string): Price {
  const all = [...prices.values()].map((row) => row.usd);
  if (all.length === 0) return { kind: 'unknown', why: `no prices of ${sku}` };
  return range(
    Math.min(...all),
    Math.max(...all),
    `no price there: between the cheapest and the dearest region of ${sku}`,
  );
}

const bounds = (price: Exclude<Price, { kind: 'unknown' }>): readonly [number, number] =>
  price.kind === 'value' ? [price.usd, price.usd] : [price.lowUsd, price.highUsd];

/** US dollars a GiB and month of block storage in each provider's cheapest region; list prices of 2025, from memory. */
const STORAGE_BASE_USD: Readonly<Record<string, readonly [number, number]>> = {
  aws: [0.08, 0.08],
  azure: [0.075, 0.09],
  gcp: [0.1, 0.1],
};
/** Storage prices follow a region's compute prices, but not exactly. */
const STORAGE_UNCERTAINTY = 0.15;
const CHEAPEST: Readonly<Record<string, string>> = { aws: 'us-east-1', azure: 'eastus', gcp: 'us-central1' };

/** US dollars a GiB and month of general-purpose block storage. A range unless it is the user's own: no free table has it by region. */
export function storagePrice(facts: Facts, region: PlaceId): Price {
  return ownOr(facts.own.get(region)?.storageUsdPerGiBMonth, () => scaledStorage(facts, region));
}

function scaledStorage(facts: Facts, region: PlaceId): Price {
  const provider = providerOf(region);
  const base = STORAGE_BASE_USD[provider];
  if (base === undefined) return { kind: 'unknown', why: `no storage price of ${provider}` };
  // Listed prices, both: one of the user's own is what they agreed on for machines, and says nothing about disks, here or elsewhere.
  const here = listedPrice(facts, region);
  const cheapest = listedPrice(facts, `${provider}:${CHEAPEST[provider]}` as PlaceId);
  if (here.kind === 'unknown' || cheapest.kind === 'unknown')
    return { kind: 'unknown', why: `no compute price to scale a storage price of ${provider} by` };
  const [low, high] = bounds(here);
  const [cheapLow, cheapHigh] = bounds(cheapest);
  return range(
    (base[0] * low * (1 - STORAGE_UNCERTAINTY)) / cheapHigh,
    (base[1] * high * (1 + STORAGE_UNCERTAINTY)) / cheapLow,
    `the provider's cheapest region, scaled by listed compute prices, 15 % either way`,
  );
}

/** US dollars a GB sent to the internet, first tier of the list price. */
export function egressPrice(facts: Facts, region: PlaceId): Price {
  return ownOr(facts.own.get(region)?.egressUsdPerGB, () => listedEgress(facts, region));
}

function listedEgress(facts: Facts, region: PlaceId): Price {
  const source = `list prices ${facts.transfer.asOf}`;
  if (providerOf(region) === 'aws') {
    const row = facts.transfer.aws.find((candidate) => candidate.region === region);
    if (row !== undefined) return value(row.internet, source);
    const all = facts.transfer.aws.map((candidate) => candidate.internet);
    return range(
      Math.min(...all),
      Math.max(...all),
      `no price there: between AWS's cheapest and dearest region, ${source}`,
    );
  }
  const rule = ruleOf(facts, region);
  return rule === undefined ? noRule(region) : ofRule(rule[2], `rule by continent, ${source}`);
}

/**
 * US dollars a GB from one region to another, paid at the sender. Within a region it counts as free (traffic between zones is
 * not modelled); to another provider it costs what the internet costs.
 */
export function transferPrice(facts: Facts, from: PlaceId, to: PlaceId): Price {
  const source = `list prices ${facts.transfer.asOf}`;
  if (from === to) return value(0, 'within one region');
  if (providerOf(from) !== providerOf(to)) return egressPrice(facts, from);
  if (providerOf(from) === 'aws') {
    const row = facts.transfer.aws.find((candidate) => candidate.region === from);
    const except = row?.except.find(([region]) => region === to)?.[1];
    if (row !== undefined) return value(except ?? row.others, source);
    const all = facts.transfer.aws.map((candidate) => candidate.others);
    return range(
      Math.min(...all),
      Math.max(...all),
      `no price there: between AWS's cheapest and dearest region, ${source}`,
    );
  }
  const rule = ruleOf(facts, from);
  if (rule === undefined) return noRule(from);
  const isInside = continentOf(facts, from) === continentOf(facts, to);
  return ofRule(isInside ? rule[3] : rule[4], `rule by continent, ${source}`);
}

const noRule = (region: PlaceId): Price => ({ kind: 'unknown', why: `no transfer price of ${providerOf(region)}` });
const ofRule = (usd: number | readonly [number, number], source: string): Price =>
  typeof usd === 'number' ? value(usd, source) : range(usd[0], usd[1], source);
const ruleOf = (facts: Facts, region: PlaceId) =>
  facts.transfer.rules.find(
    ([provider, continent]) => provider === providerOf(region) && continent === continentOf(facts, region),
  );

/** The continents that transfer is priced by. */
export function continentOf(facts: Facts, region: PlaceId): string {
  const { country } = regionFact(facts, region);
  const area = facts.countries.get(country)?.area ?? '';
  if (country === 'MX' || area === 'Northern America') return 'North America';
  if (area === 'Latin America and the Caribbean') return 'South America';
  if (area.endsWith('Europe')) return 'Europe';
  if (area.includes('Africa')) return 'Africa';
  return area === 'Australia and New Zealand' ? 'Oceania' : 'Asia';
}
