import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { DnsLimits } from './limits.ts';
import { readAddress } from './network.ts';
import type { Responder } from './respond.ts';

const LENGTH_BYTES = 2;

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** What arrived of a message that is not complete yet. */
  pending: Buffer;
  lastQueryMs: number;
}

export interface TcpCounters {
  connections: number;
  queries: number;
  /** Connections closed to make room, or refused because one client has too many. */
  pushedOut: number;
}

/**
 * Queries over TCP (RFC 7766): any number on one connection, answered in the order in which they came. The connections are
 * bounded; the one that has been idle the longest makes room for a new one.
 */
export class TcpDoor {
  readonly #server: Server;
  readonly #responder: Responder;
  readonly #limits: DnsLimits;
  readonly #clock: Clock;
  /** In the order of their last query: the first one has been idle the longest. */
  readonly #connections = new Set<Connection>();
  readonly #perClient = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly counters: TcpCounters = { connections: 0, queries: 0, pushedOut: 0 };

  constructor(responder: Responder, limits: DnsLimits, clock: Clock) {
    this.#responder = responder;
    this.#limits = limits;
    this.#clock = clock;
    this.#server = createServer({ noDelay: true }, (socket) => this.#onConnection(socket));
    void this.#sweep();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get open(): number {
    return this.#connections.size;
  }

  /** @throws FarshoreError FSH_PORT_IN_USE */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        const taken = 'code' in error && error.code === 'EADDRINUSE';
        reject(taken ? new FarshoreError('FSH_PORT_IN_USE', `TCP port ${port} on ${host} is taken`, error) : error);
      });
      this.#server.listen({ host, port, ipv6Only: true }, () => resolve());
    });
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.socket.destroySoon();
    await closed;
  }

  #onConnection(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const { tcpPerClientMax, tcpConnectionsMax } = this.#limits;
    const mine = this.#perClient.get(address) ?? 0;
    socket.on('error', () => undefined);
    if (address === '' || mine >= tcpPerClientMax) {
      this.counters.pushedOut += 1;
      socket.destroy();
      return;
    }
    if (this.#connections.size >= tcpConnectionsMax) {
      const [idlest] = this.#connections;
      this.counters.pushedOut += 1;
      if (idlest !== undefined) this.#drop(idlest);
    }
    this.counters.connections += 1;
    const connection: Connection = { socket, address, pending: EMPTY, lastQueryMs: this.#clock.nowMs() };
    this.#connections.add(connection);
    this.#perClient.set(address, mine + 1);
    socket.on('data', (chunk) => this.#onData(connection, chunk));
    socket.on('drain', () => socket.resume());
    socket.once('close', () => this.#forget(connection));
  }

  #onData(connection: Connection, chunk: Buffer): void {
    const { socket } = connection;
    const bytes = connection.pending.length === 0 ? chunk : Buffer.concat([connection.pending, chunk]);
    const answers: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + bytes.readUInt16BE(at);
      if (end - at > this.#limits.tcpQueryBytesMax) {
        socket.destroy();
        return;
      }
      if (bytes.length < end) break;
      const answer = this.#answer(connection, bytes.subarray(at + LENGTH_BYTES, end));
      at = end;
      if (answer === null) {
        // Not a query. Whoever sends that is not a client, and there is no way to tell him.
        socket.destroy();
        return;
      }
      const length = Buffer.allocUnsafe(LENGTH_BYTES);
      length.writeUInt16BE(answer.length, 0);
      answers.push(length, answer);
    }
    connection.pending = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
    if (answers.length > 0) socket.write(Buffer.concat(answers));
    if (socket.writableLength > this.#limits.tcpUnreadBytesMax) socket.pause();
  }

  #answer(connection: Connection, packet: Buffer): Buffer | null {
    this.counters.queries += 1;
    connection.lastQueryMs = this.#clock.nowMs();
    this.#connections.delete(connection);
    this.#connections.add(connection);
    return this.#responder.respond(packet, readAddress(connection.address), 'tcp');
  }

  /** Bytes alone keep no connection open: a client that sends one every few seconds is idle all the same. */
  async #sweep(): Promise<void> {
    const { tcpIdleMs } = this.#limits;
    for (;;) {
      try {
        await this.#clock.sleep(Math.max(10, tcpIdleMs / 10), this.#stopping.signal);
      } catch {
        return;
      }
      const nowMs = this.#clock.nowMs();
      for (const connection of this.#connections) {
        if (nowMs - connection.lastQueryMs < tcpIdleMs) break;
        this.#drop(connection);
      }
    }
  }

  #drop(connection: Connection): void {
    connection.socket.destroy();
    this.#forget(connection);
  }

  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    const left = (this.#perClient.get(connection.address) ?? 1) - 1;
    if (left === 0) this.#perClient.delete(connection.address);
    else this.#perClient.set(connection.address, left);
  }
}

const EMPTY = Buffer.alloc(0);
