import type { RouteTable } from '../../ports/records.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';

/** What holds for a table without policies, and for a deployment file that has no `traffic`: the nearest region serves. */
export const defaultRouting = (regions: RouteTable['regions']): RoutingPolicy => ({
  hosts: [],
  policies: ['latency'],
  geolocation: { rules: [], otherwise: null, overrides: [] },
  latency: { withinMs: 0, hysteresisMs: 5 },
  failover: { order: regions.map((region) => region.id), holdDownMs: 0, failback: 'auto' },
  slowStartMs: 0,
  capacity: {},
  canary: null,
  affinity: 'none',
  fences: [],
  unmapped: 'free',
  whenAllUnhealthy: { kind: 'hold-last' },
  health: { everyMs: 500, timeoutMs: 500, fall: 2, rise: 4 },
});

export const routingOf = (table: RouteTable): RoutingPolicy => table.routing ?? defaultRouting(table.regions);
