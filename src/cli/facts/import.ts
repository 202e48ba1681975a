import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { slug } from '../../base/ids.ts';
import { pairKey } from '../../facts/facts.ts';
import { isDate } from '../../facts/own.ts';
import { readRttTable } from '../../facts/verify/read-table.ts';
import { rttFindings } from '../../facts/verify/rtt-gates.ts';
import { symmetric } from '../../facts/verify/table.ts';
import { nearestRegion } from '../../spec/nearest.ts';
import { readArguments } from '../arguments.ts';
import { ownFactsTarget, readFacts, tableErrors } from '../read-facts.ts';
import { findingLines } from './verify.ts';

const USAGE = `Usage: farshore facts import FILE [--provider NAME] [--as-of DATE] [--source TEXT] [--accept] [--skip-unknown]
                             [--facts DIR]

Takes a table of measured round trips over into your own facts, where it wins over the packs. FILE is a CSV with the columns
from,to,rtt_ms, or a matrix with the regions in its first line and column: a newer table of a provider, or what \`farshore probe --out FILE\` wrote. The gates of \`farshore facts verify\` hold it first.

  --provider NAME  whose regions they are, when the ids do not say
  --as-of DATE     when it was measured, 2026-11-20 (default: what the file's "# asOf:" says, else today)
  --source TEXT    who measured it (default: what the file's "# source:" says, else its name)
  --accept         take it over although a gate does not hold: what it found is right
  --skip-unknown   leave rows of regions that Farshore does not know out, instead of refusing the table
  --facts DIR      your own facts (default: $FARSHORE_FACTS, else ~/.farshore/facts)

To take it back, remove the file it names.
`;
const OPTIONS = {
  provider: { type: 'string' },
  'as-of': { type: 'string' },
  source: { type: 'string' },
  accept: { type: 'boolean' },
  'skip-unknown': { type: 'boolean' },
  facts: { type: 'string' },
} as const;
const SHOWN_MOST = 20;

/** `farshore facts import FILE`. */
export function importTable(argv: readonly string[]): number {
  const { values, positionals } = readArguments(argv, OPTIONS, 1);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [file] = positionals;
  if (file === undefined) throw new FarshoreError('FSH_USAGE', 'which table? farshore facts import FILE');
  const facts = readFacts();
  const provider = values.provider ?? null;
  const table = readRttTable(read(file), {
    file,
    facts,
    provider,
    nearest: nearestRegion,
    skipUnknown: values['skip-unknown'] === true,
  });
  if (!table.ok) throw new FarshoreError('FSH_FACTS_INVALID', tableErrors(table.error));
  const { rows, header, leftOut, unknown } = table.value;
  const asOf = values['as-of'] ?? header.get('asOf') ?? new Date().toISOString().slice(0, 10);
  refuseDate(asOf, values['as-of'] === undefined ? `${file}: "# asOf:"` : '--as-of');
  const findings = rttFindings(facts, rows);
  const errors = findings.filter(({ severity }) => severity === 'error');
  for (const line of findingLines(findings).slice(0, SHOWN_MOST)) process.stderr.write(`${line}\n`);
  if (findings.length > SHOWN_MOST) process.stderr.write(`and ${findings.length - SHOWN_MOST} more\n`);
  if (errors.length > 0 && values.accept !== true)
    throw new FarshoreError(
      'FSH_FACTS_INVALID',
      `${file}: ${errors.length} of ${rows.length} rows are not to be trusted; nothing was taken over. If they are right, --accept takes them`,
    );
  const folder = ownFactsTarget(values.facts);
  const target = join(
    folder,
    `rtt-${slug(
      basename(file)
        .replace(/\.csv$/i, '')
        .replace(/^rtt-/, ''),
    )}.csv`,
  );
  const source = (values.source ?? header.get('source') ?? basename(file)).replaceAll(/[\r\n]+/g, ' ');
  const body = rows.map(({ from, to, ms }) => `${from},${to},${ms}`);
  write(folder, target, `# source: ${source}\n# asOf: ${asOf}\nfrom,to,rtt_ms\n${body.join('\n')}\n`);
  const pairs = symmetric(rows);
  const known = pairs.filter(({ from, to }) => facts.rtts.has(pairKey(from, to))).length;
  const rest = leftOut === 0 ? '' : `; ${leftOut} rows within a region or without a value left out`;
  if (unknown.length > 0) process.stderr.write(`left out, as Farshore does not know them: ${unknown.join(', ')}\n`);
  process.stdout.write(
    `${pairs.length} pairs of ${asOf} taken over: ${known} win over the packs, ${pairs.length - known} were not measured before${rest}\n${target}\n`,
  );
  return 0;
}

const DAY_MS = 86_400_000;

/** A year that is mistyped would win over every later table. Tomorrow is let through: it may be today where it was measured. */
function refuseDate(asOf: string, whose: string): void {
  if (!isDate(asOf)) throw new FarshoreError('FSH_USAGE', `${whose} must be a date like 2026-11-20, not "${asOf}"`);
  const tomorrow = new Date(Date.now() + DAY_MS).toISOString();
  if (asOf > tomorrow.slice(0, asOf.length))
    throw new FarshoreError(
      'FSH_USAGE',
      `${whose} is ${asOf}, which is still to come: when was it measured? Nothing was taken over`,
    );
}

function read(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    throw new FarshoreError('FSH_USAGE', `${file} cannot be read as text: ${messageOf(error)}`, error);
  }
}

/** Whole or not at all: a half-written file would stop every command that reads it. */
function write(folder: string, target: string, text: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${target}.new`, text);
    renameSync(`${target}.new`, target);
  } catch (error) {
    throw new FarshoreError('FSH_NO_PERMISSION', `${target} cannot be written: ${messageOf(error)}`, error);
  }
}
