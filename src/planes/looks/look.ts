import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

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
const HEAD_CHARS_MAX = 16_384;

/**
 * Looks once, on a connection of its own: a process that can't accept connections any more is not well, whatever it still
 * answers on old ones. Never rejects.
 *
 * By hand over a socket, because a plane may look at thousands of places a second: `node:http` costs several times as much.
 * The answer is judged when its head is whole.
 */
export function lookOnce(
  target: Target,
  what: Look,
  { timeoutMs, stopping, nowMs }: { readonly timeoutMs: number; readonly stopping: AbortSignal; nowMs(): number },
): Promise<Found> {
  return new Promise((resolve) => {
    const begunMs = nowMs();
    let connectMs: number | null = null;
    let certificateEndsAtWallMs: number | null = null;
    const socket = open(target, what);
    const end = (code: string): void => {
      clearTimeout(timer);
      stopping.removeEventListener('abort', onStop);
      socket.destroy();
      resolve({ code, connectMs, certificateEndsAtWallMs });
    };
    const onStop = (): void => end('timeout');
    const timer = setTimeout(onStop, timeoutMs);
    stopping.addEventListener('abort', onStop);
    socket.once('connect', () => {
      connectMs = nowMs() - begunMs;
      if (what.kind === 'tcp') end('ok');
      if (what.kind === 'http') socket.write(requestOf(what.path, target));
    });
    // Stays after the end: a socket that is destroyed may still report what went wrong with it.
    socket.on('error', (error) => end(codeOf(error, what)));
    socket.once('close', () => end(what.kind === 'tls' ? 'tls' : 'reset'));
    if (what.kind === 'http') readHead(socket, end);
    if (what.kind === 'tls') {
      const secure = socket as TLSSocket;
      secure.once('secureConnect', () => {
        certificateEndsAtWallMs = endOf(secure);
        end(secure.authorized ? 'ok' : certificateCode(secure.authorizationError));
      });
    }
  });
}

/** Takes a certificate that is not right too, so that it can be told what is wrong with it. Nothing is sent over it. */
function open({ host, port }: Target, what: Look): Socket {
  if (what.kind !== 'tls') return connect({ host, port, noDelay: true });
  const trust = what.ca === null ? {} : { ca: what.ca };
  return connectTls({ host, port, servername: what.name, rejectUnauthorized: false, ...trust });
}

const requestOf = (path: string, { host, port }: Target): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host.includes(':') ? `[${host}]` : host}:${port}\r\nConnection: close\r\n\r\n`;

function readHead(socket: Socket, end: (code: string) => void): void {
  let head = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    head += text;
    if (head.includes('\r\n\r\n')) end(verdictOf(head));
    else if (head.length > HEAD_CHARS_MAX) end('not-http');
  });
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
