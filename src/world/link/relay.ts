import { createServer, type Server } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import type { LinkConfig } from '../../ports/config.ts';
import type { LinkFault, LinkStatus } from '../../ports/link.ts';
import { Connection } from './connection.ts';
import { DelayLine, type LineTime } from './delay-line.ts';
import { Ping, startEcho } from './ping.ts';

/** Bytes in flight per direction over all connections. */
export const LINE_BYTES = 8 * 1024 * 1024;
/** The route with this name measures the link: its target is an echo inside the relay. */
export const PING_ROUTE = 'ping';

const realTime: LineTime = {
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.floor(delayMs));
    return () => clearTimeout(timer);
  },
};

/** Both directions of one directed pair of places, with every route that crosses it. */
export class Relay {
  readonly #config: LinkConfig;
  readonly #forward: DelayLine;
  readonly #back: DelayLine;
  readonly #connections = new Set<Connection>();
  readonly #servers: Server[] = [];
  #ping: Ping | null = null;
  #state: 'up' | 'cut' = 'up';
  #extraDelayMs = 0;
  #lossShare = 0;
  #expiry: NodeJS.Timeout | null = null;
  #expiresAtMs: number | null = null;

  constructor(config: LinkConfig) {
    this.#config = config;
    this.#forward = new DelayLine(realTime, config.delayMs, LINE_BYTES, Math.random);
    this.#back = new DelayLine(realTime, config.returnDelayMs, LINE_BYTES, Math.random);
  }

  /** Opens every route. Rejects with the port in the message when one is taken. */
  async listen(): Promise<void> {
    const ping = this.#config.routes.find((route) => route.name === PING_ROUTE);
    if (ping !== undefined) this.#servers.push(await startEcho(ping.target));
    for (const route of this.#config.routes) this.#servers.push(await this.#open(route));
    if (ping !== undefined) this.#ping = new Ping(ping.listen);
  }

  /** The whole desired state. With `expiresInMs` the link is up again when nobody refreshed it (I13). */
  set({ state, extraDelayMs, lossShare = 0 }: LinkFault, expiresInMs: number | null): void {
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.#expiry = null;
    this.#expiresAtMs = null;
    this.#extraDelayMs = extraDelayMs;
    this.#forward.setExtraDelay(extraDelayMs);
    this.#back.setExtraDelay(extraDelayMs);
    this.#lossShare = lossShare;
    this.#forward.setLosses(lossShare);
    this.#back.setLosses(lossShare);
    if (state !== this.#state) {
      this.#state = state;
      for (const line of [this.#forward, this.#back]) {
        if (state === 'cut') line.cut();
        else line.heal();
      }
    }
    if (expiresInMs === null) return;
    this.#expiresAtMs = performance.now() + expiresInMs;
    this.#expiry = setTimeout(() => this.set({ state: 'up', extraDelayMs: 0 }, null), expiresInMs);
  }

  /** `place` died: see DelayLine.severSender. */
  dropEgress(place: PlaceId): void {
    const side = place === this.#config.from ? 'near' : 'far';
    for (const connection of this.#connections) connection.sever(side);
  }

  status(): LinkStatus {
    const { from, to, delayMs, returnDelayMs } = this.#config;
    return {
      pid: process.pid,
      from,
      to,
      state: this.#state === 'cut' ? 'cut' : this.#extraDelayMs > 0 || this.#lossShare > 0 ? 'slow' : 'up',
      targetRttMs: delayMs + returnDelayMs,
      measuredRttMs: this.#ping?.medianMs() ?? null,
      measuredAgeMs: this.#ping?.ageMs() ?? null,
      connections: this.#connections.size,
      bytes: { forward: this.#forward.bytesDelivered, back: this.#back.bytesDelivered },
      inFlightBytes: { forward: this.#forward.bytesInFlight, back: this.#back.bytesInFlight },
      droppedBytes: this.#forward.bytesDropped + this.#back.bytesDropped,
      faultExpiresInMs: this.#expiresAtMs === null ? null : Math.max(0, this.#expiresAtMs - performance.now()),
    };
  }

  close(): void {
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.#ping?.close();
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #open(route: LinkConfig['routes'][number]): Promise<Server> {
    const lines = { forward: this.#forward, back: this.#back };
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      const connection = new Connection(near, route.target, lines, () => this.#connections.delete(connection));
      this.#connections.add(connection);
    });
    return listenOn(server, route.listen, route.name);
  }
}

/** Listens, or says which address and why not. */
function listenOn(server: Server, at: { readonly host: string; readonly port: number }, name: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`route ${name} cannot listen on ${at.host}:${at.port}: ${messageOf(error)}`)),
    );
    server.listen(at.port, at.host, () => resolve(server));
  });
}
