import type { Facts } from '../facts/facts.ts';
import type { Point } from '../facts/geo.ts';
import type { PlanRequest } from '../spec/planning.ts';

/** One place with users; shares of all of them add up to 1. */
export interface People extends Point {
  readonly country: string;
  readonly place: string;
  readonly share: number;
}

/** Users where the file says they are; the others of each country spread over its places as its internet users are. */
export function peopleOf(request: PlanRequest, facts: Facts): readonly People[] {
  const total = new Map<string, number>();
  const places = new Map<string, number>();
  for (const { country, internetUsers } of facts.clusters) {
    total.set(country, (total.get(country) ?? 0) + internetUsers);
    places.set(country, (places.get(country) ?? 0) + 1);
  }
  // Where nobody has counted them, as in Puerto Rico, each place has as many.
  const partOf = (country: string, internetUsers: number): number => {
    const all = total.get(country) ?? 0;
    return all > 0 ? internetUsers / all : 1 / (places.get(country) ?? 1);
  };
  const spread = new Map(
    request.users.flatMap(({ country, share, at }) => (at === undefined ? [[country, share] as const] : [])),
  );
  const spots = request.users.flatMap(({ country, share, at, metro }) =>
    at === undefined || share <= 0 ? [] : [{ ...at, country, place: metro ?? `${at.lat},${at.lon}`, share }],
  );
  const clusters = facts.clusters.flatMap(({ country, place, lat, lon, internetUsers }) => {
    const share = (spread.get(country) ?? 0) * partOf(country, internetUsers);
    return share > 0 ? [{ country, place, lat, lon, share }] : [];
  });
  return [...clusters, ...spots];
}

/** Each country once, with the share of all its users. */
export function countriesOfUsers(request: PlanRequest): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  for (const { country, share } of request.users) shares.set(country, (shares.get(country) ?? 0) + share);
  return shares;
}
