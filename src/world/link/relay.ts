import { createServer, type Server } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { assert } from '../../base/result.ts';
import type { LinkConfig } from '../../ports/config.ts';
import type { LinkFault, LinkStatus } from '../../ports/link.ts';
import { Connection } from './connection.ts';
import { RouteLines } from './route-lines.ts';
import { Ping, startEcho } from './ping.ts';

/** The route with this name measures the link: its target is an echo inside the relay. */
export const PING_ROUTE = 'ping';

/** Both directions of one directed pair of places, with every route that crosses it. */
export class Relay {
  readonly #config: LinkConfig;
  /** By service: two nodes' routes of one name are one. */
  readonly #lines = new Map<string, RouteLines>();
  readonly #connections = new Set<Connection>();
  readonly #servers: Server[] = [];
  #ping: Ping | null = null;

  constructor(config: LinkConfig) {
    this.#config = config;
    for (const { name } of config.routes) {
      if (!this.#lines.has(name)) this.#lines.set(name, new RouteLines(config.delayMs, config.returnDelayMs));
    }
  }

  /** Opens every route. Rejects with the port in the message when one is taken. */
  async listen(): Promise<void> {
    const ping = this.#config.routes.find((route) => route.name === PING_ROUTE);
    if (ping !== undefined) this.#servers.push(await startEcho(ping.target));
    for (const route of this.#config.routes) this.#servers.push(await this.#open(route));
    if (ping !== undefined) this.#ping = new Ping(ping.listen);
  }

  /** The whole desired state of these routes. With `expiresInMs` they are up again when nobody refreshed it (I13). */
  set(fault: LinkFault, expiresInMs: number | null): void {
    const wanted = fault.services ?? [...this.#lines.keys()];
    for (const name of wanted) if (!this.#lines.has(name)) throw new Error(`there is no route ${name}`);
    for (const name of wanted) this.#lines.get(name)?.set(fault, expiresInMs);
  }

  /** `place` died: see DelayLine.severSender. */
  dropEgress(place: PlaceId): void {
    const side = place === this.#config.from ? 'near' : 'far';
    for (const connection of this.#connections) connection.sever(side);
  }

  status(): LinkStatus {
    const { from, to, delayMs, returnDelayMs } = this.#config;
    const all = [...this.#lines.values()];
    const sum = (of: (lines: RouteLines) => number): number => all.reduce((total, it) => total + of(it), 0);
    const cutServices = [...this.#lines].filter(([, it]) => it.isCut).map(([name]) => name);
    return {
      pid: process.pid,
      from,
      to,
      state: cutServices.length > 0 ? 'cut' : all.some((it) => it.isSlow) ? 'slow' : 'up',
      cutServices,
      targetRttMs: delayMs + returnDelayMs,
      measuredRttMs: this.#ping?.medianMs() ?? null,
      measuredAgeMs: this.#ping?.ageMs() ?? null,
      connections: this.#connections.size,
      bytes: { forward: sum((it) => it.forward.bytesDelivered), back: sum((it) => it.back.bytesDelivered) },
      inFlightBytes: { forward: sum((it) => it.forward.bytesInFlight), back: sum((it) => it.back.bytesInFlight) },
      droppedBytes: sum((it) => it.forward.bytesDropped + it.back.bytesDropped),
      faultExpiresInMs: all.reduce<number | null>((last, it) => later(last, it.expiresInMs), null),
    };
  }

  close(): void {
    for (const lines of this.#lines.values()) lines.close();
    this.#ping?.close();
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #open(route: LinkConfig['routes'][number]): Promise<Server> {
    const lines = this.#lines.get(route.name);
    assert(lines !== undefined, `route ${route.name} has lines`);
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      const connection = new Connection(near, route.target, lines, () => this.#connections.delete(connection));
      this.#connections.add(connection);
    });
    return listenOn(server, route.listen, route.name);
  }
}

const later = (a: number | null, b: number | null): number | null => (b === null ? a : Math.max(a ?? 0, b));

/** Listens, or says which address and why not. */
function listenOn(server: Server, at: { readonly host: string; readonly port: number }, name: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`route ${name} cannot listen on ${at.host}:${at.port}: ${messageOf(error)}`)),
    );
    server.listen(at.port, at.host, () => resolve(server));
  });
}
