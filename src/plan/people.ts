import type { Facts } from '../facts/facts.ts';
import type { Point } from '../facts/geo.ts';
import type { PlanRequest } from '../spec/planning.ts';

/** One place with users; shares of all of them add up to 1. */
export interface People extends Point {
  readonly country: string;
  readonly place: string;
  readonly share: number;
}

/** The users of each country, spread over its places as its internet users are. */
export function peopleOf(request: PlanRequest, facts: Facts): readonly People[] {
  const total = new Map<string, number>();
  for (const { country, internetUsers } of facts.clusters)
    total.set(country, (total.get(country) ?? 0) + internetUsers);
  const shares = new Map(request.users.map(({ country, share }) => [country, share]));
  return facts.clusters.flatMap(({ country, place, lat, lon, internetUsers }) => {
    const share = ((shares.get(country) ?? 0) * internetUsers) / (total.get(country) ?? 1);
    return share > 0 ? [{ country, place, lat, lon, share }] : [];
  });
}
