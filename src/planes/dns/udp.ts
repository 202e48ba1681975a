import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { FarshoreError } from '../../base/errors.ts';
import type { DnsLimits } from './limits.ts';
import { readAddress } from './network.ts';
import { PASS, type RateLimiter, REFUSE } from './rate-limit.ts';
import type { Responder } from './respond.ts';

export interface UdpCounters {
  received: number;
  sent: number;
  /** Answers that were not sent because the kernel took no more, and sends that failed. */
  unsent: number;
}

/** One socket. What arrives is answered before the next packet is looked at. */
export class UdpDoor {
  readonly #socket: Socket;
  readonly #responder: Responder;
  readonly #limiter: RateLimiter;
  readonly #limits: DnsLimits;
  readonly #nowMs: () => number;
  readonly counters: UdpCounters = { received: 0, sent: 0, unsent: 0 };

  constructor(host: string, responder: Responder, limiter: RateLimiter, limits: DnsLimits, nowMs: () => number) {
    this.#responder = responder;
    this.#limiter = limiter;
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#socket = createSocket({
      ...(isIPv6(host) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' }),
      recvBufferSize: limits.receiveBufferBytes,
      lookup: sameAddress,
    });
    this.#socket.on('message', (packet, from) => this.#onPacket(packet, from));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** @throws FarshoreError FSH_PORT_IN_USE */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: Error) => {
        const taken = 'code' in error && error.code === 'EADDRINUSE';
        reject(taken ? new FarshoreError('FSH_PORT_IN_USE', `UDP port ${port} on ${host} is taken`, error) : error);
      };
      this.#socket.once('error', refuse);
      this.#socket.bind({ address: host, port, exclusive: true }, () => {
        this.#socket.off('error', refuse);
        // An answer that cannot be sent (no route, a firewall) is the client's to miss, not ours to die of.
        this.#socket.on('error', () => (this.counters.unsent += 1));
        resolve();
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #onPacket(packet: Buffer, from: RemoteInfo): void {
    const { counters } = this;
    counters.received += 1;
    // Nobody listens on port 0: a forged sender.
    if (from.port === 0) return;
    const client = readAddress(from.address);
    const verdict = this.#limiter.take(client, this.#nowMs());
    if (verdict === REFUSE) return;
    const answer = this.#responder.respond(packet, client, verdict === PASS ? 'udp' : 'slip');
    if (answer === null) return;
    if (this.#socket.getSendQueueCount() > this.#limits.udpQueueMax) {
      counters.unsent += 1;
      return;
    }
    this.#socket.send(answer, from.port, from.address);
    counters.sent += 1;
  }
}

/** Addresses of clients are addresses already; Node would look each one up, a turn of the event loop later. */
function sameAddress(
  host: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, host, 4);
}
