import { err, ok, type Result } from '../base/result.ts';
import type { Facts } from '../facts/facts.ts';
import { pointOfText } from '../facts/geo.ts';
import { metroNamed } from '../facts/metros.ts';
import { metroHelp, nearest } from './nearest.ts';
import { placeOfMetro, type UserShare } from './planning.ts';
import { cellsOf, type Cell } from './csv.ts';

interface TableError {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const MOST_ERRORS = 10;
/** More than all requests of the world in a month; sums of such shares stay exact enough, and finite. */
const MOST_SHARE = 1e15;
const NUMBER = /^(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Users from a CSV with a header: `country` and `share` (any positive numbers: percent, requests), and `metro`, or `lat` and `lon`, where they are at one
 * place. Lines that start with # are passed over. A number that could be read in two ways is an error: a plan for other users than meant looks like a plan.
 */
export function readUsersTable(text: string, facts: Facts): Result<readonly UserShare[], readonly TableError[]> {
  const known = new Set(facts.clusters.map(({ country }) => country));
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line, i) => ({ line, number: i + 1 }));
  const [header, ...rows] = lines.filter(({ line }) => line.trim() !== '' && !line.startsWith('#'));
  if (header === undefined)
    return err([{ line: 1, column: 1, message: 'no header: expected the columns country,share' }]);
  const columns = columnsOf(header.line);
  if (!columns.ok) return err(columns.error.map((error) => ({ line: header.number, ...error })));
  const errors: TableError[] = [];
  const users = new Map<string, UserShare>();
  for (const { line, number } of rows) {
    const read = userOf(line, columns.value, facts, known);
    if (!read.ok) {
      errors.push({ line: number, ...read.error });
      continue;
    }
    const { key, user } = read.value;
    users.set(key, { ...user, share: (users.get(key)?.share ?? 0) + user.share });
  }
  const total = [...users.values()].reduce((sum, { share }) => sum + share, 0);
  if (errors.length === 0 && total <= 0)
    errors.push({ line: header.number, column: 1, message: 'the shares add up to nothing' });
  if (errors.length > 0) return err(errors.slice(0, MOST_ERRORS));
  return ok([...users.values()].map((one) => ({ ...one, share: one.share / total })).filter(({ share }) => share > 0));
}

type Wrong = Omit<TableError, 'line'>;

/** The names of the columns, in their order. */
function columnsOf(line: string): Result<readonly string[], readonly Wrong[]> {
  const cells = cellsOf(line);
  if (cells === null) return err([{ column: 1, message: UNCLOSED }]);
  const names = cells.map(({ text }) => text.toLowerCase());
  const errors: Wrong[] = [];
  for (const wanted of ['country', 'share']) {
    if (names.includes(wanted)) continue;
    const meant = nearest(wanted, names);
    errors.push({
      column: cells[names.indexOf(meant ?? '')]?.column ?? 1,
      message: `no column "${wanted}"${meant === null ? `; the columns are ${names.join(', ')}` : `; rename "${meant}" to "${wanted}"`}`,
    });
  }
  if (names.includes('lat') !== names.includes('lon'))
    errors.push({ column: 1, message: 'a place needs both columns: lat and lon' });
  for (const [i, { text, column }] of cells.entries())
    if (text !== '' && names.indexOf(text.toLowerCase()) < i)
      errors.push({ column, message: `the column "${text}" is there twice` });
  return errors.length > 0 ? err(errors) : ok(names);
}

const UNCLOSED = 'a quote that is not closed in its line, or text behind a closed one';

/** Users of one row, and by what they are added to those of another row. */
function userOf(
  line: string,
  columns: readonly string[],
  facts: Facts,
  known: ReadonlySet<string>,
): Result<{ readonly key: string; readonly user: UserShare }, Wrong> {
  const cells = cellsOf(line);
  if (cells === null) return err({ column: 1, message: UNCLOSED });
  if (cells.length !== columns.length)
    return err({
      column: cells[columns.length]?.column ?? 1,
      message: `${cells.length} cells, the header has ${columns.length}; a number is written without a separator of thousands and with a point (1000.5), a text with a comma in quotes`,
    });
  const cell = (name: string): Cell => cells[columns.indexOf(name)] ?? { text: '', column: 1 };
  const [country, written, lat, lon, metro] = ['country', 'share', 'lat', 'lon', 'metro'].map(cell) as [
    Cell,
    Cell,
    Cell,
    Cell,
    Cell,
  ];
  const wrong = ({ column }: Cell, message: string) => err({ column, message });
  if (!known.has(country.text)) {
    const meant = nearest(country.text, [...known]);
    return wrong(country, `unknown country "${country.text}"${meant === null ? '' : `; did you mean "${meant}"?`}`);
  }
  const digits = written.text.replace(/\s?%$/, '');
  if (!NUMBER.test(digits)) return wrong(written, `"${written.text}" is no share: expected a number of 0 or more`);
  const share = Number(digits);
  if (share > MOST_SHARE) return wrong(written, `"${written.text}" is too large a share: at most 1e15`);
  const spot = lat.text === '' && lon.text === '' ? '' : `${lat.text},${lon.text}`;
  const point = spot === '' ? null : pointOfText(spot);
  if (spot !== '' && point === null)
    return wrong(
      lat.text === '' ? lon : lat,
      `"${spot}" is no place on the globe: latitude -90 to 90, longitude -180 to 180`,
    );
  const city = metro.text === '' ? null : metroNamed(facts, country.text, metro.text);
  if (metro.text !== '' && city === null)
    return wrong(
      metro,
      `unknown metro "${metro.text}" in ${country.text}; ${metroHelp(facts, country.text, metro.text).join('; ')}`,
    );
  if (city !== null && spot !== '') return wrong(metro, 'a metro and a place by lat and lon: keep one of the two');
  const user = {
    country: country.text,
    share,
    ...(point === null ? {} : { at: point }),
    ...(city === null ? {} : placeOfMetro(city)),
  };
  return ok({ key: `${country.text} ${city?.name ?? spot}`, user });
}
