/** Every bound of the DNS server, in one place. Times are milliseconds. */
export interface DnsLimits {
  /** Answers that the kernel did not take yet; beyond it further ones are dropped, as the network would. */
  readonly udpQueueMax: number;
  readonly receiveBufferBytes: number;
  readonly tcpConnectionsMax: number;
  readonly tcpPerClientMax: number;
  /** Since the last whole query; then the connection is closed (RFC 7766 §6.2.3: a few seconds). */
  readonly tcpIdleMs: number;
  /** No query is longer: a name, and options. A longer one would only be memory and copies. */
  readonly tcpQueryBytesMax: number;
  /** What a client that sends and never reads may leave unread before nothing more is read from it. */
  readonly tcpUnreadBytesMax: number;
  readonly checkEveryMs: number;
  /** For a check to be answered, beyond two round trips. */
  readonly checkTimeoutMs: number;
  readonly rereadEveryMs: number;
  readonly retryStoreMs: number;
}

export const DNS_LIMITS: DnsLimits = {
  udpQueueMax: 1_024,
  receiveBufferBytes: 4 * 1024 * 1024,
  tcpConnectionsMax: 512,
  tcpPerClientMax: 64,
  tcpIdleMs: 10_000,
  tcpQueryBytesMax: 4_096,
  tcpUnreadBytesMax: 256 * 1024,
  checkEveryMs: 500,
  checkTimeoutMs: 500,
  rereadEveryMs: 2_000,
  retryStoreMs: 250,
};
