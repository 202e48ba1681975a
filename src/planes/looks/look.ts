/** What is asked of a place to learn whether it serves. */
export type Look =
  /** A GET of the path; any 2xx is well. */
  | { readonly kind: 'http'; readonly path: string }
  /** It accepts a connection. */
  | { readonly kind: 'tcp' }
  /** A handshake with a certificate for `name` that this machine trusts, or `ca` (PEM) alone when it is given. */
  | { readonly kind: 'tls'; readonly name: string; readonly ca: string | null };

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What one look found. */
export interface Found {
  /**
   * `ok`; `connect`: nobody accepts; `timeout`; `reset`: it hung up; `status-503`; `not-http`; `tls`: no handshake;
   * `certificate-expired`, `certificate-name`, `certificate-untrusted`.
   */
  readonly code: string;
  /** How long the connection took to open: one round trip. Null when it did not. */
  readonly connectMs: number | null;
  /** When the certificate ends, in milliseconds since 1970; null unless one was seen. */
  readonly certificateEndsAtWallMs: number | null;
}

export interface LookOptions {
  readonly target: Target;
  readonly what: Look;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  /** Called once, unless the look is given up before. */
  readonly onFound: (found: Found) => void;
}

/** Begins a look, and returns what gives it up. */
export type LookOnce = (options: LookOptions) => () => void;

/** A head longer than this is no health page's. */
export const HEAD_BYTES_MAX = 16_384;

export const requestOf = (path: string, { host, port }: Target): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host.includes(':') ? `[${host}]` : host}:${port}\r\nConnection: close\r\n\r\n`;

/** The code for what was answered so far; null: there must be more. An answer is judged when its head is whole. */
export function verdictOf(head: string): string | null {
  if (!head.includes('\r\n\r\n')) return head.length > HEAD_BYTES_MAX ? 'not-http' : null;
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
  if (status === undefined) return 'not-http';
  return status.startsWith('2') ? 'ok' : `status-${status}`;
}
