import { leaveOneRegionOut, predictProvider, scoreOf, type HeldOut } from '../../facts/latency/evaluate.ts';
import { distanceRttMs } from '../../facts/rtt.ts';
import { distanceKm } from '../../facts/geo.ts';
import { regionFact, type Facts } from '../../facts/facts.ts';
import { readFacts } from '../read-facts.ts';
import { table } from '../text.ts';

/** Both ways of estimating, over everything that was left out of AWS. */
const byMethod = (method: string) => (facts: Facts) =>
  [...leaveOneRegionOut(facts, 'aws', 'none'), ...leaveOneRegionOut(facts, 'aws', 'metro')].filter(
    (row) => row.method === method,
  );

/**
 * `npm run bench:facts`: how far off the latency model is for pairs that it has not seen. Prints one row per experiment.
 * Nothing here is timed: the figures are the same on every machine.
 */
const EXPERIMENTS: readonly (readonly [string, (facts: Facts) => readonly HeldOut[]])[] = [
  ['aws, a region left out; distance alone', (facts) => byDistance(facts, leaveOneRegionOut(facts, 'aws', 'none'))],
  ['aws, a region left out; from aws alone', (facts) => leaveOneRegionOut(facts, 'aws', 'none')],
  ['  and azure, gcp but none in its metro', (facts) => leaveOneRegionOut(facts, 'aws', 'metro')],
  ['  of these two: triangulated', byMethod('triangulated')],
  ['  of these two: distance', byMethod('distance')],
  ['  and all of azure, gcp (as in use)', (facts) => leaveOneRegionOut(facts, 'aws', 'all')],
  ['azure, a region left out; from azure alone', (facts) => leaveOneRegionOut(facts, 'azure', 'none')],
  ['azure, a region left out (as in use)', (facts) => leaveOneRegionOut(facts, 'azure', 'all')],
  ['gcp of 2019, a region left out; from gcp alone', (facts) => leaveOneRegionOut(facts, 'gcp', 'none')],
  ['gcp of 2019, a region left out (as in use)', (facts) => leaveOneRegionOut(facts, 'gcp', 'all')],
  ['azure from aws', (facts) => predictProvider(facts, 'azure', ['aws'])],
  ['aws from azure', (facts) => predictProvider(facts, 'aws', ['azure'])],
  ['gcp of 2019 from aws and azure of 2025', (facts) => predictProvider(facts, 'gcp', ['aws', 'azure'])],
];

function byDistance(facts: Facts, held: readonly HeldOut[]): HeldOut[] {
  return held.map((row) => ({
    ...row,
    ms: distanceRttMs(distanceKm(regionFact(facts, row.a), regionFact(facts, row.b))),
    isInBand: false,
  }));
}

const facts = readFacts();
const rows = [['experiment', 'pairs', 'median ms', 'P90 ms', 'R2', 'bias ms', 'in band']];
for (const [name, run] of EXPERIMENTS) {
  const { pairs, medianMs, p90Ms, r2, biasMs, inBand } = scoreOf(run(facts));
  const share = name.includes('distance alone') ? '-' : `${Math.round(100 * inBand)} %`;
  rows.push([name, String(pairs), medianMs.toFixed(1), p90Ms.toFixed(1), r2.toFixed(3), biasMs.toFixed(1), share]);
  process.stderr.write(`${name}\n`);
}
process.stdout.write(`${table(rows).join('\n')}\n`);
