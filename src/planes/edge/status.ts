import type { IncomingMessage } from 'node:http';
import type { PlaceId } from '../../base/ids.ts';
import type { Reason } from '../../base/reason.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { AllUnhealthy } from '../../ports/routing.ts';
import type { Route } from '../../decide/routing/world.ts';
import type { TlsStatus } from './certificate-store.ts';
import type { Counters } from './counters.ts';
import type { ObserversStatus } from '../looks/observers.ts';
import { peerOf } from './peer.ts';

export const STATUS_PATH = '/.farshore/edge';

/** `GET /.farshore/edge`, for processes on this machine. */
export interface EdgeStatus {
  readonly schema: 'farshore.edge/v1';
  readonly place: PlaceId;
  readonly pid: number;
  readonly draining: boolean;
  readonly table:
    | (Pick<RouteTable, 'generation' | 'epoch' | 'primary' | 'reason'> & {
        readonly acceptedAgoMs: number;
        /** Since the store last said that this is the newest; grows while the store is gone. */
        readonly confirmedAgoMs: number | null;
      })
    | null;
  readonly store: { readonly state: 'reachable' | 'trouble'; readonly why: string | null };
  readonly refusedTables: { readonly count: number; readonly last: string | null };
  readonly routes: Readonly<Record<'read' | 'write', Pick<Route, 'candidates' | 'why'>>>;
  readonly regions: readonly {
    readonly id: PlaceId;
    /** What holds: by vote, or as seen here when this plane is alone. */
    readonly health: 'unknown' | 'healthy' | 'unhealthy';
    readonly why: Reason;
    readonly forMs: number;
    /** Why it can't write, by its own word (deep checks); null: nothing says so, or nothing is asked. */
    readonly readOnly: Reason | null;
    readonly rttMs: number;
    readonly inFlight: number;
    readonly tries: number;
  }[];
  readonly waiting: number;
  /** WebSockets that are open. */
  readonly tunnels: number;
  /** Null: no listener asks for TLS. */
  readonly tls: TlsStatus | null;
  readonly whenAllUnhealthy: AllUnhealthy;
  readonly observers: ObserversStatus;
  readonly counters: Readonly<Counters>;
}

/** Asked by a process on this machine itself: a request that came through another proxy names whom it came from. */
export function isLocal(request: IncomingMessage): boolean {
  const address = peerOf(request.socket);
  const loopback = address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
  return loopback && request.headers['x-forwarded-for'] === undefined && request.headers.forwarded === undefined;
}
