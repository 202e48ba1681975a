/** Every bound of the edge, in one place. Times are milliseconds. */
export interface EdgeLimits {
  /** Between two health checks of one region. */
  readonly checkEveryMs: number;
  /** For a check to be answered, beyond two round trips (connect, then ask). */
  readonly checkTimeoutMs: number;
  /** For a connection to a region, beyond two round trips. */
  readonly connectTimeoutMs: number;
  /** One try of a read. A region that dies is noticed by its checks long before; this bounds one that is merely slow. */
  readonly readTryMs: number;
  /** A read that failed is tried again until it is this old. Long enough to sit out a failover. */
  readonly readRetryForMs: number;
  /** How long a write that was not sent waits for a region that may take it. */
  readonly writeHoldMs: number;
  /** How long a write that was sent may take. A commit may wait for standbys to be evicted. */
  readonly writeAnswerMs: number;
  /** Requests and answers up to this size are held whole, so that a crash in their middle costs the client nothing. */
  readonly holdBytes: number;
  readonly maxInFlightPerRegion: number;
  /** WebSockets that are open. More are refused. */
  readonly maxTunnels: number;
  /** Connections of clients. More are closed at once. */
  readonly maxConnections: number;
  /** From the first byte of a request to the last of its head, and of all of it: a client that dribbles is cut. */
  readonly headMs: number;
  readonly requestMs: number;
  /** A connection without any request. */
  readonly idleMs: number;
  readonly headBytes: number;
  /** Requests that wait for a region. More are refused at once. */
  readonly maxWaiting: number;
  /** From the order to stop until what is still in flight is cut. */
  readonly drainMs: number;
  /** The route table is watched, and also read again this often: a watch that hangs on a cut link never says so. */
  readonly rereadEveryMs: number;
  /** Between two looks at the files of certificates. */
  readonly lookAtFilesMs: number;
  /** After a failure of the store. */
  readonly retryStoreMs: number;
}

export const EDGE_LIMITS: EdgeLimits = {
  checkEveryMs: 500,
  checkTimeoutMs: 500,
  connectTimeoutMs: 750,
  readTryMs: 15_000,
  readRetryForMs: 10_000,
  writeHoldMs: 3_000,
  writeAnswerMs: 30_000,
  holdBytes: 64 * 1024,
  maxInFlightPerRegion: 2_048,
  maxTunnels: 10_000,
  maxConnections: 20_000,
  headMs: 10_000,
  requestMs: 300_000,
  idleMs: 65_000,
  headBytes: 16 * 1024,
  maxWaiting: 2_048,
  drainMs: 1_500,
  rereadEveryMs: 2_000,
  lookAtFilesMs: 2_000,
  retryStoreMs: 250,
};
