/** Since the start of the process. */
export interface Counters {
  reads: number;
  writes: number;
  answered: number;
  retries: number;
  /** Requests that an application asked to be sent to the primary. */
  replays: number;
  failedReads: number;
  refusedWrites: number;
  unknownWrites: number;
  /** Answers that broke off after their beginning had reached the client. */
  broken: number;
  clientGone: number;
  /** Retries that were not made because the budget was spent. */
  budgetSpent: number;
  /** Connections beyond the bound. */
  refusedConnections: number;
  /** Handshakes of TLS that failed: a client that refuses the certificate, or speaks no TLS that we do. */
  failedHandshakes: number;
  /** Connections of trusted proxies that did not begin with a whole PROXY header in time. */
  badProxyHeaders: number;
}

export const newCounters = (): Counters => ({
  reads: 0,
  writes: 0,
  answered: 0,
  retries: 0,
  replays: 0,
  failedReads: 0,
  refusedWrites: 0,
  unknownWrites: 0,
  broken: 0,
  clientGone: 0,
  budgetSpent: 0,
  refusedConnections: 0,
  failedHandshakes: 0,
  badProxyHeaders: 0,
});
