import { FarshoreError } from '../../base/errors.ts';
import { placeId, type PlaceId } from '../../base/ids.ts';
import type { Facts } from '../../facts/facts.ts';
import type { Point } from '../../facts/geo.ts';
import { nearestRegion } from '../../spec/nearest.ts';

/** A region of the facts, or a place on the globe. */
export type Where = { readonly region: PlaceId } | { readonly point: Point };

const COORDINATES = /^@?(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)$/;

/** Coordinates may begin with a minus, which would make them an option: they get a mark that `whereOf` understands. */
export const markCoordinates = (argv: readonly string[]): string[] =>
  argv.map((word) => (COORDINATES.test(word) && !word.startsWith('@') ? `@${word}` : word));

/** A word of the command line: a region's id, its name without the provider, or `lat,lon` in degrees. */
export function whereOf(facts: Facts, word: string): Where {
  const [, lat, lon] = COORDINATES.exec(word) ?? [];
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

/** The coordinates of either. */
export function pointOf(facts: Facts, where: Where): Point {
  if ('point' in where) return where.point;
  const fact = facts.regions.get(placeId(where.region));
  if (fact === undefined) throw new FarshoreError('FSH_USAGE', `there is no region "${where.region}"`);
  return { lat: fact.lat, lon: fact.lon };
}
