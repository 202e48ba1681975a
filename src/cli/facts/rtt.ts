import { FarshoreError } from '../../base/errors.ts';
import type { Facts } from '../../facts/facts.ts';
import { distanceKm, lightRttMs } from '../../facts/geo.ts';
import { createLatencyModel, type Latency } from '../../facts/latency/model.ts';
import { readArguments } from '../arguments.ts';
import { ownFactsFolder, readFactsWithOwn } from '../read-facts.ts';
import { round } from '../text.ts';
import { markCoordinates, pointOf, whereOf, type Where } from './place.ts';

const USAGE = `Usage: farshore facts rtt A B [--last-mile MS] [--json] [--facts DIR]

The round trip between two places, how it was found, and how far off it may be. A and B: a region's id, or lat,lon in degrees.

  --last-mile MS  added once for each end that is no region: a user's access network (default 0: both ends in data centres)
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
  const lastMileMs = values['last-mile'] === undefined ? 0 : Number(values['last-mile']);
  if (!(lastMileMs >= 0 && lastMileMs <= 1_000))
    throw new FarshoreError(
      'FSH_USAGE',
      `--last-mile must be milliseconds from 0 to 1000, not "${values['last-mile']}"`,
    );
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const [from, to] = [whereOf(facts, a), whereOf(facts, b)];
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
  const found = model.pointToPoint(from.point, to.point);
  const shift = (ms: number): number => ms + 2 * lastMileMs;
  return {
    ...found,
    ms: shift(found.ms),
    band: { lowMs: shift(found.band.lowMs), highMs: shift(found.band.highMs) },
  };
}

const described = (facts: Facts, where: Where) =>
  'region' in where ? { region: where.region, ...pointOf(facts, where) } : { region: null, ...where.point };

const named = (facts: Facts, where: Where): string =>
  'region' in where
    ? `${where.region} (${facts.regions.get(where.region)?.place})`
    : `${where.point.lat},${where.point.lon}`;
