import { readFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import type { Coordination } from '../../ports/coordination.ts';
import type { DnsConfig, DnsZone } from '../../ports/dns.ts';
import { type GeoRows, NO_ROWS } from '../../decide/routing/geo-table.ts';
import { startChecks } from '../looks/checks.ts';
import { observersStatus } from '../looks/observers.ts';
import { Steering } from '../steering/steering.ts';
import { StoreFeed } from '../steering/store-feed.ts';
import { PlaceCompass } from './compass.ts';
import { type Doors, openDoors } from './doors.ts';
import { DNS_LIMITS, type DnsLimits } from './limits.ts';
import { networksOf } from './networks.ts';
import { RateLimiter } from './rate-limit.ts';
import { Responder } from './respond.ts';
import { type DnsStatus, serveStatus } from './status.ts';
import { RCODE } from './wire/codes.ts';
import { buildZone, Names, steeredBodies, type Zone } from './zone.ts';

/** The server is given its coordination; how to reach the store is the business of whoever connects it. */
type ServedConfig = Omit<DnsConfig, 'storeUrls' | 'storeKind' | 'secretsPath'>;

export interface DnsServer {
  /** Of each address in `listen`, UDP and TCP. */
  readonly ports: readonly number[];
  readonly statusPort: number;
  status(): DnsStatus;
  /** Leaves the coordination open. */
  close(): Promise<void>;
}

export interface DnsParts {
  readonly coordination: Coordination;
  readonly clock: Clock;
  /** 32 random bits that nobody outside knows. */
  readonly seed: number;
  /** Which addresses are where. Without it only the networks that the route table itself places are placed. */
  readonly rows?: GeoRows;
  readonly limits?: DnsLimits;
}

/**
 * Starts a DNS server: answers for its zones, obeys the route table, and looks at the regions itself. Answers with what it knew
 * last when the store is gone.
 * @throws FarshoreError FSH_PORT_IN_USE; FSH_FAILED for a zone that cannot be served
 */
export async function startDns(config: ServedConfig, parts: DnsParts): Promise<DnsServer> {
  const server = new RunningDns(config, parts);
  try {
    await server.open();
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

interface ServedZone {
  readonly config: DnsZone;
  readonly zone: Zone;
}

class RunningDns implements DnsServer {
  readonly #config: ServedConfig;
  readonly #clock: Clock;
  readonly #limits: DnsLimits;
  readonly #zones: readonly ServedZone[];
  readonly #compass: PlaceCompass;
  readonly #responder: Responder;
  readonly #limiter: RateLimiter;
  readonly #steering: Steering;
  readonly #feed: StoreFeed;
  readonly #stopChecks: readonly (() => void)[];
  #doors: Doors | null = null;
  #page: Awaited<ReturnType<typeof serveStatus>> | null = null;
  #ttlSec: readonly number[];
  #turned = new AbortController();
  readonly #certificateEndsMs = new Map<PlaceId, number | null>();

  constructor(config: ServedConfig, { coordination, clock, seed, rows, limits = DNS_LIMITS }: DnsParts) {
    this.#config = config;
    this.#clock = clock;
    this.#limits = limits;
    const built = config.zones.map((zone) => ({ config: zone, nodes: nodesOf(zone, config) }));
    this.#zones = built.flatMap(({ config: zone, nodes }) =>
      nodes[0] === undefined ? [] : [{ config: zone, zone: nodes[0].zone }],
    );
    this.#ttlSec = this.#zones.map((it) => it.config.ttlSec);
    this.#compass = new PlaceCompass(
      config.regions.map((it) => it.region),
      rows ?? NO_ROWS,
    );
    this.#responder = new Responder({
      names: new Names(built.flatMap((it) => it.nodes)),
      compass: this.#compass,
      nsid: config.nsid,
      tcpIdleMs: limits.tcpIdleMs,
    });
    this.#limiter = new RateLimiter(config.rateLimit, networksOf(config.rateLimit.exempt), seed);
    const rtt = new Map(config.regions.map(({ region, check }) => [region, check.rttMs]));
    const observer = `dns ${config.place} ${config.listen[0]?.port || process.pid}`;
    this.#steering = new Steering(clock, config.place, rtt, () => this.#onChange(), {
      observer,
      ownLoss: 'vote',
      onSight: () => this.#feed.sightChanged(),
    });
    const { deployment, group } = config;
    this.#feed = new StoreFeed({ coordination, clock, deployment, group, limits, steering: this.#steering });
    const ca = config.caPath === undefined || config.caPath === null ? null : readFileSync(config.caPath, 'utf8');
    this.#stopChecks = config.regions.map(({ region, check }, index) =>
      startChecks({
        question: () => ({ target: check, look: this.#steering.addressLook(config.healthPath, ca) }),
        pace: () => this.#steering.paceOf(check.rttMs, limits),
        offsetMs: (index * limits.checkEveryMs) / config.regions.length,
        clock,
        onFound: ({ code, certificateEndsAtWallMs: endsMs }) => {
          this.#certificateEndsMs.set(region, endsMs);
          this.#steering.signal(region, code === 'ok', 'check', code);
        },
      }),
    );
  }

  async open(): Promise<void> {
    const { listen, status } = this.#config;
    const parts = { responder: this.#responder, limiter: this.#limiter, limits: this.#limits, clock: this.#clock };
    this.#doors = await openDoors({ listen, ...parts });
    this.#page = await serveStatus(status, () => this.status());
  }

  get ports(): readonly number[] {
    return this.#doors?.ports ?? [];
  }

  get statusPort(): number {
    return this.#page?.port ?? 0;
  }

  async close(): Promise<void> {
    const left = this.#feed.stop();
    this.#turned.abort();
    for (const stop of this.#stopChecks) stop();
    await this.#doors?.close();
    await this.#page?.close();
    await left;
  }

  /** A new table or a new verdict. What is answered from here on follows it; nothing that was made before is sent again. */
  #onChange(): void {
    this.#turn();
    // While a region is lost the answer may soon be another one again.
    const isDegraded = this.#config.regions.some(({ region }) => this.#isUnhealthy(region));
    const ttlSec = this.#zones.map(({ config }) => (isDegraded ? Math.ceil(config.ttlSec / 2) : config.ttlSec));
    for (const [i, { config, zone }] of this.#zones.entries()) {
      if (ttlSec[i] === this.#ttlSec[i]) continue;
      const addresses = this.#config.regions.map((it) => it.addresses);
      zone.steered = steeredBodies(config, addresses, ttlSec[i] ?? config.ttlSec, zone.noData);
    }
    this.#ttlSec = ttlSec;
  }

  /** Decides anew, and again when a hold-down or a growing share makes another decision of it. */
  #turn(): void {
    this.#turned.abort();
    this.#compass.turn(this.#steering.world);
    const inMs = this.#compass.untilMs - this.#clock.nowMs();
    if (!Number.isFinite(inMs)) return;
    this.#turned = new AbortController();
    this.#clock.sleep(Math.max(10, inMs), this.#turned.signal).then(
      () => this.#turn(),
      () => undefined,
    );
  }

  #isUnhealthy(region: DnsConfig['regions'][number]['region']): boolean {
    return this.#steering.verdict(region)?.state === 'unhealthy';
  }

  status(): DnsStatus {
    const nowMs = this.#clock.nowMs();
    const { read } = this.#steering.routes;
    const { table, tableHistory } = this.#steering;
    const { trouble, confirmedAtMs } = this.#feed.store;
    return {
      schema: 'farshore.dns/v1',
      place: this.#config.place,
      pid: process.pid,
      zones: this.#zones.map(({ config }, i) => ({
        name: config.name,
        hosts: config.hosts,
        ttlSec: this.#ttlSec[i] ?? config.ttlSec,
      })),
      table:
        table === null
          ? null
          : {
              generation: table.generation,
              epoch: table.epoch,
              primary: table.primary,
              reason: table.reason,
              acceptedAgoMs: Math.round(nowMs - tableHistory.acceptedAtMs),
              confirmedAgoMs: confirmedAtMs === null ? null : Math.round(nowMs - confirmedAtMs),
            },
      store: { state: trouble === null ? 'reachable' : 'trouble', why: trouble },
      route: { candidates: read.candidates, why: read.why },
      regions: this.#config.regions.map(({ region, addresses }) => {
        const verdict = this.#steering.verdict(region);
        return {
          id: region,
          addresses,
          health: verdict?.state ?? 'unknown',
          why: verdict?.why ?? because('unseen', 'nothing was seen of it yet'),
          forMs: Math.round(nowMs - (verdict?.sinceMs ?? nowMs)),
          readOnly: this.#steering.readOnly(region),
          certificateDaysLeft: daysLeft(this.#certificateEndsMs.get(region) ?? null, this.#clock.wallMs()),
        };
      }),
      observers: observersStatus(this.#steering.view, this.#steering.peers, this.#steering.heldSinceMs, nowMs),
      counters: this.#counters(),
    };
  }

  #counters(): DnsStatus['counters'] {
    const { dropped, truncated, rcodes } = this.#responder;
    const named = Object.entries(RCODE).map(([name, code]) => [name, rcodes[code] ?? 0] as const);
    const none = {
      udp: { received: 0, sent: 0, unsent: 0 },
      tcp: { connections: 0, queries: 0, pushedOut: 0 },
      tcpOpen: 0,
    };
    return {
      ...(this.#doors?.counters() ?? none),
      dropped,
      truncated,
      limited: this.#limiter.limited,
      rcodes: Object.fromEntries(named.filter(([, count]) => count > 0)),
    };
  }
}

/** Whole days; negative when it has ended. */
const daysLeft = (endsMs: number | null, wallMs: number): number | null =>
  endsMs === null ? null : Math.floor((endsMs - wallMs) / 86_400_000);

function nodesOf(zone: DnsZone, config: ServedConfig) {
  const nodes = buildZone(zone, config.regions);
  if (nodes.ok) return nodes.value;
  throw new FarshoreError('FSH_FAILED', `zone ${zone.name} cannot be served: ${nodes.error}`);
}
