import type { PlaceId } from '../../base/ids.ts';
import type { RouteTable } from '../../ports/records.ts';
import { Router } from './router.ts';
import { type Client, type Health, type LatencyBook, type Route, UNMAPPED } from './world.ts';

/** The decision for a client of whom nothing is known, as a plane without measurements of its own asks it. */
export function route(
  table: RouteTable,
  request: { readonly method: Client['method']; readonly from: PlaceId },
  health: Health,
  rtt: ReadonlyMap<PlaceId, number>,
): Route {
  const router = new Router({
    table,
    from: request.from,
    health,
    readOnly: new Map(),
    latency: bookOf(rtt),
    load: new Map(),
    leaders: new Map(),
    acceptedAtMs: 0,
    nowMs: 0,
  });
  return router.route({ ...ANYBODY, method: request.method });
}

export const ANYBODY: Omit<Client, 'method'> = { place: UNMAPPED, key: 0, pinned: null, canary: false };

/** What a plane measured itself: the same for all its clients, whose way to the plane is behind them. */
export const bookOf = (rtt: ReadonlyMap<PlaceId, number>): LatencyBook => ({
  latencyOf: (_, region) => {
    const ms = rtt.get(region);
    return ms === undefined ? null : { ms, method: 'measured' };
  },
});
