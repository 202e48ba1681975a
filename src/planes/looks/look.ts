import { connect, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';

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

/** A head longer than this is no health page's. */
const HEAD_BYTES_MAX = 16_384;

export interface LookOptions {
  readonly target: Target;
  readonly what: Look;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  /** Called once, unless the look is given up before. */
  readonly onFound: (found: Found) => void;
}

/**
 * Looks once, on a connection of its own: a process that can't accept connections any more is not well, whatever it still
 * answers on old ones. Returns a function that gives up.
 *
 * By hand over a socket and by callbacks, because a plane may look at thousands of places a second: `node:http`, promises and
 * abort signals cost as much again as the connection itself. The answer is judged when its head is whole.
 */
export function lookOnce({ target, what, timeoutMs, nowMs, onFound }: LookOptions): () => void {
  const begunMs = nowMs();
  let connectMs: number | null = null;
  let certificateEndsAtWallMs: number | null = null;
  let over = false;
  const giveUp = (): void => {
    over = true;
    clearTimeout(timer);
    socket.destroy();
  };
  const end = (code: string): void => {
    if (over) return;
    giveUp();
    onFound({ code, connectMs, certificateEndsAtWallMs });
  };
  const socket = open(target, what, end);
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  socket.once('connect', () => {
    connectMs = nowMs() - begunMs;
    if (what.kind === 'tcp') end('ok');
    if (what.kind === 'http') socket.write(requestOf(what.path, target), 'latin1');
  });
  // Stays after the end: a socket that is destroyed may still report what went wrong with it.
  socket.on('error', (error) => end(codeOf(error, what)));
  socket.once('close', () => end(what.kind === 'tls' ? 'tls' : 'reset'));
  if (socket instanceof TLSSocket) {
    socket.once('secureConnect', () => {
      certificateEndsAtWallMs = endOf(socket);
      end(socket.authorized ? 'ok' : certificateCode(socket.authorizationError));
    });
  }
  return giveUp;
}

/** All sockets read into one buffer: what came is taken out before the next one reads. */
const READ = Buffer.alloc(HEAD_BYTES_MAX);

function open({ host, port }: Target, what: Look, end: (code: string) => void): Socket {
  if (what.kind === 'http') return connect({ host, port, onread: { buffer: READ, callback: headReader(end) } });
  if (what.kind === 'tcp') return connect({ host, port });
  // Takes a certificate that is not right too, so that it can be told what is wrong with it. Nothing is sent over it.
  const trust = what.ca === null ? {} : { ca: what.ca };
  return connectTls({ host, port, servername: what.name, rejectUnauthorized: false, ...trust });
}

const requestOf = (path: string, { host, port }: Target): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host.includes(':') ? `[${host}]` : host}:${port}\r\nConnection: close\r\n\r\n`;

/** Returns what is called with each piece of the answer. It says whether to read on. */
function headReader(end: (code: string) => void): (length: number, bytes: Uint8Array) => boolean {
  let head = '';
  return (length) => {
    head += READ.toString('latin1', 0, length);
    if (head.includes('\r\n\r\n')) end(verdictOf(head));
    else if (head.length > HEAD_BYTES_MAX) end('not-http');
    return true;
  };
}

function verdictOf(head: string): string {
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
  if (status === undefined) return 'not-http';
  return status.startsWith('2') ? 'ok' : `status-${status}`;
}

function codeOf(error: Error, what: Look): string {
  if ('syscall' in error && error.syscall === 'connect') return 'connect';
  return what.kind === 'tls' ? 'tls' : 'reset';
}

const EXPIRED = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];

/** Node's own word for what is wrong comes as a code, or as an error that carries one. */
function certificateCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  if (EXPIRED.includes(code)) return 'certificate-expired';
  return code.includes('ALTNAME') ? 'certificate-name' : 'certificate-untrusted';
}

function endOf(socket: TLSSocket): number | null {
  const { valid_to: until } = socket.getPeerCertificate();
  const ms = Date.parse(until ?? '');
  return Number.isNaN(ms) ? null : ms;
}
