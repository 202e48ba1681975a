import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createDoor, type Server as Door } from 'node:net';
import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import type { EdgeConfig } from '../../ports/config.ts';
import type { Coordination } from '../../ports/coordination.ts';
import { keysOf } from '../../ports/records.ts';
import { type GeoRows, NO_ROWS } from '../../decide/routing/geo-table.ts';
import { Changes } from './changes.ts';
import { startChecks } from './checks.ts';
import { Clients } from './clients.ts';
import { Exchange } from './exchange.ts';
import { explain, WHY_PATH } from './why.ts';
import { Forwarder } from './forward.ts';
import { EDGE_LIMITS, type EdgeLimits } from './limits.ts';
import { type EdgeStatus, isLocal, STATUS_PATH } from './status.ts';
import { Steering } from './steering.ts';
import { TableWatch } from './table-watch.ts';
import { Tunnels } from './tunnels.ts';
import { Upstream } from './upstream.ts';

/** The edge is given its coordination; how to reach the store is the business of whoever connects it. */
type ServedConfig = Omit<EdgeConfig, 'storeUrls' | 'storeKind' | 'secretsPath'>;

export interface Edge {
  readonly port: number;
  status(): EdgeStatus;
  /** Takes no new connection, lets what is in flight end within `drainMs`, then cuts it. Leaves the coordination open. */
  close(): Promise<void>;
}

/**
 * Starts an edge: accepts HTTP, obeys the route table, and looks at the regions itself. Serves with the last table when the
 * store is gone.
 * @throws FarshoreError FSH_PORT_IN_USE
 */
export async function startEdge(
  config: ServedConfig,
  coordination: Coordination,
  clock: Clock,
  limits: EdgeLimits = EDGE_LIMITS,
  rows: GeoRows = NO_ROWS,
): Promise<Edge> {
  const edge = new RunningEdge(config, coordination, clock, limits, rows);
  await edge.listen();
  return edge;
}

class RunningEdge implements Edge {
  readonly #config: ServedConfig;
  readonly #clock: Clock;
  readonly #limits: EdgeLimits;
  readonly #changes = new Changes();
  readonly #upstreams: ReadonlyMap<PlaceId, Upstream>;
  readonly #steering: Steering;
  readonly #forwarder: Forwarder;
  readonly #clients: Clients;
  readonly #tunnels: Tunnels;
  readonly #table: TableWatch;
  readonly #server: Server;
  /** Further addresses: what they accept is served like the rest. */
  readonly #doors: readonly Door[];
  readonly #stopChecks: readonly (() => void)[];
  #draining = false;

  constructor(config: ServedConfig, coordination: Coordination, clock: Clock, limits: EdgeLimits, rows: GeoRows) {
    this.#config = config;
    this.#clock = clock;
    this.#limits = limits;
    this.#upstreams = new Map(config.upstreams.map((address) => [address.region, new Upstream(address, limits)]));
    const rtt = new Map(config.upstreams.map(({ region, rttMs }) => [region, rttMs]));
    this.#steering = new Steering(clock, config.place, rtt, () => this.#onChange(), {
      rows,
      edges: config.edges ?? 1,
    });
    this.#clients = new Clients(this.#steering, config.trust);
    this.#forwarder = new Forwarder(clock, limits, this.#steering, this.#upstreams, this.#changes);
    this.#table = new TableWatch({
      coordination,
      clock,
      key: keysOf(config.deployment, config.group).routes,
      rereadEveryMs: limits.rereadEveryMs,
      retryStoreMs: limits.retryStoreMs,
      onTable: (text) => this.#steering.offerTable(text),
    });
    this.#stopChecks = config.upstreams.map((address, index) => this.#startChecks(address, index));
    this.#tunnels = new Tunnels(clock, limits, this.#steering, this.#clients, config.upstreams);
    const bounds = {
      headersTimeout: limits.headMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headMs),
      maxHeaderSize: limits.headBytes,
    };
    this.#server = createServer(bounds, (request, response) => this.#onRequest(request, response));
    this.#server.maxConnections = limits.maxConnections;
    this.#server.on('upgrade', (request, socket, head) => void this.#tunnels.take(request, socket as Socket, head));
    this.#doors = (config.alsoListen ?? []).map(() => createDoor((socket) => this.#server.emit('connection', socket)));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async listen(): Promise<void> {
    await this.#listenAt(this.#server, this.#config.listen);
    const further = this.#config.alsoListen ?? [];
    await Promise.all(this.#doors.flatMap((door, i) => (further[i] ? [this.#listenAt(door, further[i])] : [])));
  }

  #listenAt(server: Server | Door, { host, port }: EdgeConfig['listen']): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        void this.close();
        const taken = 'code' in error && error.code === 'EADDRINUSE';
        reject(taken ? new FarshoreError('FSH_PORT_IN_USE', `port ${port} on ${host} is taken`, error) : error);
      });
      server.listen(port, host, () => resolve());
    });
  }

  status(): EdgeStatus {
    const nowMs = this.#clock.nowMs();
    const { read, write } = this.#steering.routes;
    const { refused, lastRefusal } = this.#steering.tableHistory;
    const { trouble } = this.#table.store;
    return {
      schema: 'farshore.edge/v1',
      place: this.#config.place,
      pid: process.pid,
      draining: this.#draining,
      table: this.#tableStatus(nowMs),
      store: { state: trouble === null ? 'reachable' : 'trouble', why: trouble },
      refusedTables: { count: refused, last: lastRefusal },
      routes: {
        read: { candidates: read.candidates, why: read.why },
        write: { candidates: write.candidates, why: write.why },
      },
      regions: [...this.#upstreams.values()].map((upstream) => this.#regionStatus(upstream, nowMs)),
      waiting: this.#changes.waiting,
      tunnels: this.#tunnels.count,
      counters: { ...this.#forwarder.counters },
    };
  }

  async close(): Promise<void> {
    this.#draining = true;
    this.#table.stop();
    for (const stop of this.#stopChecks) stop();
    for (const door of this.#doors) door.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    this.#tunnels.drain();
    const cut = setTimeout(() => {
      this.#server.closeAllConnections();
      this.#tunnels.destroy();
    }, this.#limits.drainMs);
    await closed;
    clearTimeout(cut);
    await Promise.all([...this.#upstreams.values()].map((upstream) => upstream.destroy()));
  }

  #startChecks({ region, host, port, rttMs }: EdgeConfig['upstreams'][number], index: number): () => void {
    const { checkEveryMs } = this.#limits;
    return startChecks({
      host,
      port,
      path: this.#config.healthPath,
      pace: () => this.#steering.paceOf(rttMs, this.#limits),
      offsetMs: (index * checkEveryMs) / this.#config.upstreams.length,
      clock: this.#clock,
      onResult: (ok, code) => this.#steering.signal(region, ok, 'check', code),
      onRoundTrip: (ms) => this.#steering.roundTrip(region, ms),
    });
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#draining) response.setHeader('connection', 'close');
    if (request.url === STATUS_PATH && isLocal(request)) {
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify(this.status())}\n`);
      return;
    }
    if (request.url?.startsWith(WHY_PATH) === true && isLocal(request)) {
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify(explain(request.url, this.#config.place, this.#steering, this.#clients))}\n`);
      return;
    }
    void this.#forward(request, response);
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let exchange: Exchange;
    try {
      exchange = await Exchange.of(request, response, this.#limits.holdBytes, this.#clock.nowMs(), this.#clients);
    } catch {
      // The client left while it was sending its request. Nothing was forwarded, and nobody is there to be told.
      this.#forwarder.counters.clientGone += 1;
      response.destroy();
      return;
    }
    await this.#forwarder.forward(exchange);
  }

  /** A new table or a new verdict: wake those that wait, and let go of a region that looks dead when there is a better one. */
  #onChange(): void {
    this.#changes.notify();
    for (const kind of ['read', 'write'] as const) {
      const [best] = this.#steering.routes[kind].candidates;
      if (best === undefined) continue;
      for (const [region, upstream] of this.#upstreams) {
        const verdict = this.#steering.verdict(region);
        if (region === best || verdict?.state !== 'unhealthy') continue;
        upstream.giveUp(kind, `${region} looks unhealthy (${verdict.why.text}) and ${best} can take its requests`);
      }
    }
  }

  #tableStatus(nowMs: number): EdgeStatus['table'] {
    const { table, tableHistory } = this.#steering;
    if (table === null) return null;
    const { confirmedAtMs } = this.#table.store;
    return {
      generation: table.generation,
      epoch: table.epoch,
      primary: table.primary,
      reason: table.reason,
      acceptedAgoMs: Math.round(nowMs - tableHistory.acceptedAtMs),
      confirmedAgoMs: confirmedAtMs === null ? null : Math.round(nowMs - confirmedAtMs),
    };
  }

  #regionStatus(upstream: Upstream, nowMs: number): EdgeStatus['regions'][number] {
    const { region, rttMs } = upstream.address;
    const verdict = this.#steering.verdict(region);
    return {
      id: region,
      health: verdict?.state ?? 'unknown',
      why: verdict?.why ?? because('unseen', 'nothing was seen of it yet'),
      forMs: Math.round(nowMs - (verdict?.sinceMs ?? nowMs)),
      rttMs,
      inFlight: upstream.inFlight,
      tries: upstream.tries,
    };
  }
}
