/** What a request costs beside the network, as the user says it: how its connection is made, the server's own time, and how often it asks the primary. */
export interface FirstByte {
  readonly connection: Connection;
  readonly serverMs: number;
  /** Round trips of one request between the application and the primary's database; 0: it reads the copy beside it. */
  readonly primaryTrips: number;
}

export type Connection = 'tls' | 'tcp' | 'kept';

/**
 * Round trips between user and region until the first byte of the answer is there: one for the request itself, one before it for TCP (RFC 9293), one more for
 * TLS 1.3 (RFC 8446). Connections end at the edge, which stands in the region. Names are looked up near the user and are not counted.
 */
export const CONNECTION_TRIPS: Readonly<Record<Connection, number>> = { kept: 1, tcp: 2, tls: 3 };

/**
 * Time to first byte: trips x round trip to the serving region, the last mile in each, + the server's time + what the database is away. `toPrimaryMs`: from the
 * serving region to the primary and back; 0 in the primary's own region, where it is part of the server's time.
 */
export const firstByteMs = (
  { connection, serverMs, primaryTrips }: FirstByte,
  rttMs: number,
  toPrimaryMs: number,
): number => CONNECTION_TRIPS[connection] * rttMs + serverMs + primaryTrips * toPrimaryMs;
