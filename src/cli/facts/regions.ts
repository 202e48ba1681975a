import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { carbonOf, carbonRangeOf, carbonText, countryFact, governanceOf } from '../../facts/countries.ts';
import { providerOf, regionFact, type Facts } from '../../facts/facts.ts';
import { distanceKm } from '../../facts/geo.ts';
import { hazardZonesOf } from '../../facts/hazards.ts';
import { createLatencyModel } from '../../facts/latency/model.ts';
import { computePrice, egressPrice, storagePrice, type Price } from '../../facts/prices.ts';
import { nearest } from '../../spec/nearest.ts';
import { readArguments } from '../arguments.ts';
import { ownFactsFolder, readFactsWithOwn } from '../read-facts.ts';
import { round, table } from '../text.ts';
import { regionOf } from './place.ts';

const REGIONS_USAGE = `Usage: farshore facts regions [--provider NAME] [--json] [--facts DIR]

The regions that Farshore knows. --json: schema farshore.facts-regions/v1 (docs/reference/facts.md).
`;
const SHOW_USAGE = `Usage: farshore facts show REGION [--json] [--facts DIR]

Everything that is known about a region, with what is a range and what is unknown. --json: schema farshore.facts-region/v1.
`;
const NEIGHBOURS = 5;

/** How many pairs of a region are measured. */
const measuredPairs = (facts: Facts): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const key of facts.rtts.keys()) for (const id of key.split('|')) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
};

/** `farshore facts regions`. */
export function regions(argv: readonly string[]): number {
  const options = { provider: { type: 'string' }, json: { type: 'boolean' }, facts: { type: 'string' } } as const;
  const { values } = readArguments(argv, options, 0);
  if (values.help === true) {
    process.stdout.write(REGIONS_USAGE);
    return 0;
  }
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const all = [...facts.regions.values()];
  const providers = [...new Set(all.map(({ id }) => providerOf(id)))];
  const { provider } = values;
  if (provider !== undefined && !providers.includes(provider)) {
    const meant = nearest(provider, providers);
    const hint = meant === null ? `one of ${providers.join(', ')}` : `did you mean ${meant}?`;
    throw new FarshoreError('FSH_USAGE', `there is no provider "${provider}"; ${hint}`);
  }
  const counts = measuredPairs(facts);
  const rows = all
    .filter(({ id }) => provider === undefined || providerOf(id) === provider)
    .map(({ id, place, country, lat, lon, zones, pair, optIn, confidence }) => ({
      id,
      place,
      country,
      lat,
      lon,
      zones,
      pair,
      optIn,
      confidence,
      measuredPairs: counts.get(id) ?? 0,
    }));
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify({ schema: 'farshore.facts-regions/v1', regions: rows }, null, 2)}\n`);
    return 0;
  }
  const lines = rows.map((row) => [
    row.id,
    row.place,
    row.country,
    row.zones === null ? '?' : String(row.zones),
    String(row.measuredPairs),
    row.optIn ? 'opt-in' : '',
  ]);
  process.stdout.write(`${table([['region', 'place', 'in', 'zones', 'measured', ''], ...lines]).join('\n')}\n`);
  return 0;
}

/** `farshore facts show R`. */
export function show(argv: readonly string[]): number {
  const { values, positionals } = readArguments(argv, { json: { type: 'boolean' }, facts: { type: 'string' } }, 1);
  if (values.help === true) {
    process.stdout.write(SHOW_USAGE);
    return 0;
  }
  const [word] = positionals;
  if (word === undefined) throw new FarshoreError('FSH_USAGE', 'which region? farshore facts show REGION');
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const all = everything(facts, regionOf(facts, word));
  process.stdout.write(values.json === true ? `${JSON.stringify(all, null, 2)}\n` : `${showLines(all).join('\n')}\n`);
  return 0;
}

function everything(facts: Facts, id: PlaceId) {
  const fact = regionFact(facts, id);
  const model = createLatencyModel(facts);
  const near = [...facts.regions.values()]
    .filter((other) => other.id !== id)
    .map((other) => ({ region: other.id, km: Math.round(distanceKm(fact, other)) }))
    .toSorted((a, b) => a.km - b.km)
    .slice(0, NEIGHBOURS)
    .map((other) => ({ ...other, rtt: model.regionToRegion(id, other.region) }));
  return {
    schema: 'farshore.facts-region/v1',
    ...fact,
    countryName: countryFact(facts, fact.country)?.name ?? null,
    governance: governanceOf(facts, id),
    measuredPairs: measuredPairs(facts).get(id) ?? 0,
    prices: {
      generalUsdPerHour: computePrice(facts, id, 'general'),
      memoryUsdPerHour: computePrice(facts, id, 'memory'),
      storageUsdPerGiBMonth: storagePrice(facts, id),
      egressUsdPerGB: egressPrice(facts, id),
    },
    carbon: carbonOf(facts, id),
    carbonRange: carbonRangeOf(facts, id),
    hazards: hazardZonesOf(facts, id),
    services: facts.own.get(id)?.services ?? null,
    compliance: facts.own.get(id)?.compliance ?? null,
    exchanges: facts.own.get(id)?.exchanges ?? null,
    privateConnect: facts.own.get(id)?.privateConnect ?? null,
    support: facts.own.get(id)?.support ?? null,
    nearest: near,
  };
}

function showLines(all: ReturnType<typeof everything>): readonly string[] {
  const rows: string[][] = [
    ['place', `${all.place}, ${all.countryName ?? all.country} (${all.lat}, ${all.lon})`],
    ...(all.corrected === null
      ? []
      : [['', `corrected from ${all.corrected.lat}, ${all.corrected.lon}: ${all.corrected.why}`]]),
    ['zones', all.zones === null ? 'unknown' : String(all.zones)],
    ["provider's pair", all.pair ?? 'none'],
    ...(all.optIn ? [['opt-in', 'must be enabled for the account before it can be used']] : []),
    ['8 processors, 32 GiB', `${priceText(all.prices.generalUsdPerHour)} an hour`],
    ['8 processors, 64 GiB', `${priceText(all.prices.memoryUsdPerHour)} an hour`],
    ['storage', `${priceText(all.prices.storageUsdPerGiBMonth)} a GiB and month`],
    ['to the internet', `${priceText(all.prices.egressUsdPerGB)} a GB`],
    ['carbon', carbonText(all.carbonRange)],
    ['governance', all.governance === null ? 'unknown' : `${all.governance.toFixed(2)} of 1`],
    ...all.hazards.map((zone, i) => [
      i === 0 ? 'shares its fate in' : '',
      `${zone.id} (${zone.kind}): ${zone.citation}`,
    ]),
    ['services', listed(all.services)],
    ['compliance', listed(all.compliance)],
    ['exchanges', listed(all.exchanges)],
    ['private connect', listed(all.privateConnect)],
    ['support', all.support ?? UNKNOWN],
    ...all.nearest.map(({ region, km, rtt }, i) => [
      i === 0 ? 'nearest' : '',
      `${region}: ${km} km, ${round(rtt.ms)} ms (${rtt.method}, ${round(rtt.band.lowMs)} to ${round(rtt.band.highMs)})`,
    ]),
  ];
  return [all.id, ...table(rows.map(([key = '', value = '']) => [`  ${key}`, value]))];
}

const UNKNOWN = 'unknown (your own regions.json can say)';
const listed = (list: readonly string[] | null): string => list?.join(', ') ?? UNKNOWN;

function priceText(price: Price): string {
  if (price.kind === 'unknown') return `unknown (${price.why})`;
  return price.kind === 'value' ? `$${price.usd}` : `$${price.lowUsd} to $${price.highUsd} (${price.source})`;
}
