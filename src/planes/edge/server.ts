import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { parseNetwork } from '../../base/address.ts';
import type { PlaceId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import type { EdgeConfig } from '../../ports/config.ts';
import type { Coordination } from '../../ports/coordination.ts';
import { type GeoRows, NO_ROWS } from '../../decide/routing/geo-table.ts';
import { CertificateStore } from './certificate-store.ts';
import { Changes } from './changes.ts';
import { startChecks } from '../looks/checks.ts';
import { observersStatus } from '../looks/observers.ts';
import { Clients } from './clients.ts';
import { startDeepChecks } from './deep-checks.ts';
import { Doors } from './doors.ts';
import { Exchange } from './exchange.ts';
import { explain, WHY_PATH } from './why.ts';
import { Forwarder } from './forward.ts';
import { EDGE_LIMITS, type EdgeLimits } from './limits.ts';
import { type EdgeStatus, isLocal, STATUS_PATH } from './status.ts';
import { Steering } from '../steering/steering.ts';
import { StoreFeed } from '../steering/store-feed.ts';
import { Tunnels } from './tunnels.ts';
import { Upstream } from './upstream.ts';

/** The edge is given its coordination; how to reach the store is the business of whoever connects it. */
type ServedConfig = Omit<EdgeConfig, 'storeUrls' | 'storeKind' | 'secretsPath'>;

export interface Edge {
  readonly port: number;
  /** Of `listen` and `alsoListen`, in their order. */
  readonly ports: readonly number[];
  /** Reads the certificates now; what is wrong with them is in the status, and then the ones before are served. */
  reloadCertificates(): Promise<void>;
  status(): EdgeStatus;
  /** Takes no new connection, lets what is in flight end within `drainMs`, then cuts it. Leaves the coordination open. */
  close(): Promise<void>;
}

/**
 * Starts an edge: accepts HTTP, obeys the route table, and looks at the regions itself. Serves with the last table when the
 * store is gone.
 * @param tell what a person should read in the log
 * @throws FarshoreError FSH_PORT_IN_USE, FSH_TLS_INVALID
 */
export async function startEdge(
  config: ServedConfig,
  coordination: Coordination,
  clock: Clock,
  limits: EdgeLimits = EDGE_LIMITS,
  rows: GeoRows = NO_ROWS,
  tell: (text: string) => void = () => undefined,
): Promise<Edge> {
  const listeners = [config.listen, ...(config.alsoListen ?? [])];
  const files = listeners.some((each) => each.tls === true) ? (config.tls ?? { certificates: [] }) : null;
  const certificates = files === null ? null : await CertificateStore.open(files, clock, limits.lookAtFilesMs, tell);
  const edge = new RunningEdge(config, coordination, clock, limits, rows, certificates);
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
  readonly #feed: StoreFeed;
  readonly #server: Server;
  readonly #doors: Doors;
  readonly #certificates: CertificateStore | null;
  readonly #stopChecks: readonly (() => void)[];
  #draining = false;

  constructor(
    config: ServedConfig,
    coordination: Coordination,
    clock: Clock,
    limits: EdgeLimits,
    rows: GeoRows,
    certificates: CertificateStore | null,
  ) {
    this.#config = config;
    this.#clock = clock;
    this.#limits = limits;
    this.#upstreams = new Map(config.upstreams.map((address) => [address.region, new Upstream(address, limits)]));
    const rtt = new Map(config.upstreams.map(({ region, rttMs }) => [region, rttMs]));
    const observer = `edge ${config.place} ${config.listen.port || process.pid}`;
    this.#steering = new Steering(clock, config.place, rtt, () => this.#onChange(), {
      rows,
      edges: config.edges ?? 1,
      observer,
      onSight: () => this.#feed.sightChanged(),
    });
    this.#clients = new Clients(this.#steering, config.trust);
    this.#forwarder = new Forwarder(clock, limits, this.#steering, this.#upstreams, this.#changes);
    const { deployment, group } = config;
    this.#feed = new StoreFeed({ coordination, clock, deployment, group, limits, steering: this.#steering });
    this.#stopChecks = [
      ...config.upstreams.map((address, index) => this.#startChecks(address, index)),
      ...startDeepChecks(config.upstreams, this.#steering, clock),
    ];
    this.#tunnels = new Tunnels(clock, limits, this.#steering, this.#clients, config.upstreams);
    const bounds = {
      headersTimeout: limits.headMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headMs),
      maxHeaderSize: limits.headBytes,
    };
    this.#server = createServer(bounds, (request, response) => this.#onRequest(request, response));
    this.#server.on('upgrade', (request, socket, head) => void this.#tunnels.take(request, socket as Socket, head));
    this.#certificates = certificates;
    this.#doors = new Doors({
      listeners: [config.listen, ...(config.alsoListen ?? [])],
      http: this.#server,
      limits,
      counters: this.#forwarder.counters,
      certificates,
      proxies: (config.proxyProtocol?.networks ?? []).flatMap((text) => parseNetwork(text) ?? []),
    });
  }

  get port(): number {
    return this.ports[0] ?? 0;
  }

  get ports(): readonly number[] {
    return this.#doors.ports;
  }

  async reloadCertificates(): Promise<void> {
    await this.#certificates?.reload();
  }

  async listen(): Promise<void> {
    try {
      await this.#doors.listen();
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  status(): EdgeStatus {
    const nowMs = this.#clock.nowMs();
    const { read, write } = this.#steering.routes;
    const { refused, lastRefusal } = this.#steering.tableHistory;
    const { trouble } = this.#feed.store;
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
      tls: this.#certificates?.status() ?? null,
      whenAllUnhealthy: this.#steering.routing?.whenAllUnhealthy ?? { kind: 'hold-last' },
      observers: this.#observers(nowMs),
      counters: { ...this.#forwarder.counters },
    };
  }

  async close(): Promise<void> {
    this.#draining = true;
    const left = this.#feed.stop();
    for (const stop of this.#stopChecks) stop();
    this.#certificates?.stop();
    const closed = this.#doors.close();
    this.#server.close();
    this.#server.closeIdleConnections();
    this.#tunnels.drain();
    const cut = setTimeout(() => {
      this.#server.closeAllConnections();
      this.#tunnels.destroy();
    }, this.#limits.drainMs);
    await closed;
    clearTimeout(cut);
    await Promise.all([left, ...[...this.#upstreams.values()].map((upstream) => upstream.destroy())]);
  }

  #startChecks({ region, host, port, rttMs }: EdgeConfig['upstreams'][number], index: number): () => void {
    const { checkEveryMs } = this.#limits;
    return startChecks({
      question: () => ({ target: { host, port }, look: this.#steering.applicationLook(this.#config.healthPath) }),
      pace: () => this.#steering.paceOf(rttMs, this.#limits),
      offsetMs: (index * checkEveryMs) / this.#config.upstreams.length,
      clock: this.#clock,
      onFound: ({ code, connectMs }) => {
        if (connectMs !== null) this.#steering.roundTrip(region, connectMs);
        this.#steering.signal(region, code === 'ok', 'check', code);
      },
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

  #observers(nowMs: number): EdgeStatus['observers'] {
    const { view, peers, heldSinceMs } = this.#steering;
    return observersStatus(view, peers, heldSinceMs, nowMs);
  }

  #tableStatus(nowMs: number): EdgeStatus['table'] {
    const { table, tableHistory } = this.#steering;
    if (table === null) return null;
    const { confirmedAtMs } = this.#feed.store;
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
      readOnly: this.#steering.readOnly(region),
      rttMs,
      inFlight: upstream.inFlight,
      tries: upstream.tries,
    };
  }
}
