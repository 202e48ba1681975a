import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { unitOf } from './hash.ts';
import type { ToldRoundTrips } from './told-round-trips.ts';
import type { ClientPlace, Latency, Region, RoutingWorld } from './world.ts';

/** Regions in order; those in one tier are equal to the policies so far. */
export type Tiers = readonly (readonly Region[])[];

/** What the policies make of one class of regions for clients of one place. */
export interface Preference {
  readonly tiers: Tiers;
  readonly why: readonly Reason[];
  /** The nearest region, to be remembered for hysteresis; null when latency was not asked. */
  readonly leader: PlaceId | null;
}

/** Step 4 as far as it is the same for every client of a place: geolocation, then latency among the equal ones. */
export function prefer(
  world: RoutingWorld,
  policy: RoutingPolicy,
  place: ClientPlace,
  regions: readonly Region[],
  told: ToldRoundTrips | null = null,
): Preference {
  const why: Reason[] = [];
  let tiers: Tiers = [regions];
  let leader: PlaceId | null = null;
  for (const name of policy.policies) {
    if (name === 'geolocation') {
      const located = byPlace(policy, place, regions);
      tiers = tiers.flatMap((tier) => split(tier, (region) => located.regions.includes(region.id)));
      why.push(located.why);
    }
    if (name === 'latency') {
      if (told !== null && tiers[0] !== undefined && !covers(told, tiers[0])) why.push(TOO_LITTLE);
      const ranked = tiers.map((tier) => byLatency(withTold(world, tier, told), policy, place, tier));
      tiers = ranked.flatMap((each) => each.tiers);
      const [first] = ranked;
      leader = first?.leader ?? null;
      if (first !== undefined) why.push(first.why);
    }
  }
  if (policy.policies.includes('weighted')) {
    const [tier = []] = tiers;
    if (tier.length > 0) why.push(weightsOf(tier));
    return { tiers, why, leader };
  }
  const asListed = policy.policies.includes('failover') || !policy.policies.includes('latency');
  const ordered = asListed ? tiers.map((tier) => inOrder(policy, tier)) : tiers;
  if (policy.policies.includes('failover') || policy.policies.length === 0) {
    const first = ordered[0]?.[0];
    if (first !== undefined) why.push(because('failover', `${first.id} is the first in the order of preference`));
  }
  return { tiers: ordered.flat().map((region) => [region]), why, leader };
}

/**
 * The rest of step 4: one client's own order. Each region draws a number from the client's key, and the smallest one for its
 * weight wins (an exponential race: Efraimidis and Spirakis 2006). A region wins exactly its share of the keys; without it
 * its clients spread over the others by their weights, and nobody else moves.
 */
export function orderFor(key: number, tiers: Tiers, hashes: ReadonlyMap<PlaceId, number>): readonly Region[] {
  const order: Region[] = [];
  for (const tier of tiers) {
    if (tier.length === 1) order.push(tier[0] as Region);
    else if (tier.length > 1) order.push(...race(key, tier, hashes));
  }
  return order;
}

function race(key: number, tier: readonly Region[], hashes: ReadonlyMap<PlaceId, number>): readonly Region[] {
  const arrival = (region: Region) => -Math.log(unitOf(key, hashes.get(region.id) ?? 0)) / region.weight;
  return tier
    .map((region) => ({ region, at: arrival(region) }))
    .sort((a, b) => a.at - b.at)
    .map(({ region }) => region);
}

function byPlace(
  { geolocation }: RoutingPolicy,
  { place }: ClientPlace,
  regions: readonly Region[],
): { readonly regions: readonly PlaceId[]; readonly why: Reason } {
  const rule = place === null ? undefined : geolocation.rules.find((each) => each.places.includes(place));
  if (rule !== undefined) {
    const here = rule.regions.filter((id) => regions.some((region) => region.id === id));
    const text = `clients in ${place} (rule ${rule.label}) belong to ${rule.regions.join(', ')}`;
    const lost = here.length === 0 ? ', none of which may serve now' : '';
    return { regions: rule.regions, why: because(here.length === 0 ? 'geo-fallback' : 'geo', text + lost) };
  }
  const who = place === null ? 'a client of no known place' : `clients in ${place}, which no rule names,`;
  if (geolocation.otherwise === null) {
    return { regions: [], why: because('geo-unmapped', `${who} may go to any region`) };
  }
  const text = `${who} go to ${geolocation.otherwise.join(', ')}`;
  return { regions: geolocation.otherwise, why: because('geo-otherwise', text) };
}

const TOO_LITTLE = because(
  'told-too-little',
  'the client told round trips of some of these regions only; they are not held against measurements from elsewhere',
);
const covers = (told: ToldRoundTrips, tier: readonly Region[]): boolean => tier.every(({ id }) => told.has(id));

/** A client's own round trips stand in for the plane's when it told all that are to be compared. */
function withTold(world: RoutingWorld, tier: readonly Region[], told: ToldRoundTrips | null): RoutingWorld {
  if (told === null || !covers(told, tier)) return world;
  return { ...world, latency: { latencyOf: (_, region) => ({ ms: told.get(region) ?? 0, method: 'client' }) } };
}

/** Those within `withinMs` of the best are equal; behind them the others, nearest first. */
function byLatency(
  world: RoutingWorld,
  policy: RoutingPolicy,
  place: ClientPlace,
  tier: readonly Region[],
): { readonly tiers: Tiers; readonly leader: PlaceId | null; readonly why: Reason } {
  const { withinMs, hysteresisMs } = policy.latency;
  const away = (region: Region): number => Number(region.id !== world.from);
  const measured = tier
    .map((region) => ({ region, latency: world.latency.latencyOf(place, region.id) }))
    // Without distance the own region still is the nearest: no other place's loss may reach its users.
    .sort(
      (a, b) =>
        msOf(a.latency) - msOf(b.latency) || away(a.region) - away(b.region) || (a.region.id < b.region.id ? -1 : 1),
    );
  const [best] = measured;
  if (best === undefined) return { tiers: [], leader: null, why: because('nearest', 'there is no region') };
  // A busy machine looks further away than it is: the own region, then the one that was the nearest so far, has the benefit.
  const before = world.leaders.get(leaderKey(place));
  const isClose = (id: PlaceId | null | undefined) =>
    measured.find(({ region, latency }) => region.id === id && msOf(latency) <= msOf(best.latency) + hysteresisMs);
  const lead = isClose(world.from) ?? isClose(before) ?? best;
  const others = measured.filter((each) => each !== lead);
  const isNear = (each: (typeof measured)[number]) =>
    withinMs > 0 && msOf(each.latency) <= msOf(best.latency) + withinMs;
  const near = [lead, ...others.filter(isNear)];
  const far = others.filter((each) => !isNear(each));
  const text = `${lead.region.id} is the nearest to ${world.from ?? place.place ?? 'the client'} of ${tier.length} that may serve${shown(lead.latency)}`;
  return {
    tiers: [near.map((each) => each.region), ...far.map((each) => [each.region])],
    leader: lead.region.id,
    why: because('nearest', lead === best ? text : `${text}; ${best.region.id} is not better by ${hysteresisMs} ms`),
  };
}

export const leaderKey = ({ place, country }: ClientPlace): string => `${place ?? ''}/${country ?? ''}`;

/** A finite number, so that two unknown distances still differ by nothing. */
const msOf = (latency: Latency | null): number => latency?.ms ?? Number.MAX_SAFE_INTEGER;

const METHODS = {
  client: 'measured by the client',
  measured: 'measured',
  facts: "by the provider's table",
  distance: 'estimated from the distance',
};
const shown = (latency: Latency | null): string =>
  latency === null ? '' : `: ${Math.round(latency.ms * 10) / 10} ms, ${METHODS[latency.method]}`;

function inOrder(policy: RoutingPolicy, tier: readonly Region[]): readonly Region[] {
  const rank = (region: Region): number => {
    const index = policy.failover.order.indexOf(region.id);
    return index === -1 ? policy.failover.order.length : index;
  };
  return tier.toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

function weightsOf(tier: readonly Region[]): Reason {
  const sum = tier.reduce((total, region) => total + region.weight, 0);
  const parts = tier.map((region) => `${region.id} ${Math.round((1_000 * region.weight) / sum) / 10} %`);
  return because('weighted', `shared by weight: ${parts.join(', ')}`);
}

function split<T>(list: readonly T[], isFirst: (item: T) => boolean): readonly (readonly T[])[] {
  const first = list.filter(isFirst);
  const others = list.filter((item) => !isFirst(item));
  return [first, others].filter((each) => each.length > 0);
}
