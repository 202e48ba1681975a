import type { Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { forwardCancel } from './cancel.ts';
import { type GatewayContext, HANDSHAKE_MS, prefaceFor } from './context.ts';
import {
  encodeLine,
  MAX_PREFACE_BYTES,
  type Preface,
  parseAnswer,
  parsePreface,
  sameToken,
  takeLine,
} from './preface.ts';
import { type Beginning, dialLocal, localTarget, openSession } from './session.ts';
import { ConnectionLost, dial, readHead, sayGoodbye, watchWhileWaiting } from './sockets.ts';
import { refusalOf } from './startup.ts';
import { fatal, MAX_STARTUP_BYTES, parseFirstPacket, ProtocolError } from './wire.ts';

/** Between the gateways of two regions: both ends of the preface (P7.1, P7.2). */

/**
 * Asks another gateway for its local PostgreSQL, with the client's StartupMessage right behind.
 * The socket is paused, at the first byte of PostgreSQL's answer.
 * @throws ConnectionLost when it says no or nothing.
 */
export async function askPeer(
  gateway: GatewayContext,
  to: { readonly host: string; readonly port: number },
  want: 'rw' | 'ro',
  startup: Buffer,
  timeoutMs: number,
  gone: AbortSignal,
): Promise<{ readonly socket: Socket; readonly epoch: number }> {
  const socket = await dial(to, Buffer.concat([prefaceFor(gateway, want), startup]), timeoutMs);
  const leave = (): void => void socket.destroy();
  gone.addEventListener('abort', leave, { once: true });
  try {
    if (gone.aborted) throw new ConnectionLost('the client left');
    const line = await readHead(socket, { bytes: MAX_PREFACE_BYTES, timeoutMs }, takeLine);
    const answer = parseAnswer(line);
    if (answer === null) throw new ConnectionLost('its gateway gave an answer that is none');
    if (gateway.authority.learn(answer.epoch)) gateway.sweep();
    if (!answer.ok) throw new ConnectionLost(`its gateway says: ${answer.why}`);
    if (answer.leftMs !== null && answer.leftMs <= 0) throw new ConnectionLost('its lease has passed');
    return { socket, epoch: answer.epoch };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    gone.removeEventListener('abort', leave);
  }
}

/** Serves one connection of another gateway. Never rejects. */
export async function servePeer(gateway: GatewayContext, socket: Socket): Promise<void> {
  const limits = { bytes: MAX_PREFACE_BYTES, timeoutMs: HANDSHAKE_MS };
  try {
    const preface = parsePreface(await readHead(socket, limits, takeLine));
    if (preface === null || !sameToken(preface.token, gateway.token)) {
      gateway.counters.refused += 1;
      socket.destroy();
      return;
    }
    if (gateway.authority.learn(preface.epoch)) gateway.sweep();
    if (preface.want === 'hello') {
      await sayHello(gateway, socket);
      return;
    }
    const first = await readHead(socket, { ...limits, bytes: MAX_STARTUP_BYTES }, parseFirstPacket);
    if (preface.want === 'cancel') {
      if (first.kind === 'cancel') await forwardCancel(gateway, first.key, first.packet);
      sayGoodbye(socket, null);
    } else if (first.kind === 'startup' && refusalOf(first.parameters) === null) {
      await leadToLocal(gateway, socket, preface, preface.want, first.packet);
    } else throw new ProtocolError('expected a startup message');
  } catch (error) {
    gateway.counters.refused += 1;
    if (error instanceof ProtocolError) sayGoodbye(socket, fatal('08P01', `farshore: ${messageOf(error)}`));
    else socket.destroy();
  }
}

/** For an observer that lost sight of this node's agent: the gateway lives, and PostgreSQL accepts connections. */
async function sayHello(gateway: GatewayContext, socket: Socket): Promise<void> {
  const { authority } = gateway;
  let why = '';
  try {
    (await dial(localTarget(gateway), Buffer.alloc(0), HANDSHAKE_MS)).destroy();
  } catch (error) {
    why = `my database: ${messageOf(error)}`;
  }
  const answer = { farshore: 1, epoch: authority.epoch, leftMs: authority.leftMs, ok: why === '', why } as const;
  sayGoodbye(socket, encodeLine(answer));
}

async function leadToLocal(
  gateway: GatewayContext,
  client: Socket,
  preface: Preface,
  want: 'rw' | 'ro',
  startup: Buffer,
): Promise<void> {
  const { authority } = gateway;
  const binding = { want, epoch: authority.epoch, target: 'local' } as const;
  let why = authority.whyNotForPeer(want, preface.epoch);
  let beginning: Beginning | null = null;
  if (why === null) {
    const waiting = watchWhileWaiting(client);
    try {
      beginning = await dialLocal(gateway, want, startup, HANDSHAKE_MS, waiting.gone);
      // Things may have changed meanwhile.
      const isGone = client.destroyed || beginning.socket.destroyed;
      why = authority.whyOver(binding) ?? (isGone ? 'a connection ended' : null);
    } catch (error) {
      why = `my database: ${messageOf(error)}`;
    } finally {
      waiting.stop();
    }
  }
  const answer = { farshore: 1, epoch: authority.epoch, leftMs: authority.leftMs } as const;
  if (why !== null || beginning === null) {
    beginning?.begun();
    beginning?.socket.destroy();
    gateway.counters.refused += 1;
    sayGoodbye(client, encodeLine({ ...answer, ok: false, why: why ?? '' }));
    return;
  }
  client.write(encodeLine({ ...answer, ok: true, why: '' }));
  const sockets = { client, upstream: beginning.socket, cancelTarget: localTarget(gateway) };
  openSession(gateway, 'peer', binding, sockets, beginning.begun);
}
