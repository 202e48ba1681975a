import { writeFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { placeOf, type PlaceId } from '../base/ids.ts';
import type { Facts } from '../facts/facts.ts';
import { createLatencyModel } from '../facts/latency/model.ts';
import type { World } from '../world/open.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { ownFactsFolder, readFactsWithOwn } from './read-facts.ts';
import { round, table } from './text.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore probe [--samples N] [--out FILE] [--json] [--state DIR] [--facts DIR]

Every running agent measures the round trip to every other, over one open connection each: the network's, and about a millisecond for the
other to answer. Shown beside what the facts say. In a world on one machine it measures the emulated links.

  --samples N   round trips for each pair (default 9); the median counts
  --out FILE    writes a table that \`farshore facts import FILE\` takes
  --json        schema farshore.probe/v1 (docs/reference/facts.md)

Exit codes: 0 every pair was measured, 1 one was not.
`;
const DEFAULT_SAMPLES = 9;

/** One directed pair of places; where a place has several nodes, its fastest. */
interface Measured {
  readonly from: PlaceId;
  readonly to: PlaceId;
  readonly ms: number | null;
  readonly why: string;
  readonly expected: { readonly ms: number; readonly method: string; readonly isInBand: boolean | null } | null;
}

/** `farshore probe`: `argv` is what follows the verb. Resolves to the exit code. */
export async function probe(argv: readonly string[]): Promise<number> {
  const options = {
    samples: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean' },
    state: { type: 'string' },
    facts: { type: 'string' },
  } as const;
  const { values } = readArguments(argv, options, 0);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const samples = wholeNumber('samples', values.samples, 1, 50) ?? DEFAULT_SAMPLES;
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const world = selectWorld(values.state);
  try {
    const measured = await measure(world, facts, samples);
    if (values.json === true)
      process.stdout.write(`${JSON.stringify({ schema: 'farshore.probe/v1', samples, rtts: measured }, null, 2)}\n`);
    else process.stdout.write(`${lines(measured).join('\n')}\n`);
    if (values.out !== undefined) write(values.out, csvOf(measured, samples));
    return measured.every(({ ms }) => ms !== null) ? 0 : 1;
  } finally {
    await world.close();
  }
}

async function measure(world: World, facts: Facts, samples: number): Promise<readonly Measured[]> {
  const model = createLatencyModel(facts);
  const best = new Map<string, Measured>();
  const expectedOf = (from: PlaceId, to: PlaceId, ms: number | null): Measured['expected'] => {
    if (!facts.regions.has(from) || !facts.regions.has(to)) return null;
    const found = model.regionToRegion(from, to);
    const isInBand = ms === null ? null : ms >= found.band.lowMs && ms <= found.band.highMs;
    return { ms: found.ms, method: found.method, isInBand };
  };
  const asked = await world.rtts(samples);
  if (asked.every(({ answer }) => answer === null))
    throw new FarshoreError('FSH_NOT_RUNNING', 'no agent answers: nothing was measured');
  for (const { node, answer } of asked) {
    const from = placeOf(node);
    const rtts =
      answer?.rtts ??
      asked
        .filter((other) => other.node !== node)
        .map((other) => ({
          place: placeOf(other.node),
          ms: null,
          why: `the agent ${node} does not answer`,
        }));
    for (const { place: to, ms, why } of rtts) {
      if (to === from) continue;
      const before = best.get(`${from}|${to}`);
      if (before !== undefined && (ms === null || (before.ms !== null && before.ms <= ms))) continue;
      best.set(`${from}|${to}`, { from, to, ms, why, expected: expectedOf(from, to, ms) });
    }
  }
  return [...best.values()].toSorted((a, b) => (`${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1));
}

function lines(measured: readonly Measured[]): readonly string[] {
  const rows = measured.map(({ from, to, ms, why, expected }) => [
    from,
    to,
    ms === null ? `- (${why})` : `${round(ms)} ms`,
    expected === null ? 'the facts know no such region' : `${round(expected.ms)} ms, ${expected.method}`,
    expected?.isInBand === false ? 'outside of the band' : '',
  ]);
  return table([['from', 'to', 'measured', 'the facts say', ''], ...rows]);
}

/** Regions that the facts know: `facts import` takes no others. */
function csvOf(measured: readonly Measured[], samples: number): string {
  const rows = measured.filter(({ ms, expected }) => ms !== null && expected !== null);
  const day = new Date().toISOString().slice(0, 10);
  const head = `# source: farshore probe, median of ${samples}\n# asOf: ${day}\nfrom,to,rtt_ms\n`;
  return `${head}${rows.map(({ from, to, ms }) => `${from},${to},${ms}\n`).join('')}`;
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new FarshoreError('FSH_NO_PERMISSION', `${path} cannot be written: ${messageOf(error)}`, error);
  }
}
