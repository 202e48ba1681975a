import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../../base/errors.ts';
import { forwardCancel } from './cancel.ts';
import { type GatewayContext, HANDSHAKE_MS } from './context.ts';
import { askPeer } from './peer-door.ts';
import { dialLocal, localTarget, openSession } from './session.ts';
import { ConnectionLost, readHead, sayGoodbye, type Waiting, watchWhileWaiting } from './sockets.ts';
import { type Refusal, refusalOf } from './startup.ts';
import type { Route } from './table.ts';
import { type FirstPacket, fatal, MAX_STARTUP_BYTES, parseFirstPacket, ProtocolError, withParameter } from './wire.ts';

/** `rw` and `ro`: from a client's first byte to its relay. */

/** Between two tries to reach a database that should be there. */
const RETRY_MS = 50;

/** Serves one client. Never rejects. */
export async function serveClient(gateway: GatewayContext, accepted: Socket, want: 'rw' | 'ro'): Promise<void> {
  let socket = accepted;
  try {
    const opened = await readStartup(gateway, accepted);
    socket = opened.socket;
    const { first } = opened;
    if (first.kind === 'cancel') {
      await forwardCancel(gateway, first.key, first.packet);
      socket.destroy();
      return;
    }
    const refusal = refusalOf(first.parameters);
    if (refusal !== null) return refuse(gateway, socket, refusal);
    const startup = want === 'ro' ? withParameter(first.packet, 'default_transaction_read_only', 'on') : first.packet;
    await connectAndRelay(gateway, socket, want, startup);
  } catch (error) {
    gateway.counters.refused += 1;
    if (error instanceof ProtocolError) sayGoodbye(socket, fatal('08P01', `farshore: ${messageOf(error)}`));
    else socket.destroy();
  }
}

interface Opened {
  readonly socket: Socket;
  readonly first: Exclude<FirstPacket, { readonly kind: 'ssl' | 'gss' | 'direct-tls' }>;
}

/** Answers the questions about encryption until the client says who it is. */
async function readStartup(gateway: GatewayContext, accepted: Socket): Promise<Opened> {
  let socket = accepted;
  // SSLRequest and GSSENCRequest may each come once before the StartupMessage.
  for (let questions = 0; questions < 3; questions += 1) {
    const first = await readHead(socket, { bytes: MAX_STARTUP_BYTES, timeoutMs: HANDSHAKE_MS }, parseFirstPacket);
    if (first.kind === 'startup' || first.kind === 'cancel') return { socket, first };
    const encrypted = socket instanceof TLSSocket;
    if (first.kind === 'gss' || encrypted || gateway.secureContext === null) {
      if (first.kind === 'direct-tls') throw new ConnectionLost('TLS is not offered here');
      socket.write('N');
      continue;
    }
    if (first.kind === 'ssl') {
      // Bytes sent before the handshake were not encrypted by anyone who could prove it (CVE-2021-23214).
      if (socket.readableLength > 0) throw new ProtocolError('received unencrypted data after SSL request');
      socket.write('S');
    }
    socket = await startTls(gateway, socket, first.kind === 'direct-tls');
  }
  throw new ProtocolError('expected a startup message');
}

function startTls(gateway: GatewayContext, socket: Socket, direct: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const context = gateway.secureContext;
    if (context === null) throw new ConnectionLost('TLS is not offered here');
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: context,
      ALPNProtocols: ['postgresql'],
    });
    const fail = (why: string): void => {
      clearTimeout(timer);
      secured.destroy();
      reject(new ConnectionLost(why));
    };
    const timer = setTimeout(() => fail('the TLS handshake took too long'), HANDSHAKE_MS);
    secured.on('error', () => fail('the TLS handshake failed'));
    secured.once('close', () => fail('the connection ended'));
    secured.once('secure', () => {
      if (direct && secured.alpnProtocol !== 'postgresql') return fail('direct TLS without ALPN "postgresql"');
      clearTimeout(timer);
      resolve(secured);
    });
  });
}

/** A client that has said what it wants and was not answered yet. */
interface WaitingClient extends Waiting {
  readonly socket: Socket;
}

/** Looks for the database until it is there or the time is up (P7.2), then hands over to a relay. */
async function connectAndRelay(
  gateway: GatewayContext,
  socket: Socket,
  want: 'rw' | 'ro',
  startup: Buffer,
): Promise<void> {
  const giveUpAtMs = performance.now() + gateway.config.waitForPrimaryMs;
  const client = { socket, ...watchWhileWaiting(socket) };
  let why = 'no database could be reached';
  gateway.waiting += 1;
  try {
    for (let attempt = 0; !socket.destroyed; attempt += 1) {
      const leftMs = giveUpAtMs - performance.now();
      const route = gateway.authority.route(want, attempt);
      if (route.kind === 'wait') why = route.why;
      else if (leftMs > 0 || attempt === 0) {
        const problem = await tryRoute(gateway, client, want, startup, route, Math.max(leftMs, RETRY_MS));
        if (problem === null) return;
        why = problem;
      }
      if (giveUpAtMs <= performance.now()) break;
      const waitMs = route.kind === 'wait' ? (route.forMs ?? Number.POSITIVE_INFINITY) : RETRY_MS;
      await nextChance(gateway, Math.min(waitMs, giveUpAtMs - performance.now()), client.gone);
    }
  } finally {
    gateway.waiting -= 1;
  }
  client.stop();
  refuse(gateway, socket, {
    sqlState: '57P03',
    message: `farshore: cannot connect now: ${why}`,
    hint: 'try again; `farshore why` shows what the region is waiting for',
  });
}

/** Null when the relay runs, else why this way is closed. */
async function tryRoute(
  gateway: GatewayContext,
  client: WaitingClient,
  want: 'rw' | 'ro',
  startup: Buffer,
  route: Exclude<Route, { readonly kind: 'wait' }>,
  timeoutMs: number,
): Promise<string | null> {
  try {
    if (route.kind === 'local') {
      const { socket, begun } = await dialLocal(gateway, want, startup, timeoutMs, client.gone);
      const binding = { want, epoch: route.epoch, target: 'local' } as const;
      return enter(gateway, client, socket, binding, localTarget(gateway), begun);
    }
    const cancelTarget = { host: route.host, port: route.port };
    const peer = await askPeer(gateway, cancelTarget, want, startup, timeoutMs, client.gone);
    const epoch = Math.max(route.epoch, peer.epoch);
    return enter(gateway, client, peer.socket, { want, epoch, target: route.node }, cancelTarget, () => undefined);
  } catch (error) {
    const where = route.kind === 'local' ? 'the local database' : route.node;
    return `${where}: ${messageOf(error)}`;
  }
}

/** The table may have moved while we were dialling: look again, in the same breath as the session begins. */
function enter(
  gateway: GatewayContext,
  waiting: WaitingClient,
  upstream: Socket,
  binding: Parameters<typeof openSession>[2],
  cancelTarget: Parameters<typeof openSession>[3]['cancelTarget'],
  begun: () => void,
): string | null {
  const client = waiting.socket;
  const gone = client.destroyed || upstream.destroyed ? 'the connection ended at once' : null;
  const why = gone ?? gateway.authority.whyOver(binding);
  if (why === null) {
    waiting.stop();
    openSession(gateway, binding.want, binding, { client, upstream, cancelTarget }, begun);
  } else {
    begun();
    upstream.destroy();
  }
  return why;
}

function nextChance(gateway: GatewayContext, timeoutMs: number, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const proceed = (): void => {
      clearTimeout(timer);
      callOff();
      gone.removeEventListener('abort', proceed);
      resolve();
    };
    const timer = setTimeout(proceed, timeoutMs);
    const callOff = gateway.authority.onChange(proceed);
    gone.addEventListener('abort', proceed, { once: true });
  });
}

function refuse(gateway: GatewayContext, socket: Socket, refusal: Refusal): void {
  gateway.counters.refused += 1;
  sayGoodbye(socket, fatal(refusal.sqlState, refusal.message, refusal.hint));
}
