import { connect, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { HEAD_BYTES_MAX, type Look, type LookOptions, requestOf, type Target, verdictOf } from './look.ts';

/**
 * A look over a socket of Node's, by hand and by callbacks, because a plane may look at thousands of places a second: `node:http`,
 * promises and abort signals cost as much again as the connection itself.
 */
export function lookByNode({ target, what, timeoutMs, nowMs, onFound }: LookOptions): () => void {
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

/** Returns what is called with each piece of the answer. It says whether to read on. */
function headReader(end: (code: string) => void): (length: number, bytes: Uint8Array) => boolean {
  let head = '';
  return (length) => {
    head += READ.toString('latin1', 0, length);
    const code = verdictOf(head);
    if (code !== null) end(code);
    return true;
  };
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
