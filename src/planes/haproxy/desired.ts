import type { PlaceId } from '../../base/ids.ts';
import { route } from '../../decide/routing/route.ts';
import type { RouteTable } from '../../ports/records.ts';

/** `ready`: takes new requests. `drain`: keeps the sessions it has. `maint`: takes nothing. HAProxy's words. */
export type ServerState = 'ready' | 'drain' | 'maint';

/** What HAProxy is to do. Health is its own business: it looks for itself, and goes on when we are gone. */
export interface Desired {
  /** Null: nobody may accept writes. */
  readonly primary: PlaceId | null;
  readonly reads: ReadonlyMap<PlaceId, ServerState>;
}

/** The same decision as every plane's, for a plane in `place` that knows nothing of health. Regions outside of `known` have no server. */
export function desiredOf(table: RouteTable, place: PlaceId, known: readonly PlaceId[]): Desired {
  const read = route(table, { method: 'read', from: place }, new Map(), new Map());
  const write = route(table, { method: 'write', from: place }, new Map(), new Map());
  const primary = write.candidates.find((region) => known.includes(region)) ?? null;
  const stateOf = (region: PlaceId): ServerState => {
    if (read.candidates.includes(region)) return 'ready';
    return table.regions.some((it) => it.id === region && it.state === 'drained') ? 'drain' : 'maint';
  };
  return { primary, reads: new Map(known.map((region) => [region, stateOf(region)])) };
}
