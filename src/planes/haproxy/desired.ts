import type { PlaceId } from '../../base/ids.ts';
import type { Reason } from '../../base/reason.ts';
import { routingOf } from '../../decide/routing/defaults.ts';
import { ANYBODY, bookOf } from '../../decide/routing/route.ts';
import { Router } from '../../decide/routing/router.ts';
import { UNMAPPED } from '../../decide/routing/world.ts';
import type { HaproxyAudience } from '../../ports/config.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { FENCED, LAST_RESORT, NOBODY, primaryKey, readsOf } from './names.ts';

/** `ready`: takes new requests. `drain`: keeps the sessions it has. `maint`: takes nothing. HAProxy's words. */
export type ServerState = 'ready' | 'drain' | 'maint';

/** What HAProxy is to do. Health is its own business: it looks for itself, and goes on when we are gone. */
export interface Desired {
  /** What the map says of each audience: the region that takes its writes, `none` or `fenced`. By key of the map. */
  readonly writes: ReadonlyMap<string, string>;
  /** By backend and server: `reads/aws:eu-west-1`. */
  readonly servers: ReadonlyMap<string, { readonly state: ServerState; readonly weight: number | null }>;
}

export interface Knowledge {
  readonly table: RouteTable;
  readonly place: PlaceId;
  readonly audiences: readonly HaproxyAudience[];
  /** Regions that say that they can't write. */
  readonly readOnly: ReadonlyMap<PlaceId, Reason>;
  /** The policy that HAProxy's configuration was made for; null: none was. */
  readonly madeFor: RoutingPolicy | null;
  /** And the weights. */
  readonly weights: readonly Weighed[];
}

/** The same decision as every plane's, for a plane that knows nothing of health and asks it for one client of each audience. */
export function desiredOf({ table, place, audiences, readOnly, madeFor, weights: made }: Knowledge): Desired {
  const stranger = !sameFences(table.routing, madeFor);
  const router = new Router({
    // Who belongs to which audience was worked out for other fences: then only what every fence allows is left (I11).
    table: stranger ? { ...table, routing: { ...routingOf(table), unmapped: 'fenced' } } : table,
    from: place,
    health: new Map(),
    readOnly,
    latency: bookOf(new Map()),
    load: new Map(),
    leaders: new Map(),
    acceptedAtMs: 0,
    // Ramps are for planes that draw among clients; here they are over as soon as they begin.
    nowMs: Number.MAX_SAFE_INTEGER,
  });
  const writes = new Map<string, string>();
  const servers = new Map<string, { state: ServerState; weight: number | null }>();
  for (const audience of audiences) {
    const client = { ...ANYBODY, place: stranger ? UNMAPPED : audience.place };
    const write = router.route({ ...client, method: 'write' });
    const target = write.candidates.find((region) => table.regions.some(({ id }) => id === region));
    writes.set(primaryKey(audience.name), target ?? (write.refusal === 'fenced' ? FENCED : NOBODY));
    const open = new Set(router.route({ ...client, method: 'read' }).candidates);
    for (const [backend, regions] of [
      [readsOf(audience.name), audience.tiers.flat()],
      [`${readsOf(audience.name)}${LAST_RESORT}`, audience.lastResort],
    ] as const)
      for (const region of regions)
        servers.set(`${backend}/${region}`, {
          state: open.has(region) ? 'ready' : closed(table, madeFor, region),
          weight: audience.tiers.some((tier) => tier.length > 1) ? weightOf(table.regions, region, made) : null,
        });
  }
  return { writes, servers };
}

/** A cookie would lead its clients to a region that only drains: HAProxy's configuration has one or not, whatever the table says now. */
function closed(table: RouteTable, madeFor: RoutingPolicy | null, region: PlaceId): ServerState {
  const isDrained = table.regions.some(({ id, state }) => id === region && state === 'drained');
  const pins = [table.routing, madeFor].some((policy) => policy?.affinity === 'cookie');
  return isDrained && !pins ? 'drain' : 'maint';
}

const WEIGHT_MAX = 256;
interface Weighed {
  readonly id: PlaceId;
  readonly weight: number;
}

/**
 * In HAProxy's measure, whole numbers up to 256. The measure is that of the configuration as long as no weight has outgrown it: a
 * region that is taken out changes nothing for the others' clients.
 */
export function weightOf(now: readonly Weighed[], region: PlaceId, made: readonly Weighed[] = now): number {
  const largest = Math.max(0, ...[...now, ...made].map(({ weight }) => weight));
  const own = now.find(({ id }) => id === region)?.weight ?? 0;
  if (own <= 0 || largest <= 0) return 0;
  return Math.max(1, Math.round((WEIGHT_MAX * own) / largest));
}

const sameFences = (a: RoutingPolicy | undefined, b: RoutingPolicy | null): boolean =>
  fencesOf(a ?? null) === fencesOf(b);

/** Without fences it doesn't matter who is where. */
function fencesOf(policy: RoutingPolicy | null): string {
  if (policy === null || policy.fences.length === 0) return '';
  return JSON.stringify([policy.fences, policy.unmapped, policy.geolocation.overrides]);
}

/** Does HAProxy's configuration say something else than the table? Hosts are no part of it, and of the checks only what is asked. */
export const madeForOther = (table: RouteTable, madeFor: RoutingPolicy | null): boolean =>
  shapeOf(table.routing ?? null) !== shapeOf(madeFor);

function shapeOf(policy: RoutingPolicy | null): string {
  if (policy === null) return '';
  const { policies, geolocation, latency, failover, slowStartMs, canary, affinity, fences, unmapped } = policy;
  const { order } = failover;
  const { whenAllUnhealthy } = policy;
  const check = policy.health.check ?? 'http';
  return JSON.stringify([
    [policies, geolocation, latency, order, slowStartMs],
    [canary, affinity, fences, unmapped, whenAllUnhealthy, check],
  ]);
}
