import { readFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../../base/errors.ts';
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
       farshore facts rtt --pairs FILE [--last-mile MS] [--json] [--facts DIR]

The round trip between two places, how it was found, and how far off it may be. A and B: a region's id, or lat,lon in degrees. One of
them may be a country (two letters, DE): what half, 80 % and 95 % of its internet users have at most to the other, a region.

  --pairs FILE    many pairs at once: "A B" a line, or A,B of ids; "-": from standard input. Lines that start with # are passed over
  --last-mile MS  added once for each end that is no region: a user's access network (default 0; for a country 15)
  --json          schema farshore.facts-rtt/v1 (docs/reference/facts.md); with --pairs one object a line, in the order of the pairs
  --facts DIR     your own facts (default: $FARSHORE_FACTS, else ~/.farshore/facts)
`;

/** What is asked, and what is said about it. */
interface Answer {
  readonly json: Readonly<Record<string, unknown>>;
  /** For one pair. */
  readonly lines: readonly string[];
  /** For one of many. */
  readonly cells: readonly string[];
}

const OPTIONS = {
  'last-mile': { type: 'string' },
  pairs: { type: 'string' },
  json: { type: 'boolean' },
  facts: { type: 'string' },
} as const;

/** `farshore facts rtt A B`. */
export function rtt(argv: readonly string[]): number {
  const { values, positionals } = readArguments(markCoordinates(argv), OPTIONS, 2);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [a, b] = positionals;
  const { pairs } = values;
  if (pairs === undefined ? a === undefined || b === undefined : a !== undefined)
    throw new FarshoreError('FSH_USAGE', 'which two places? farshore facts rtt A B, or --pairs FILE for many');
  const given = values['last-mile'] === undefined ? null : Number(values['last-mile']);
  if (!((given ?? 0) >= 0 && (given ?? 0) <= 1_000))
    throw new FarshoreError(
      'FSH_USAGE',
      `--last-mile must be milliseconds from 0 to 1000, not "${values['last-mile']}"`,
    );
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const isJson = values.json === true;
  if (pairs !== undefined) {
    const answers = readPairs(pairs).map(({ from, to, at }) => {
      try {
        return answer(facts, from, to, given);
      } catch (error) {
        throw error instanceof FarshoreError ? new FarshoreError('FSH_USAGE', `${at}: ${error.message}`, error) : error;
      }
    });
    const lines = isJson ? answers.map(({ json }) => JSON.stringify(json)) : table(answers.map(({ cells }) => cells));
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    return 0;
  }
  const { json, lines } = answer(facts, a ?? '', b ?? '', given);
  process.stdout.write(isJson ? `${JSON.stringify(json, null, 2)}\n` : `${lines.join('\n')}\n`);
  return 0;
}

const STANDARD_INPUT = 0;

/** The pairs of a file, each with its place for a message. */
function readPairs(file: string): readonly { readonly from: string; readonly to: string; readonly at: string }[] {
  let text: string;
  try {
    text = readFileSync(file === '-' ? STANDARD_INPUT : file, 'utf8');
  } catch (error) {
    throw new FarshoreError('FSH_USAGE', `${file} cannot be read: ${messageOf(error)}`, error);
  }
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const at = `${file === '-' ? 'standard input' : file}:${i + 1}`;
    const spaced = line.trim().split(/\s+/);
    const [from, to, extra] = spaced.length === 1 ? line.trim().split(',') : spaced;
    if (from === undefined || to === undefined || extra !== undefined)
      throw new FarshoreError('FSH_USAGE', `${at}: "${line}" is no pair: two places with a space between them`);
    return [{ from, to, at }];
  });
}

function answer(facts: Facts, a: string, b: string, given: number | null): Answer {
  const [from, to] = [whereOf(facts, a), whereOf(facts, b)];
  return 'country' in from || 'country' in to
    ? ofPeople(facts, [from, to], given ?? DEFAULT_LAST_MILE_MS)
    : ofPlaces(facts, from, to, given ?? 0);
}

function ofPlaces(facts: Facts, from: Where, to: Where, lastMileMs: number): Answer {
  const found = between(facts, from, to, lastMileMs);
  const km = distanceKm(pointOf(facts, from), pointOf(facts, to));
  const estimate = found.method === 'measured' ? between(facts, from, to, lastMileMs, true) : null;
  const band = `${round(found.band.lowMs)} to ${round(found.band.highMs)} ms`;
  return {
    json: {
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
    lines: [
      `${named(facts, from)} to ${named(facts, to)}: ${round(found.ms)} ms, ${found.method}, ${band}`,
      `  ${found.source}`,
      `  ${Math.round(km)} km; light in a straight fibre needs ${round(lightRttMs(km))} ms`,
      ...(estimate === null ? [] : [`  without that measurement the model would say ${round(estimate.ms)} ms`]),
    ],
    cells: [named(facts, from), named(facts, to), `${round(found.ms)} ms`, found.method, band],
  };
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
function ofPeople(facts: Facts, ends: readonly Where[], lastMileMs: number): Answer {
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
  const internetUsers = countryFact(facts, country)?.internetUsers ?? null;
  const said = shares.map(({ share, ms }) => [`${Math.round(100 * share)} %`, `at most ${round(ms)} ms`] as const);
  const rows = shares.map(({ method, band }, i) => [
    `  ${said[i]?.[0]}`,
    said[i]?.[1] ?? '',
    `${method}, ${round(band.lowMs)} to ${round(band.highMs)} ms`,
  ]);
  return {
    json: { schema: 'farshore.facts-people/v1', country, name, internetUsers, region, lastMileMs, shares },
    lines: [`internet users of ${name} to ${region}, ${lastMileMs} ms of last mile included`, ...table(rows)],
    cells: [`internet users of ${name}`, region, said.map((pair) => pair.join(' ')).join(', ')],
  };
}

const described = (facts: Facts, where: Where) => ({
  region: 'region' in where ? where.region : null,
  ...pointOf(facts, where),
});

const named = (facts: Facts, where: Where): string =>
  'region' in where
    ? `${where.region} (${facts.regions.get(where.region)?.place})`
    : `${pointOf(facts, where).lat},${pointOf(facts, where).lon}`;
