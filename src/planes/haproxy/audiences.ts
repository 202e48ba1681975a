import { createHash } from 'node:crypto';
import type { PlaceId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import { defaultRouting } from '../../decide/routing/defaults.ts';
import { eligibleForReads, eligibleForWrites } from '../../decide/routing/eligible.ts';
import { prefer } from '../../decide/routing/prefer.ts';
import { ANYBODY, bookOf } from '../../decide/routing/route.ts';
import { Router } from '../../decide/routing/router.ts';
import { type ClientPlace, type RoutingWorld, UNMAPPED } from '../../decide/routing/world.ts';
import type { HaproxyAudience } from '../../ports/config.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { CANARY, EVERYBODY } from './names.ts';

/** The audiences of a policy: clients that it treats alike, whatever becomes of the regions. */
export interface Audiences {
  readonly list: readonly HaproxyAudience[];
  /** The audience of a client of this place who doesn't ask for the canary. */
  readonly nameOf: (place: ClientPlace) => string;
}

export interface AudienceOptions {
  /** Null: what holds without a section `traffic`. */
  readonly routing: RoutingPolicy | null;
  readonly place: PlaceId;
  readonly upstreams: readonly { readonly region: PlaceId; readonly rttMs: number }[];
  /** Places that a database or the operator's networks name. */
  readonly places: readonly ClientPlace[];
}

/** Two letters that no country has: for countries that nobody names. */
export const ELSEWHERE: ClientPlace = { place: 'ZZ', country: 'ZZ', source: 'asked' };

/**
 * HAProxy can't be asked for a decision, so the decision is asked for every place beforehand, with every region well and serving:
 * in which order, and where a write may go at all. Places with the same answers are one audience. What regions are kept from
 * it later (drains, roles, residency) is decided by the same code, for the audience's first place.
 */
export function audiencesOf(options: AudienceOptions): Audiences {
  const { upstreams } = options;
  const open = openTable(options);
  const policy = open.routing ?? defaultRouting(open.regions);
  const world: RoutingWorld = {
    table: open,
    from: options.place,
    health: new Map(),
    readOnly: new Map(),
    latency: bookOf(new Map(upstreams.map(({ region, rttMs }) => [region, rttMs]))),
    load: new Map(),
    leaders: new Map(),
    acceptedAtMs: 0,
    nowMs: 0,
  };
  const named = new Set<string>();
  const list: HaproxyAudience[] = [];
  const nameOf = (place: ClientPlace): string => {
    const audience = ask(world, policy, place);
    const name = nameFor(audience);
    if (named.has(name)) return name;
    named.add(name);
    list.push({ name, place, ...audience });
    if (policy.canary !== null) list.push(canaryOf(policy.canary.regions, { name, place, ...audience }));
    return name;
  };
  for (const place of [UNMAPPED, ELSEWHERE, ...countriesOf(policy), ...options.places]) nameOf(place);
  const [only] = list;
  if (list.length > 1 || only === undefined) return { list, nameOf };
  return { list: [{ ...only, name: EVERYBODY }], nameOf: () => EVERYBODY };
}

/**
 * By what is decided for it: a map that was kept from other policies has no line for an audience that is new, and one that says the
 * same name means the same regions (I11).
 */
const nameFor = (audience: ReturnType<typeof ask>): string =>
  `a${createHash('sha256').update(JSON.stringify(audience)).digest('hex').slice(0, 12)}`;

/** Countries and places that rules and fences speak about. */
export function countriesOf({ geolocation, fences }: RoutingPolicy): readonly ClientPlace[] {
  const names = [...geolocation.rules.flatMap(({ places }) => places), ...fences.flatMap(({ countries }) => countries)];
  return [...new Set(names)]
    .filter((name) => /^[A-Z]{2}$/.test(name))
    .map((name) => ({ place: name, country: name, source: 'asked' }));
}

function openTable({ routing, upstreams }: AudienceOptions): RouteTable {
  return {
    generation: 1,
    epoch: 1,
    primary: null,
    regions: upstreams.map(({ region }) => ({ id: region, role: 'active', weight: 1, state: 'serving' })),
    ...(routing === null ? {} : { routing }),
    reason: because('open', 'every region serves'),
  };
}

/** What the policies make of a client of this place. */
function ask(world: RoutingWorld, policy: RoutingPolicy, place: ClientPlace) {
  const { table } = world;
  const { regions } = eligibleForReads(world, policy, place);
  const { tiers } = prefer(world, policy, place, regions);
  const mayWrite = table.regions.filter(({ id }) => {
    const primary = { node: `${id}/n1`, region: id } as NonNullable<RouteTable['primary']>;
    return eligibleForWrites({ ...table, primary }, policy, place).region !== null;
  });
  const ordered = tiers.map((tier) => tier.map(({ id }) => id));
  return {
    tiers: ordered,
    lastResort: lastResortOf(world, policy, place, ordered),
    writes: mayWrite.map(({ id }) => id),
  };
}

/** Who is asked when all look dead: nobody, or those that the file lists, or all in their order. */
function lastResortOf(
  world: RoutingWorld,
  { whenAllUnhealthy: { kind } }: RoutingPolicy,
  place: ClientPlace,
  tiers: readonly (readonly PlaceId[])[],
): readonly PlaceId[] {
  if (kind !== 'closed' && kind !== 'static') return tiers.flat();
  const dead = { state: 'unhealthy', sinceMs: 0, recovered: false, why: because('dead', 'dead') } as const;
  const health = new Map(world.table.regions.map(({ id }) => [id, dead]));
  return new Router({ ...world, health }).route({ ...ANYBODY, method: 'read', place }).candidates;
}

/** A canary's requests go to its regions first, as far as residency allows them. */
function canaryOf(canary: readonly PlaceId[], of: HaproxyAudience): HaproxyAudience {
  const all = of.tiers.flat();
  const first = all.filter((region) => canary.includes(region));
  const others = of.tiers.map((tier) => tier.filter((region) => !first.includes(region)));
  const tiers = [...first.map((region) => [region]), ...others].filter((tier) => tier.length > 0);
  return { ...of, name: `${of.name}${CANARY}`, tiers };
}
