import { canonical, parseAddress } from '../../base/address.ts';
import { type PlaceId, placeId } from '../../base/ids.ts';
import { clientKey } from '../../decide/routing/hash.ts';
import { parseToldRoundTrips } from '../../decide/routing/told-round-trips.ts';
import type { Client, Explanation } from '../../decide/routing/world.ts';
import type { Clients } from './clients.ts';
import type { Steering } from '../steering/steering.ts';

export const WHY_PATH = '/.farshore/why';

/** `GET /.farshore/why?client=203.0.113.9`, for processes on this machine: the decision for such a client now. */
export interface EdgeWhy {
  readonly schema: 'farshore.edge-why/v1';
  readonly place: PlaceId;
  readonly generation: number | null;
  readonly hosts: readonly string[];
  /** Names that the policies, networks and the database give to places. */
  readonly places: readonly string[];
  readonly client: Client;
  readonly decision: Explanation;
}

/** Query: `client` an address, `place` instead of what is known about it, `method` read or write, `pinned` a region, `canary`, `rtts` as its header says them. */
export function explain(url: string, place: PlaceId, steering: Steering, clients: Clients): EdgeWhy {
  const asked = new URL(url, 'http://edge').searchParams;
  const parsed = parseAddress(asked.get('client') ?? '');
  const address = parsed === null ? null : canonical(parsed);
  const named = asked.get('place');
  const country = named !== null && /^[A-Z]{2}$/.test(named) ? named : null;
  const rtts = parseToldRoundTrips(asked.get('rtts') ?? undefined);
  const client: Client = {
    method: asked.get('method') === 'write' ? 'write' : 'read',
    place: named === null ? clients.placeOf(address) : { place: named, country, source: 'asked' },
    key: address === null ? 0 : clientKey(address),
    pinned: asked.has('pinned') ? placeId(asked.get('pinned') ?? '') : null,
    canary: asked.has('canary'),
    ...(rtts === null ? {} : { rtts }),
  };
  return {
    schema: 'farshore.edge-why/v1',
    place,
    generation: steering.table?.generation ?? null,
    hosts: steering.routing?.hosts ?? [],
    places: [...new Set(steering.geo.places.flatMap(({ place: name }) => name ?? []))],
    client,
    decision: steering.explain(client),
  };
}
