import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { Facts } from '../../facts/facts.ts';
import { coordinateFindings, packFindings } from '../../facts/verify/pack-gates.ts';
import {
  isCoordinateTable,
  readCoordinateTable,
  readRttTable,
  type TableError,
} from '../../facts/verify/read-table.ts';
import { rttFindings } from '../../facts/verify/rtt-gates.ts';
import { GATES, type Finding, type Gate } from '../../facts/verify/table.ts';
import { nearestRegion } from '../../spec/nearest.ts';
import { readArguments } from '../arguments.ts';
import { paint } from '../paint.ts';
import { ownFactsFolder, packsFolder, readFactsWithOwn } from '../read-facts.ts';

const USAGE = `Usage: farshore facts verify [FILE...] [--json] [--facts DIR]

Holds the data packs, your own facts over them, or the tables given against every gate:
${Object.entries(GATES)
  .map(([gate, holds]) => `  ${gate.padEnd(12)}${holds}`)
  .join('\n')}

FILE is a CSV with from,to,rtt_ms or with region,lat,lon. Exit codes: 0 every gate holds (notes are no failures), 1 one does not.
--json: schema farshore.facts-verify/v1 (docs/reference/facts.md).
`;
const FILES_MOST = 50;

/** `farshore facts verify [FILE...]`. */
export function verify(argv: readonly string[]): number {
  const options = { json: { type: 'boolean' }, facts: { type: 'string' } } as const;
  const { values, positionals } = readArguments(argv, options, FILES_MOST);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const facts = readFactsWithOwn(ownFactsFolder(values.facts));
  const findings =
    positionals.length === 0
      ? [...checksumFindings(), ...packFindings(facts, nowYear())]
      : positionals.flatMap((file) => fileFindings(facts, file));
  const errors = findings.filter(({ severity }) => severity === 'error');
  const packs = `${facts.packs.length} packs, ${facts.corrections.length} rows of them corrected (facts/corrections.json)`;
  const what = positionals.length === 0 ? packs : positionals.join(', ');
  if (values.json === true) {
    const corrections = positionals.length === 0 ? facts.corrections : [];
    const result = { schema: 'farshore.facts-verify/v1', ok: errors.length === 0, findings, corrections };
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } else {
    for (const line of findingLines(findings)) process.stdout.write(`${line}\n`);
    const counted = `${count(errors.length, 'error')}, ${count(findings.length - errors.length, 'note')}`;
    process.stdout.write(`${what}: ${errors.length === 0 ? 'every gate holds' : 'not to be trusted'}; ${counted}\n`);
  }
  return errors.length === 0 ? 0 : 1;
}

const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;

/** One line for each finding, errors first. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  const { red, yellow } = paint(process.stdout);
  return findings
    .toSorted((a, b) => Number(a.severity === 'note') - Number(b.severity === 'note'))
    .map(
      ({ gate, severity, at, text }) =>
        `${severity === 'error' ? red('error') : yellow('note')} ${gate}: ${at}: ${text}`,
    );
}

/** The year and its fraction: 2026.9. */
const nowYear = (): number => {
  const now = new Date();
  return now.getUTCFullYear() + now.getUTCMonth() / 12;
};

function fileFindings(facts: Facts, file: string): readonly Finding[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new FarshoreError('FSH_USAGE', `${file} cannot be read: ${messageOf(error)}`, error);
  }
  const context = { file, facts, provider: null, nearest: nearestRegion };
  if (isCoordinateTable(text)) {
    const found = readCoordinateTable(text, context);
    return found.ok ? coordinateFindings(facts, found.value.rows) : asFindings(found.error);
  }
  const found = readRttTable(text, context);
  return found.ok ? rttFindings(facts, found.value.rows) : asFindings(found.error);
}

const asFindings = (errors: readonly TableError[]): Finding[] =>
  errors.map(({ at, text }) => ({ gate: 'ids' as Gate, severity: 'error', at, text }));

/** Packs that are not what was shipped. */
function checksumFindings(): Finding[] {
  const folder = packsFolder();
  const sums = JSON.parse(readFileSync(new URL('checksums.json', folder), 'utf8')) as Readonly<Record<string, string>>;
  const names = readdirSync(folder).filter((name) => name.endsWith('.json') && name !== 'checksums.json');
  return [...new Set([...names, ...Object.keys(sums)])].flatMap((name): Finding[] => {
    const found = names.includes(name)
      ? createHash('sha256')
          .update(readFileSync(new URL(name, folder)))
          .digest('hex')
      : 'missing';
    if (found === sums[name]) return [];
    const text = found === 'missing' ? 'is missing' : 'is not what was shipped';
    return [{ gate: 'checksum', severity: 'error', at: name, text }];
  });
}
