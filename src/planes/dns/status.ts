import { createServer, type Server } from 'node:http';
import type { PlaceId } from '../../base/ids.ts';
import type { Reason } from '../../base/reason.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { ObserversStatus } from '../looks/observers.ts';
import type { DoorCounters } from './doors.ts';

export const DNS_STATUS_PATH = '/.farshore/dns';

/** `GET /.farshore/dns`, for processes on this machine. */
export interface DnsStatus {
  readonly schema: 'farshore.dns/v1';
  readonly place: PlaceId;
  readonly pid: number;
  readonly zones: readonly { readonly name: string; readonly hosts: readonly string[]; readonly ttlSec: number }[];
  readonly table:
    | (Pick<RouteTable, 'generation' | 'epoch' | 'primary' | 'reason'> & {
        readonly acceptedAgoMs: number;
        /** Since the store last said that this is the newest; grows while the store is gone. */
        readonly confirmedAgoMs: number | null;
      })
    | null;
  readonly store: { readonly state: 'reachable' | 'trouble'; readonly why: string | null };
  /** Where a client is led of whom nothing is known, and why. */
  readonly route: { readonly candidates: readonly PlaceId[]; readonly why: readonly Reason[] };
  readonly regions: readonly {
    readonly id: PlaceId;
    readonly addresses: readonly string[];
    /** What holds: by vote, or as seen here when this plane is alone. */
    readonly health: 'unknown' | 'healthy' | 'unhealthy';
    readonly why: Reason;
    readonly forMs: number;
    /** Most edges heard from it that it can't write. Its address is answered all the same: its edge leads writes elsewhere. */
    readonly readOnly: Reason | null;
    /** Of the certificate that the last check saw; null unless checks are TLS handshakes. Negative: it has ended. */
    readonly certificateDaysLeft: number | null;
  }[];
  readonly observers: ObserversStatus;
  readonly counters: DoorCounters & {
    /** Packets that got no answer because they were no queries. */
    readonly dropped: number;
    readonly truncated: number;
    /** Answers that the rate limit cut or held back. */
    readonly limited: number;
    readonly rcodes: Readonly<Record<string, number>>;
  };
}

/** Serves the status over HTTP. Listens on loopback only (I15): whoever configures another address gets none. */
export async function serveStatus(
  { host, port }: { readonly host: string; readonly port: number },
  status: () => DnsStatus,
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const found = request.url === DNS_STATUS_PATH;
    response.statusCode = found ? 200 : 404;
    response.setHeader('content-type', 'application/json');
    response.end(found ? `${JSON.stringify(status())}\n` : '{}\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
