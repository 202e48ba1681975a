import { FarshoreError } from '../../base/errors.ts';
import { placeId, type PlaceId } from '../../base/ids.ts';
import { clustersOf } from '../../facts/countries.ts';
import type { Facts } from '../../facts/facts.ts';
import type { Point } from '../../facts/geo.ts';
import { nearestRegion } from '../../spec/nearest.ts';

/** A region of the facts, a place on the globe, or the people of a country. */
export type Where = { readonly region: PlaceId } | { readonly point: Point } | { readonly country: string };

const COORDINATES = /^@?(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)$/;

/** Coordinates may begin with a minus, which would make them an option: they get a mark that `whereOf` understands. */
export const markCoordinates = (argv: readonly string[]): string[] =>
  argv.map((word) => (COORDINATES.test(word) && !word.startsWith('@') ? `@${word}` : word));

/** A word of the command line: a region's id, its name without the provider, `lat,lon` in degrees, or a country's two letters. */
export function whereOf(facts: Facts, word: string): Where {
  const [, lat, lon] = COORDINATES.exec(word) ?? [];
  if (/^[A-Z]{2}$/.test(word)) {
    if (clustersOf(facts, word).length > 0) return { country: word };
    throw new FarshoreError('FSH_USAGE', `nothing is known about people in a country "${word}": two letters, as in DE`);
  }
  if (lat === undefined || lon === undefined) return { region: regionOf(facts, word) };
  const point = { lat: Number(lat), lon: Number(lon) };
  if (Math.abs(point.lat) > 90 || Math.abs(point.lon) > 180)
    throw new FarshoreError(
      'FSH_USAGE',
      `${lat},${lon} is not on the globe: latitude -90 to 90, longitude -180 to 180`,
    );
  return { point };
}

/** A region by its id or its name without the provider. Throws FSH_USAGE with the one that was probably meant. */
export function regionOf(facts: Facts, word: string): PlaceId {
  const ids = [...facts.regions.keys()];
  const found = ids.find((id) => id === word) ?? ids.find((id) => id.slice(id.indexOf(':') + 1) === word);
  if (found !== undefined) return found;
  const meant = nearestRegion(word, ids);
  const hint = meant === null ? '`farshore facts regions` lists them' : `did you mean ${meant}?`;
  throw new FarshoreError('FSH_USAGE', `there is no region "${word}"; ${hint}`);
}

/** The coordinates of any; of a country, those of its biggest cluster of people. */
export function pointOf(facts: Facts, where: Where): Point {
  if ('point' in where) return where.point;
  if ('country' in where) {
    const [first, ...rest] = clustersOf(facts, where.country);
    const biggest = rest.reduce((best, next) => (next.internetUsers > (best?.internetUsers ?? 0) ? next : best), first);
    return { lat: biggest?.lat ?? 0, lon: biggest?.lon ?? 0 };
  }
  const fact = facts.regions.get(placeId(where.region));
  if (fact === undefined) throw new FarshoreError('FSH_USAGE', `there is no region "${where.region}"`);
  return { lat: fact.lat, lon: fact.lon };
}
