import { type PlaceId, slug } from '../base/ids.ts';
import { assert } from '../base/result.ts';

/** How the coordination store of a world is made: one embedded server, or etcd with a member in each place. */
export type StoreLayout =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'etcd'; readonly binary: string; readonly heartbeatMs: number; readonly electionMs: number };

/** etcd's own defaults: below them a busy machine of two processors elects for nothing. */
const HEARTBEAT_MS_MIN = 100;
/** etcd's tuning guide: a heartbeat about as long as the longest round trip, ten round trips without one before an election. */
const HEARTBEATS_UNTIL_ELECTION = 10;

/** `rttMs`: round trips as the links have them. A member hears the leader at least once a round trip, so that sets both timers. */
export function layStore(
  members: readonly PlaceId[],
  binary: string | null,
  rttMs: (a: PlaceId, b: PlaceId) => number,
): StoreLayout {
  if (members.length === 1) return { kind: 'embedded' };
  assert(binary !== null, 'a store with several members has etcd');
  const longest = Math.max(...members.flatMap((a) => members.filter((b) => b !== a).map((b) => rttMs(a, b))));
  const heartbeatMs = Math.max(HEARTBEAT_MS_MIN, Math.ceil(longest));
  return { kind: 'etcd', binary, heartbeatMs, electionMs: heartbeatMs * HEARTBEATS_UNTIL_ELECTION };
}

/** Where a place's part of the store is. Each kind has its own folder: neither ever starts on data of the other. */
export const storeDirOf = (
  layout: { readonly stateDir: string; readonly store: StoreLayout },
  place: PlaceId,
): string => `${layout.stateDir}/${layout.store.kind === 'etcd' ? 'etcd' : 'store'}/${slug(place)}`;
