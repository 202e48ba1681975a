/**
 * Writes `facts/latency-fit.json`: what the latency model finds in the round trips, so that nobody has to wait for it. To be run after
 * every change of a table of round trips, of the backbone, of the corrections or of the model; a test compares it with a fresh fit.
 *
 *   npm run build && node facts/build/latency-fit.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createLatencyModel } from '../../dist/facts/latency/model.js';
import { parseFacts } from '../../dist/facts/facts.js';
import { PACKS } from '../../dist/facts/packs.js';

const folder = new URL('../', import.meta.url);
const header = {
  pack: 'farshore.facts.latency-fit/v1',
  asOf: '2026-11',
  source: 'computed from the tables of round trips and the backbone by facts/build/latency-fit.mjs',
  licence: 'Apache-2.0',
  confidence: 'derived',
};
const texts = Object.fromEntries(
  PACKS.map((name) => [
    name,
    name === 'latency-fit'
      ? JSON.stringify({ ...header, pairs: [] })
      : readFileSync(new URL(`${name}.json`, folder), 'utf8'),
  ]),
);
const fit = createLatencyModel(parseFacts(texts)).fit();
const rows = [...fit].map(
  ([key, { weight, trust }]) => `    ${JSON.stringify([key, Number(weight.toPrecision(5)), Number(trust.toFixed(3))])}`,
);
const head = Object.entries(header).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
writeFileSync(
  new URL('latency-fit.json', folder),
  `{\n${head.join(',\n')},\n  "pairs": [\n${rows.join(',\n')}\n  ]\n}\n`,
);
