import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { FarshoreError, messageOf } from '../base/errors.ts';
import { parseFacts, type Facts, type OwnSource } from '../facts/facts.ts';
import {
  isDate,
  ownHazards,
  ownRegions,
  withOwnHazards,
  withOwnRegions,
  withOwnRtts,
  type OwnRtts,
} from '../facts/own.ts';
import { PACKS, type PackTexts } from '../facts/packs.ts';
import { readRttTable, type TableError } from '../facts/verify/read-table.ts';
import { nearestRegion } from '../spec/nearest.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Where the packs of this program are. */
export const packsFolder = (): URL => new URL('../../facts/', import.meta.url);

let packs: Facts | null = null;

/**
 * The data packs that come with this program, read once: they do not change while it runs. A missing or broken one is a `FSH_FAILED`: the installation
 * is incomplete.
 */
export const readFacts = (): Facts => (packs ??= readPacks());

function readPacks(): Facts {
  const folder = packsFolder();
  try {
    const texts = Object.fromEntries(
      PACKS.map((name) => [name, readFileSync(new URL(`${name}.json`, folder), 'utf8')]),
    ) as PackTexts;
    const facts = parseFacts(texts);
    return { ...facts, packs: facts.packs.map((pack) => ({ ...pack, sha256: sha256(texts[pack.name]) })) };
  } catch (error) {
    throw new FarshoreError('FSH_FAILED', `the data packs of Farshore are incomplete: ${messageOf(error)}`, error);
  }
}

/** The folder that was named for the user's own facts: by `--facts DIR`, else by `FARSHORE_FACTS`. */
const named = (option: string | undefined): string | undefined =>
  option ?? (process.env['FARSHORE_FACTS'] || undefined);

/** Where the user's own facts go: the folder that was named, else `~/.farshore/facts`. It may have to be made. */
export const ownFactsTarget = (option: string | undefined): string =>
  named(option) ?? join(homedir(), '.farshore', 'facts');

/**
 * Where the user's own facts are. Only the default may be missing: a plan without the facts of a folder that was named is another plan, and looks like
 * the one that was meant.
 */
export function ownFactsFolder(option: string | undefined): string {
  const folder = named(option);
  if (folder !== undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new FarshoreError(
      'FSH_USAGE',
      `${option === undefined ? 'FARSHORE_FACTS' : '--facts'}: there is no folder ${folder}, so none of your own facts would count. Correct the path, or make the folder`,
    );
  return ownFactsTarget(option);
}

/**
 * The packs with the user's own facts over them: each `rtt-*.csv` of the folder, its `hazards.json` and `regions.json`. Without a folder the packs
 * alone. A file that does not fit is a `FSH_FACTS_INVALID` that names file and line.
 */
export function readFactsWithOwn(folder: string): Facts {
  const facts = readFacts();
  if (!existsSync(folder)) return facts;
  const names = readdirSync(folder)
    .filter((name) => name.startsWith('rtt-') && name.endsWith('.csv'))
    .toSorted();
  const tables = names.map((name) => readOwnRtts(facts, folder, name));
  const withRtts = withOwnRtts(
    facts,
    tables.map(({ rtts }) => rtts),
  );
  const merged = [readOwnHazards, readOwnRegions].reduce((before, read) => read(before, folder), withRtts);
  const ownSources = [...tables.map(({ from }) => from), ...OTHERS.flatMap((name) => otherSource(folder, name))];
  return ownSources.length === 0 ? merged : { ...merged, ownSources };
}

const HAZARDS = 'hazards.json';
const REGIONS = 'regions.json';
const OTHERS = [HAZARDS, REGIONS] as const;

function otherSource(folder: string, name: string): readonly OwnSource[] {
  const file = join(folder, name);
  return existsSync(file) ? [{ file: name, asOf: null, sha256: sha256(readFileSync(file, 'utf8')) }] : [];
}

function readOwnRtts(facts: Facts, folder: string, name: string): { readonly rtts: OwnRtts; readonly from: OwnSource } {
  const file = join(folder, name);
  const text = readFileSync(file, 'utf8');
  const table = readRttTable(text, { file, facts, provider: null, nearest: nearestRegion });
  if (!table.ok) throw new FarshoreError('FSH_FACTS_INVALID', tableErrors(table.error));
  const asOf = table.value.header.get('asOf') ?? '';
  if (!isDate(asOf))
    throw new FarshoreError('FSH_FACTS_INVALID', `${file}: a line "# asOf: 2026-11-20" must say when it was measured`);
  const said = table.value.header.get('source');
  const source = `${file} (${asOf}${said === undefined ? '' : `, ${said}`})`;
  return { rtts: { rows: table.value.rows, asOf, source }, from: { file: name, asOf, sha256: sha256(text) } };
}

function readOwnHazards(facts: Facts, folder: string): Facts {
  const file = join(folder, HAZARDS);
  const own = readOwn(file, ownHazards);
  return own === null ? facts : known(file, withOwnHazards(facts, own));
}

function readOwnRegions(facts: Facts, folder: string): Facts {
  const file = join(folder, REGIONS);
  const own = readOwn(file, ownRegions);
  return own === null ? facts : known(file, withOwnRegions(facts, own));
}

function known(file: string, merged: { readonly facts: Facts; readonly unknown: readonly string[] }): Facts {
  if (merged.unknown.length === 0) return merged.facts;
  const hints = merged.unknown.map((id) => {
    const meant = nearestRegion(id, [...merged.facts.regions.keys()]);
    return meant === null ? id : `${id} (did you mean ${meant}?)`;
  });
  throw new FarshoreError('FSH_FACTS_INVALID', `${file}: no such zone or region: ${hints.join(', ')}`);
}

/** A JSON file of the user's own that fits `schema`; null: there is none. */
function readOwn<T>(file: string, schema: z.ZodType<T>): T | null {
  if (!existsSync(file)) return null;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new FarshoreError('FSH_FACTS_INVALID', `${file} is not JSON: ${messageOf(error)}`, error);
  }
  const own = schema.safeParse(value);
  if (own.success) return own.data;
  const issues = own.error.issues.map((issue) => `${file}: ${issue.path.join('.')}: ${issue.message}`);
  throw new FarshoreError('FSH_FACTS_INVALID', issues.join('\n'));
}

/** One line for each error of a table. */
export const tableErrors = (errors: readonly TableError[]): string =>
  errors.map(({ at, text }) => (at === '' ? text : `${at}: ${text}`)).join('\n');
