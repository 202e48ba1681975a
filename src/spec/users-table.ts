import { err, ok, type Result } from '../base/result.ts';
import type { Facts } from '../facts/facts.ts';
import { pointOfText } from '../facts/geo.ts';
import { metroNamed } from '../facts/metros.ts';
import { metroHelp, nearest } from './nearest.ts';
import { placeOfMetro, type UserShare } from './planning.ts';

interface TableError {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const MOST_ERRORS = 10;

/**
 * Users from a CSV with a header: `country` and `share` (any positive numbers: percent, requests), and `metro`, or `lat` and `lon`, where they are at one
 * place. Lines that start with # are passed over.
 */
export function readUsersTable(text: string, facts: Facts): Result<readonly UserShare[], readonly TableError[]> {
  const known = new Set(facts.clusters.map(({ country }) => country));
  const lines = text.split(/\r?\n/).map((line, i) => ({ line, number: i + 1 }));
  const [header, ...rows] = lines.filter(({ line }) => line.trim() !== '' && !line.startsWith('#'));
  if (header === undefined)
    return err([{ line: 1, column: 1, message: 'no header: expected the columns country,share' }]);
  const names = header.line.split(',').map((name) => name.trim().toLowerCase());
  const errors: TableError[] = [];
  for (const wanted of ['country', 'share']) {
    if (names.includes(wanted)) continue;
    const meant = nearest(wanted, names);
    const column = meant === null ? 1 : header.line.toLowerCase().indexOf(meant) + 1;
    errors.push({
      line: header.number,
      column,
      message: `no column "${wanted}"${meant === null ? `; the columns are ${names.join(', ')}` : `; rename "${meant}" to "${wanted}"`}`,
    });
  }
  if (names.includes('lat') !== names.includes('lon'))
    errors.push({ line: header.number, column: 1, message: 'a place needs both columns: lat and lon' });
  if (errors.length > 0) return err(errors);
  const users = new Map<string, UserShare>();
  for (const { line, number } of rows) {
    const cells = line.split(',').map((cell) => cell.trim());
    const country = cells[names.indexOf('country')] ?? '';
    const written = cells[names.indexOf('share')] ?? '';
    const share = Number(written.replace(/%$/, ''));
    const at = (cell: string): number => Math.max(1, line.indexOf(cell) + 1);
    const [lat = '', lon = ''] = ['lat', 'lon'].map((name) => cells[names.indexOf(name)] ?? '');
    const spot = lat === '' && lon === '' ? '' : `${lat},${lon}`;
    const point = spot === '' ? null : pointOfText(spot);
    const metro = cells[names.indexOf('metro')] ?? '';
    const city = metro === '' ? null : metroNamed(facts, country, metro);
    const meant = nearest(country, [...known]);
    if (!known.has(country))
      errors.push({
        line: number,
        column: at(country),
        message: `unknown country "${country}"${meant === null ? '' : `; did you mean "${meant}"?`}`,
      });
    else if (written === '' || !(share >= 0))
      errors.push({
        line: number,
        column: at(written),
        message: `"${written}" is no share: expected a number of 0 or more`,
      });
    else if (spot !== '' && point === null)
      errors.push({
        line: number,
        column: at(lat === '' ? lon : lat),
        message: `"${spot}" is no place on the globe: latitude -90 to 90, longitude -180 to 180`,
      });
    else if (metro !== '' && (city === null || spot !== ''))
      errors.push({
        line: number,
        column: at(metro),
        message:
          city === null
            ? `unknown metro "${metro}" in ${country}; ${metroHelp(facts, country, metro).join('; ')}`
            : 'a metro and a place by lat and lon: keep one of the two',
      });
    else {
      const key = `${country} ${city?.name ?? spot}`;
      users.set(key, {
        country,
        share: (users.get(key)?.share ?? 0) + share,
        ...(point === null ? {} : { at: point }),
        ...(city === null ? {} : placeOfMetro(city)),
      });
    }
  }
  const total = [...users.values()].reduce((sum, { share }) => sum + share, 0);
  if (errors.length === 0 && total <= 0)
    errors.push({ line: header.number, column: 1, message: 'the shares add up to nothing' });
  if (errors.length > 0) return err(errors.slice(0, MOST_ERRORS));
  return ok([...users.values()].filter(({ share }) => share > 0).map((one) => ({ ...one, share: one.share / total })));
}
