import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { PlaceId } from '../../base/ids.ts';
import type { Clients } from './clients.ts';
import { CLOSE_1012, FrameBoundary } from './frames.ts';
import { headersForRegion, originForm, requestIdOf } from './headers.ts';
import type { EdgeLimits } from './limits.ts';
import type { Steering } from '../steering/steering.ts';
import type { UpstreamAddress } from './upstream.ts';

interface Tunnel {
  readonly client: Socket;
  readonly region: Socket;
  readonly frames: FrameBoundary;
  closing: boolean;
}

/**
 * WebSockets. The handshake is a read: it is offered to one region after the other until one answers; from its first byte on
 * both sides are joined, with backpressure. When the edge goes away each client is told to come back (1012), between two frames.
 */
export class Tunnels {
  readonly #clock: Clock;
  readonly #limits: EdgeLimits;
  readonly #steering: Steering;
  readonly #clients: Clients;
  readonly #addresses: ReadonlyMap<PlaceId, UpstreamAddress>;
  readonly #open = new Set<Tunnel>();
  #draining = false;

  constructor(
    clock: Clock,
    limits: EdgeLimits,
    steering: Steering,
    clients: Clients,
    addresses: readonly UpstreamAddress[],
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#steering = steering;
    this.#clients = clients;
    this.#addresses = new Map(addresses.map((address) => [address.region, address]));
  }

  get count(): number {
    return this.#open.size;
  }

  /** Takes a connection over that asks for an upgrade. Never rejects. */
  async take(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy());
    if (request.headers.upgrade?.toLowerCase() !== 'websocket')
      return answer(client, 501, 'only WebSockets are passed on');
    if (this.#draining) return answer(client, 503, 'this edge is about to stop');
    if (this.#open.size >= this.#limits.maxTunnels) return answer(client, 503, 'too many WebSockets are open here');
    const route = this.#steering.route(this.#clients.of(request, 'read'));
    const deadlineMs = this.#clock.nowMs() + this.#limits.readTryMs;
    for (const region of route.candidates) {
      const address = this.#addresses.get(region);
      const leftMs = deadlineMs - this.#clock.nowMs();
      if (address === undefined || leftMs <= 0) continue;
      const tried = await this.#try(request, head, address, leftMs);
      if (client.destroyed) return void tried?.socket.destroy();
      if (tried === null) {
        this.#steering.signal(region, false, 'request', 'connect');
        continue;
      }
      return this.#join(client, tried.socket, tried.first);
    }
    const fenced = route.refusal === 'fenced';
    answer(client, fenced ? 451 : 503, route.why[0]?.text ?? 'no region answered');
  }

  /** Tells every client to come back later, as soon as its stream is between two frames. */
  drain(): void {
    this.#draining = true;
    for (const tunnel of this.#open) this.#sayGoodbye(tunnel);
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const { client, region } of this.#open) {
      client.destroy();
      region.destroy();
    }
  }

  /** Resolves with the first bytes of the region's answer; null when none came. */
  #try(
    request: IncomingMessage,
    head: Buffer,
    { host, port }: UpstreamAddress,
    timeoutMs: number,
  ): Promise<{ readonly socket: Socket; readonly first: Buffer } | null> {
    return new Promise((resolve) => {
      const socket = connect({ host, port, noDelay: true });
      const fail = () => {
        socket.destroy();
        resolve(null);
      };
      socket.setTimeout(timeoutMs, fail);
      socket.once('error', fail).once('close', fail);
      socket.once('connect', () => socket.write(Buffer.concat([headOf(request), head])));
      socket.once('data', (first) => {
        socket.pause().setTimeout(0).off('error', fail).off('close', fail);
        resolve({ socket, first });
      });
    });
  }

  #join(client: Socket, region: Socket, first: Buffer): void {
    const tunnel: Tunnel = { client, region, frames: new FrameBoundary(), closing: false };
    this.#open.add(tunnel);
    client.setTimeout(0);
    const end = () => {
      this.#open.delete(tunnel);
      client.destroy();
      region.destroy();
    };
    const headEnd = first.indexOf('\r\n\r\n');
    let inHead = headEnd === -1;
    let tail = first.subarray(-3);
    if (!inHead) tunnel.frames.push(first.subarray(headEnd + 4));
    region.on('data', (chunk: Buffer) => {
      if (tunnel.closing) return;
      if (inHead) {
        // An answer whose head comes in pieces: the frames begin behind it.
        const joined = Buffer.concat([tail, chunk]);
        const at = joined.indexOf('\r\n\r\n');
        tail = joined.subarray(-3);
        inHead = at === -1;
        if (!inHead) tunnel.frames.push(joined.subarray(at + 4));
      } else tunnel.frames.push(chunk);
      if (!client.write(chunk)) region.pause();
      if (this.#draining) this.#sayGoodbye(tunnel);
    });
    client.on('drain', () => region.resume());
    client.on('data', (chunk: Buffer) => {
      if (!region.write(chunk)) client.pause();
    });
    region.on('drain', () => client.resume());
    client.once('end', () => region.end());
    region.once('end', () => client.end());
    client.once('close', end).once('error', end);
    region.once('close', end).once('error', end);
    client.write(first);
    region.resume();
    client.resume();
    if (this.#draining) this.#sayGoodbye(tunnel);
  }

  #sayGoodbye(tunnel: Tunnel): void {
    if (tunnel.closing || !tunnel.frames.atBoundary) return;
    tunnel.closing = true;
    tunnel.client.end(CLOSE_1012);
    tunnel.region.end();
  }
}

/** The handshake as the region gets it. Node's parser has refused what could smuggle a second request. */
function headOf(request: IncomingMessage): Buffer {
  const headers = headersForRegion(request, requestIdOf(request));
  const lines = [`${request.method ?? 'GET'} ${originForm(request.url ?? '/')} HTTP/1.1`];
  for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  lines.push('connection: Upgrade', 'upgrade: websocket', '', '');
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

const REASONS = { 451: 'Unavailable For Legal Reasons', 501: 'Not Implemented', 503: 'Service Unavailable' } as const;

function answer(client: Socket, status: keyof typeof REASONS, why: string): void {
  const body = `${JSON.stringify({ code: 'no-tunnel', why })}\n`;
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  client.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
