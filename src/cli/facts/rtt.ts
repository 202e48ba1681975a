import { FarshoreError } from '../../base/errors.ts';
import type { Facts } from '../../facts/facts.ts';
import { distanceKm, lightRttMs } from '../../facts/geo.ts';
import { clustersOf, countryFact } from '../../facts/countries.ts';
import { createLatencyModel, DEFAULT_LAST_MILE_MS, type Latency } from '../../facts/latency/model.ts';
import { latencyOfShare } from '../../facts/latency/population.ts';
import { readArguments } from '../arguments.ts';
import { ownFactsFolder, readFactsWithOwn } from '../read-facts.ts';
import { round, table } from '../text.ts';
import { markCoordinates, pointOf, whereOf, type Where } from './place.ts';

const USAGE = `Usage: farshore facts rtt A B [--last-mile MS] [--json] [--facts DIR]

The round trip between two places, how it was found, and how far off it may be. A and B: a region's id, or lat,lon in degrees. One of
them may be a country (two letters, DE): what half, 80 % and 95 % of its internet users have at most to the other, a region.

  --last-mile MS  added once for each end that is no region: a user's access network (default 0; for a country 15)
  --json          schema farshore.facts-rtt/v1 (docs/reference/facts.md)
  --facts DIR     your own facts (default: $FARSHORE_FACTS, else ~/.farshore/facts)
`;

/** `farshore facts rtt A B`. */
export function rtt(argv: readonly string[]): number {
  const options = { 'last-mile': { type: 'string' }, json: { type: 'boolean' }, facts: { type: 'string' } } as const;
  const { values, positionals } = readArguments(markCoordinates(argv), options, 2);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [a, b] = positionals;
  if (a === undefined || b === undefined)
    throw new FarshoreError('FSH_USAGE', 'which two places? farshore facts rtt A B');
  const given = values['last-mile'] === undefined ? null : Number(values['last-mile']);
  const lastMileMs = given ?? 0;
  if (!(lastMileMs >= 0 && lastMileMs <= 1_000))
    throw new FarshoreError(
      'FSH_USAGE',
      `--last-mile must be milliseconds from 0 to 1000, not "${values['last-mile']}"`,
    );
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const [from, to] = [whereOf(facts, a), whereOf(facts, b)];
  if ('country' in from || 'country' in to)
    return people(facts, [from, to], given ?? DEFAULT_LAST_MILE_MS, values.json === true);
  const found = between(facts, from, to, lastMileMs);
  const km = distanceKm(pointOf(facts, from), pointOf(facts, to));
  const estimate = found.method === 'measured' ? between(facts, from, to, lastMileMs, true) : null;
  if (values.json === true) {
    process.stdout.write(
      `${JSON.stringify(
        {
          schema: 'farshore.facts-rtt/v1',
          a: described(facts, from),
          b: described(facts, to),
          ms: found.ms,
          method: found.method,
          band: found.band,
          source: found.source,
          lastMileMs,
          distanceKm: Math.round(km),
          lightMs: Math.round(lightRttMs(km) * 10) / 10,
          estimate: estimate === null ? null : { ms: estimate.ms, method: estimate.method, band: estimate.band },
        },
        null,
        2,
      )}\n`,
    );
    return 0;
  }
  const lines = [
    `${named(facts, from)} to ${named(facts, to)}: ${round(found.ms)} ms, ${found.method}, ${round(found.band.lowMs)} to ${round(found.band.highMs)} ms`,
    `  ${found.source}`,
    `  ${Math.round(km)} km; light in a straight fibre needs ${round(lightRttMs(km))} ms`,
  ];
  if (estimate !== null) lines.push(`  without that measurement the model would say ${round(estimate.ms)} ms`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

function between(facts: Facts, from: Where, to: Where, lastMileMs: number, estimated = false): Latency {
  const model = createLatencyModel(facts);
  if ('region' in from && 'region' in to)
    return estimated && from.region !== to.region
      ? model.estimate(from.region, to.region)
      : model.regionToRegion(from.region, to.region);
  if ('region' in to) return model.pointToRegion(pointOf(facts, from), to.region, lastMileMs);
  if ('region' in from) return model.pointToRegion(pointOf(facts, to), from.region, lastMileMs);
  const found = model.pointToPoint(pointOf(facts, from), pointOf(facts, to));
  const shift = (ms: number): number => ms + 2 * lastMileMs;
  return {
    ...found,
    ms: shift(found.ms),
    band: { lowMs: shift(found.band.lowMs), highMs: shift(found.band.highMs) },
  };
}

const SHARES = [0.5, 0.8, 0.95] as const;

/** What shares of a country's internet users have at most to a region. */
function people(facts: Facts, ends: readonly Where[], lastMileMs: number, json: boolean): number {
  const country = ends.find((end) => 'country' in end)?.country;
  const region = ends.find((end) => 'region' in end)?.region;
  if (country === undefined || region === undefined)
    throw new FarshoreError(
      'FSH_USAGE',
      'from the people of a country to a region: farshore facts rtt DE aws:eu-west-1',
    );
  const clusters = clustersOf(facts, country);
  const model = createLatencyModel(facts);
  const shares = SHARES.flatMap((share) => {
    const found = latencyOfShare(model, clusters, region, lastMileMs, share);
    return found === null ? [] : [{ share, ms: found.ms, method: found.method, band: found.band }];
  });
  const name = countryFact(facts, country)?.name ?? country;
  if (json) {
    const internetUsers = countryFact(facts, country)?.internetUsers ?? null;
    const result = { schema: 'farshore.facts-people/v1', country, name, internetUsers, region, lastMileMs, shares };
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return 0;
  }
  const rows = shares.map(({ share, ms, method, band }) => [
    `  ${Math.round(100 * share)} %`,
    `at most ${round(ms)} ms`,
    `${method}, ${round(band.lowMs)} to ${round(band.highMs)} ms`,
  ]);
  process.stdout.write(
    `${[`internet users of ${name} to ${region}, ${lastMileMs} ms of last mile included`, ...table(rows)].join('\n')}\n`,
  );
  return 0;
}

const described = (facts: Facts, where: Where) => ({
  region: 'region' in where ? where.region : null,
  ...pointOf(facts, where),
});

const named = (facts: Facts, where: Where): string =>
  'region' in where
    ? `${where.region} (${facts.regions.get(where.region)?.place})`
    : `${pointOf(facts, where).lat},${pointOf(facts, where).lon}`;
