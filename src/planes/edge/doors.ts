import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { canonical, inNetwork, type Network, parseAddress } from '../../base/address.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { Listener } from '../../ports/config.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { Counters } from './counters.ts';
import type { EdgeLimits } from './limits.ts';
import { setPeer } from './peer.ts';
import { parseProxyHeader } from './proxy-protocol.ts';

export interface DoorOptions {
  readonly listeners: readonly Listener[];
  /** It never listens itself; what the doors let in is given to it. */
  readonly http: HttpServer;
  readonly limits: EdgeLimits;
  readonly counters: Counters;
  readonly certificates: CertificateStore | null;
  /** Who begins each connection with a PROXY header, and must. A header from anybody else is no HTTP, and is refused. */
  readonly proxies: readonly Network[];
}

/**
 * The listening sockets of an edge, and what happens to a connection before HTTP:
 *
 *   accepted ──a trusted proxy──▶ its PROXY header ──┬──▶ TLS ──▶ HTTP
 *            └──anybody else────────────────────────┘└─────────▶
 */
export class Doors {
  readonly #options: DoorOptions;
  readonly #doors: readonly Server[];
  readonly #tls: TlsServer | null;
  /** Who is behind a connection that goes on to TLS: the socket that TLS makes of it is another object. */
  readonly #named = new Map<string, string>();
  /** Those that are not HTTP's yet, so that nobody else would end them. */
  readonly #early = new Map<string, Socket>();
  #open = 0;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#tls = options.certificates === null ? null : this.#tlsServer(options.certificates);
    this.#doors = options.listeners.map(({ tls = false }) =>
      createServer({ allowHalfOpen: !tls, noDelay: true }, (socket) => this.#accept(socket, tls)),
    );
  }

  /** In the order of the listeners. */
  get ports(): readonly number[] {
    return this.#doors.map((door) => {
      const address: AddressInfo | string | null = door.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    });
  }

  /** @throws FarshoreError FSH_PORT_IN_USE */
  async listen(): Promise<void> {
    // An http.Server begins to cut slow clients when it listens, and it never does that itself here.
    this.#options.http.emit('listening');
    await Promise.all(this.#options.listeners.map((listener, i) => listenAt(this.#doors[i], listener)));
  }

  /** Takes no new connection. Resolves when the last one has ended. */
  async close(): Promise<void> {
    const closed = this.#doors.map((door) => new Promise<void>((resolve) => door.close(() => resolve())));
    for (const socket of this.#early.values()) socket.destroy();
    await Promise.all(closed);
  }

  #accept(socket: Socket, tls: boolean): void {
    const { limits, counters } = this.#options;
    if (this.#open >= limits.maxConnections) {
      counters.refusedConnections += 1;
      return void socket.destroy();
    }
    this.#open += 1;
    const key = keyOf(socket);
    socket.once('close', () => {
      this.#open -= 1;
      this.#early.delete(key);
      this.#named.delete(key);
    });
    if (this.#options.proxies.length === 0 || !this.#isProxy(socket)) return this.#pass(socket, tls, null);
    this.#readHeader(socket, tls);
  }

  #isProxy(socket: Socket): boolean {
    const parsed = parseAddress(socket.remoteAddress ?? '');
    const address = parsed === null ? null : canonical(parsed);
    return address !== null && this.#options.proxies.some((network) => inNetwork(network, address));
  }

  #readHeader(socket: Socket, tls: boolean): void {
    let bytes = Buffer.alloc(0);
    const key = keyOf(socket);
    this.#early.set(key, socket);
    const cut = () => {
      this.#options.counters.badProxyHeaders += 1;
      socket.destroy();
    };
    const timer = setTimeout(cut, this.#options.limits.headMs);
    const onGone = () => socket.destroy();
    socket.once('close', () => clearTimeout(timer));
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const header = parseProxyHeader(bytes);
      if (header.kind === 'incomplete') return;
      socket.off('data', onData).off('end', onGone).off('error', onGone);
      if (header.kind === 'bad') {
        socket.on('error', onGone);
        return cut();
      }
      clearTimeout(timer);
      this.#early.delete(key);
      socket.pause();
      const rest = bytes.subarray(header.lengthBytes);
      if (rest.length > 0) socket.unshift(rest);
      this.#pass(socket, tls, header.source);
    };
    socket.on('data', onData).on('end', onGone).on('error', onGone);
  }

  #pass(socket: Socket, tls: boolean, source: string | null): void {
    if (source !== null) setPeer(socket, source);
    if (!tls || this.#tls === null) {
      this.#options.http.emit('connection', socket);
      // It was paused to have its header read.
      if (socket.isPaused()) socket.resume();
      return;
    }
    const key = keyOf(socket);
    if (source !== null) this.#named.set(key, source);
    this.#early.set(key, socket);
    this.#tls.emit('connection', socket);
  }

  #tlsServer(certificates: CertificateStore): TlsServer {
    const { limits, counters, http } = this.#options;
    const server = createTlsServer({
      ...certificates.current.fallback,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: limits.headMs,
      SNICallback: (name, found) => found(null, certificates.current.contextFor(name)),
    });
    certificates.onSet((set) => server.setSecureContext(set.fallback));
    server.on('tlsClientError', (_error, socket) => {
      counters.failedHandshakes += 1;
      // Of a handshake that takes too long TLS only tells.
      socket.destroy();
    });
    server.on('secureConnection', (socket) => {
      const key = keyOf(socket);
      this.#early.delete(key);
      const source = this.#named.get(key);
      if (source !== undefined) setPeer(socket, source);
      http.emit('connection', socket);
    });
    return server;
  }
}

/** The same for a socket and for the one that TLS makes of it; no two that are open have the same. */
const keyOf = (socket: Socket): string => `${socket.remoteAddress}|${socket.remotePort}|${socket.localPort}`;

function listenAt(door: Server | undefined, { host, port }: Listener): Promise<void> {
  return new Promise((resolve, reject) => {
    door?.once('error', (error) => {
      const taken = 'code' in error && error.code === 'EADDRINUSE';
      reject(taken ? new FarshoreError('FSH_PORT_IN_USE', `port ${port} on ${host} is taken`, error) : error);
    });
    door?.listen(port, host, () => resolve());
  });
}
