import { placeId, type PlaceId } from '../../base/ids.ts';
import type { Facts } from '../facts.ts';
import type { RttRow } from './table.ts';

/** What is wrong with a table, and where: `rtts.csv:17`. */
export interface TableError {
  readonly at: string;
  readonly text: string;
}

export interface RttTable {
  readonly rows: readonly RttRow[];
  /** `# key: value` lines before the columns: `source`, `asOf`. */
  readonly header: ReadonlyMap<string, string>;
  /** Rows within one region, and rows without a value: left out. */
  readonly leftOut: number;
  /** Words that are no region, where that was allowed: their rows are left out. */
  readonly unknown: readonly string[];
}

export interface CoordinateTable {
  readonly rows: readonly {
    readonly region: PlaceId;
    readonly lat: number;
    readonly lon: number;
    readonly at: string;
  }[];
}

/** How a table is read: the file's name for messages, whose the ids without a provider are (null: anybody's), and who guesses misspelt words. */
export interface TableContext {
  readonly file: string;
  readonly facts: Facts;
  readonly provider: string | null;
  readonly nearest: (word: string, known: readonly string[]) => string | null;
  /** Leave rows of unknown regions out instead of refusing the table. */
  readonly skipUnknown?: boolean;
}

const COLUMNS = [
  { is: `from`, names: /^(?:from|src|source|sending_region)$/i },
  { is: 'to', names: /^(?:to|dst|destination|target|receiving_region)$/i },
  { is: 'rtt_ms', names: /^(?:rtt_ms|rtt_avg_ms|ms|latency_ms|milliseconds)$/i },
] as const;
const ERRORS_MOST = 20;
/** No `Number`: it takes 0x1f and 1e3 too, which nobody means here. */
const MILLISECONDS = /^(?:\d+(?:\.\d*)?|\.\d+)$/;
const DEGREES = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)$/;

/** Does the text look like a table of coordinates (`region,lat,lon`)? */
export const isCoordinateTable = (text: string): boolean => {
  const columns = lines(text, '').body[0]?.cells ?? [];
  return columns.includes('lat') && columns.includes('lon');
};

/**
 * A table of round trips: CSV with the columns `from,to,rtt_ms` in any order (`src`, `dst`, `latency_ms` and the names of Google's table are understood too), regions by id,
 * milliseconds; or a matrix, the regions in the first line and the first column. Lines that begin with `#` are comments; `# source: …` and `# asOf: 2026-11-20` say where it is from. Both directions of a
 * pair may be given.
 */
export function readRttTable(
  text: string,
  context: TableContext,
): { readonly ok: true; readonly value: RttTable } | { readonly ok: false; readonly error: readonly TableError[] } {
  const { header, body } = lines(text, context.file);
  const { even, uneven } = evenLines(body);
  const [columns, ...rest] = ofMatrix(even, context);
  if (columns === undefined) return { ok: false, error: [{ at: `${context.file}:1`, text: 'the table is empty' }] };
  const found = locate(columns, context);
  if ('at' in found) return { ok: false, error: [found] };
  const errors: TableError[] = [...uneven];
  const rows: RttRow[] = [];
  const seen = new Map<string, string>();
  const unknown = new Set<string>();
  const region = (word: string, at: string): PlaceId | null => {
    const id = knownRegion(word, context);
    // Guessing costs time, and nobody reads the thousandth guess.
    const isGuessed = errors.length < ERRORS_MOST;
    if (id === null && !unknown.has(word) && context.skipUnknown !== true)
      errors.push(isGuessed ? noRegion(word, at, context) : { at, text: `there is no region "${word}"` });
    if (id === null) unknown.add(word);
    return id;
  };
  let leftOut = 0;
  for (const { cells, at } of rest) {
    const from = region(cells[found.from] ?? '', at);
    const to = region(cells[found.to] ?? '', at);
    const written = cells[found.ms] ?? '';
    const ms = MILLISECONDS.test(written) ? Number(written) : Number.NaN;
    if (written === '') leftOut += 1;
    else if (!(ms < 10_000))
      errors.push({ at, text: `"${written}" is no round trip in milliseconds; write it as 13.5` });
    else if (from === null || to === null) continue;
    else if (from === to) leftOut += 1;
    else if (ms === 0) errors.push({ at, text: 'a round trip between two regions is not 0 ms' });
    else if (seen.has(`${from}|${to}`))
      errors.push({ at, text: `${from} to ${to} was given before, at ${seen.get(`${from}|${to}`)}` });
    else {
      seen.set(`${from}|${to}`, at);
      rows.push({ from, to, ms, at });
    }
  }
  if (errors.length === 0 && rows.length === 0)
    errors.push({ at: columns.at, text: 'the table has no pair of two different regions' });
  if (errors.length > 0) return { ok: false, error: capped(errors) };
  return { ok: true, value: { rows, header, leftOut, unknown: [...unknown] } };
}

/** A table of coordinates: CSV with the columns `region,lat,lon`, degrees. */
export function readCoordinateTable(
  text: string,
  context: TableContext,
):
  | { readonly ok: true; readonly value: CoordinateTable }
  | { readonly ok: false; readonly error: readonly TableError[] } {
  const { even, uneven } = evenLines(lines(text, context.file).body);
  const [columns, ...rest] = even;
  const index = (name: string): number => columns?.cells.indexOf(name) ?? -1;
  const [region, lat, lon] = [index('region'), index('lat'), index('lon')];
  if (columns === undefined || region < 0 || lat < 0 || lon < 0)
    return {
      ok: false,
      error: [{ at: columns?.at ?? `${context.file}:1`, text: 'the columns must be region, lat, lon' }],
    };
  const errors: TableError[] = [...uneven];
  const rows = rest.flatMap(({ cells, at }) => {
    const word = cells[region] ?? '';
    const id = knownRegion(word, context);
    if (id === null) errors.push(noRegion(word, at, context));
    const [y, x] = [cells[lat] ?? '', cells[lon] ?? ''].map((cell) =>
      DEGREES.test(cell) ? Number(cell) : Number.NaN,
    ) as [number, number];
    if (!(Math.abs(y) <= 90 && Math.abs(x) <= 180))
      errors.push({ at, text: `"${cells[lat]}, ${cells[lon]}" are no degrees of latitude and longitude` });
    return id === null ? [] : [{ region: id, lat: y, lon: x, at }];
  });
  return errors.length > 0 ? { ok: false, error: capped(errors) } : { ok: true, value: { rows } };
}

const capped = (errors: readonly TableError[]): readonly TableError[] =>
  errors.length <= ERRORS_MOST
    ? errors
    : [...errors.slice(0, ERRORS_MOST), { at: '', text: `and ${errors.length - ERRORS_MOST} more` }];

interface Line {
  readonly cells: readonly string[];
  readonly at: string;
}

function lines(
  text: string,
  file: string,
): { readonly header: ReadonlyMap<string, string>; readonly body: readonly Line[] } {
  const header = new Map<string, string>();
  const body: Line[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    const comment = /^#\s*(\w+):\s*(.*)$/.exec(line);
    if (comment !== null) header.set(comment[1] ?? '', (comment[2] ?? '').trim());
    if (line.trim() === '' || line.startsWith('#')) continue;
    const cells = cellsOf(line);
    body.push({ cells, at: `${file}:${index + 1}` });
  }
  return { header, body };
}

/**
 * The lines that have a cell for each column of the first, and what is wrong with the others. A cell too many is most often a decimal comma:
 * passed over, it would leave 13 of 13,5.
 */
function evenLines(body: readonly Line[]): { readonly even: readonly Line[]; readonly uneven: readonly TableError[] } {
  const columns = body[0]?.cells.length ?? 0;
  const isEven = ({ cells }: Line): boolean => cells.length === columns;
  return {
    even: body.filter(isEven),
    uneven: body
      .filter((line) => !isEven(line))
      .map(({ cells, at }) => ({
        at,
        text: `${cells.length} cells, and ${columns} columns; a number has a point, 13.5, and no separator of thousands`,
      })),
  };
}

/** The cells of a line; a cell in quotes may hold commas. */
function cellsOf(line: string): readonly string[] {
  const cells: string[] = [];
  for (const [whole, cell = '', comma] of line.matchAll(/("(?:[^"]|"")*"|[^,]*)\s*(,|$)/g)) {
    if (whole === '' && cells.length > 0 && !line.endsWith(',')) break;
    const isQuoted = cell.startsWith('"') && cell.endsWith('"') && cell.length > 1;
    cells.push((isQuoted ? cell.slice(1, -1).replaceAll('""', '"') : cell).trim());
    if (comma === '') break;
  }
  return cells;
}

function locate(
  columns: Line,
  context: TableContext,
): { readonly from: number; readonly to: number; readonly ms: number } | TableError {
  const [from = -1, to = -1, ms = -1] = COLUMNS.map(({ names }) => columns.cells.findIndex((cell) => names.test(cell)));
  const missing = COLUMNS.filter((_, i) => [from, to, ms][i] === -1).map(({ is }) => is);
  if (missing.length === 0) return { from, to, ms };
  const hints = missing.flatMap((name) => {
    const meant = context.nearest(name, columns.cells);
    return meant === null ? [] : [`; is "${meant}" meant to be ${name}?`];
  });
  return {
    at: columns.at,
    text: `the columns are ${columns.cells.join(', ')}; ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing${hints.join('')}`,
  };
}

/** The region that a word means, or null. */
function knownRegion(word: string, { facts, provider }: TableContext): PlaceId | null {
  const id = placeId(word.includes(':') || provider === null ? word : `${provider}:${word}`);
  if (facts.regions.has(id)) return id;
  if (provider !== null) return null;
  // A name without its provider is as good as an id: no two providers share one.
  const named = [...facts.regions.keys()].filter((known) => known.slice(known.indexOf(':') + 1) === word);
  return named.length === 1 ? (named[0] ?? null) : null;
}

function noRegion(word: string, at: string, context: TableContext): TableError {
  const meant = context.nearest(word, [...context.facts.regions.keys()]);
  const hint = meant === null ? '' : `; did you mean ${meant}?`;
  return { at, text: word === '' ? 'a region is missing' : `there is no region "${word}"${hint}` };
}

/** A matrix as rows of three columns; anything else as it is. */
function ofMatrix(body: readonly Line[], context: TableContext): readonly Line[] {
  const [columns, ...rest] = body;
  const names = columns?.cells.slice(1) ?? [];
  if (columns === undefined || names.filter((name) => knownRegion(name, context) !== null).length < 2) return body;
  const rows = rest.flatMap(({ cells: [row = '', ...values], at }) =>
    names.map((name, i) => ({ cells: [row, name, values[i] ?? ''], at })),
  );
  return [{ cells: COLUMNS.map(({ is }) => is), at: columns.at }, ...rows];
}
