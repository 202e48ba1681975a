import type { Clock } from '../../base/clock.ts';
import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import { Abilities, type DeepKind, heardReadOnly, saysOfWriting } from '../../decide/health/ability.ts';
import type { Peer } from '../../decide/health/agreement.ts';
import { DETECTOR_POLICY, type Sample, type Verdict } from '../../decide/health/detector.ts';
import type { View } from '../../decide/health/view.ts';
import { compileGeo, type GeoRows, type GeoTable, NO_ROWS } from '../../decide/routing/geo-table.ts';
import { ANYBODY } from '../../decide/routing/route.ts';
import { Router } from '../../decide/routing/router.ts';
import { isNewer, parseRouteTable } from '../../decide/routing/table.ts';
import type { Client, Explanation, Route, RoutingWorld } from '../../decide/routing/world.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { DeepCheck, RoutingPolicy } from '../../ports/routing.ts';
import type { Pace } from '../looks/checks.ts';
import type { Look } from '../looks/look.ts';
import { Demand } from './demand.ts';
import { RoundTrips } from './round-trips.ts';
import { Sights } from './sights.ts';

const NO_TABLE: Route = {
  candidates: [],
  why: [because('no-table', 'this edge has not read a route table yet')],
  codes: 'no-table',
  wanted: null,
  refusal: 'no-table',
};

/**
 * What this edge knows and what follows from it: the last good route table and the health it sees itself, turned into the two
 * routes that requests take. Recomputed at every change, not per request.
 */
export class Steering {
  readonly #clock: Clock;
  readonly #place: PlaceId;
  readonly #latency: RoundTrips;
  readonly #sights: Sights;
  readonly #abilities = new Abilities();
  #deepAsked = '';
  #readOnly: ReadonlyMap<PlaceId, Reason> = new Map();
  readonly #asksItself: boolean;
  readonly #onChange: () => void;
  /** What this plane sees itself is another thing: the others want to know. */
  readonly #onSight: () => void;
  #table: RouteTable | null = null;
  #acceptedAtMs = 0;
  #refusedTables = 0;
  #lastRefusal: string | null = null;
  readonly #rows: GeoRows;
  readonly #demand: Demand;
  #geo: GeoTable;
  #overrides = '[]';
  #router: Router | null = null;
  #routes = { read: NO_TABLE, write: NO_TABLE };

  /**
   * @param edges how many planes share what the regions can take
   * @param observer its name among those that tell each other what they see
   * @param ownLoss `eject` for a plane that sends requests itself
   */
  constructor(
    clock: Clock,
    place: PlaceId,
    rtt: ReadonlyMap<PlaceId, number>,
    onChange: () => void,
    {
      rows = NO_ROWS,
      edges = 1,
      observer = place,
      ownLoss = 'eject',
      onSight = () => undefined,
    }: {
      readonly rows?: GeoRows;
      readonly edges?: number;
      readonly observer?: string;
      readonly ownLoss?: 'eject' | 'vote';
      readonly onSight?: () => void;
    } = {},
  ) {
    this.#clock = clock;
    this.#place = place;
    this.#latency = new RoundTrips(rtt);
    this.#rows = rows;
    this.#geo = compileGeo(rows, []);
    this.#demand = new Demand(clock.nowMs(), edges);
    this.#onChange = onChange;
    this.#onSight = onSight;
    this.#asksItself = ownLoss === 'eject';
    this.#sights = new Sights({ clock, place, regions: [...rtt.keys()], observer, ownLoss });
  }

  get table(): RouteTable | null {
    return this.#table;
  }

  get routing(): RoutingPolicy | null {
    return this.#table?.routing ?? null;
  }

  /** How a region `rttMs` away is to be looked at: as the route table says, else by the plane's own limits. */
  paceOf(rttMs: number, own: { readonly checkEveryMs: number; readonly checkTimeoutMs: number }): Pace {
    const told = this.#table?.routing?.health;
    const timeoutMs = told?.timeoutMs ?? own.checkTimeoutMs;
    // A connection, then the question: two round trips that say nothing about the region.
    return { everyMs: told?.everyMs ?? own.checkEveryMs, timeoutMs: timeoutMs + 2 * rttMs };
  }

  /** How a region's ability to write is asked for; null: it is not. */
  get deepCheck(): DeepCheck | null {
    return this.#table?.routing?.health.deep ?? null;
  }

  /** Why a region can't write, by its own word; null: nothing says so. */
  readOnly(region: PlaceId): Reason | null {
    return this.#readOnly.get(region) ?? null;
  }

  /** What an edge asks of an application. */
  applicationLook(path: string): Look {
    return this.#table?.routing?.health.check === 'tcp' ? { kind: 'tcp' } : { kind: 'http', path };
  }

  /** What is asked of a region's public address. */
  addressLook(path: string, ca: string | null): Look {
    const told = this.#table?.routing?.health.address ?? { check: 'http' };
    if (told.check === 'tls') return { kind: 'tls', name: told.host, ca };
    return told.check === 'tcp' ? { kind: 'tcp' } : { kind: 'http', path };
  }

  get geo(): GeoTable {
    return this.#geo;
  }

  /** The decision for one request. */
  route(client: Client): Route {
    return this.#routerAt(this.#clock.nowMs())?.route(client) ?? NO_TABLE;
  }

  /** Once per request: what is asked of a region, whether it serves it or another one. */
  count(wanted: PlaceId | null): void {
    this.#demand.count(wanted);
  }

  /** The same decision as `route`, with what each step found; counted nowhere. */
  explain(client: Client): Explanation {
    const router = this.#routerAt(this.#clock.nowMs());
    return router === null ? { ...NO_TABLE, steps: [] } : router.explain(client);
  }

  get routes(): { readonly read: Route; readonly write: Route } {
    return this.#routes;
  }

  /** What the decision looks at, as of now; null before the first table. */
  get world(): RoutingWorld | null {
    if (this.#table === null) return null;
    return {
      table: this.#table,
      from: this.#place,
      health: this.#sights.verdicts,
      readOnly: this.#readOnly,
      latency: this.#latency,
      load: this.#demand.load,
      leaders: this.#router?.leaders ?? new Map(),
      acceptedAtMs: this.#acceptedAtMs,
      nowMs: this.#clock.nowMs(),
    };
  }

  /** When the table was taken over, and what became of tables that were not. */
  get tableHistory(): { readonly acceptedAtMs: number; readonly refused: number; readonly lastRefusal: string | null } {
    return { acceptedAtMs: this.#acceptedAtMs, refused: this.#refusedTables, lastRefusal: this.#lastRefusal };
  }

  /** What holds for a region: what most observers see, or this plane alone when there are no others. */
  verdict(region: PlaceId): Verdict | undefined {
    return this.#sights.verdict(region);
  }

  /** What this plane sees itself, for the others. */
  get view(): View {
    const { view } = this.#sights;
    return this.#asksItself && this.deepCheck !== null ? { ...view, readOnly: [...this.#readOnly.keys()] } : view;
  }

  /** Since when the others can't be heard, so that regions stay what they were; null while they can. */
  get heldSinceMs(): number | null {
    return this.#sights.heldSinceMs;
  }

  get peers(): readonly Peer[] {
    return this.#sights.peers;
  }

  /** What other planes see, as heard so far. */
  hear(peers: readonly Peer[], connected: boolean): void {
    const changed = this.#sights.hear(peers, connected);
    if (this.#recountReadOnly() || changed) this.#recompute();
  }

  /** Takes over what the store holds if it is whole and newer; else keeps the last good table. */
  offerTable(text: string): void {
    const parsed = parseRouteTable(text);
    if (!parsed.ok) {
      this.#refuse(`malformed: ${parsed.error}`);
      return;
    }
    const { epoch, generation } = parsed.value;
    if (!isNewer(this.#table, parsed.value)) {
      if (this.#table !== null && (epoch !== this.#table.epoch || generation !== this.#table.generation)) {
        this.#refuse(`older: epoch ${epoch}, generation ${generation}`);
      }
      return;
    }
    this.#adopt(parsed.value);
    this.#recompute();
  }

  /** What a check or a request met. Cheap when it changes nothing, which is nearly always. */
  signal(region: PlaceId, ok: boolean, source: Sample['source'], code: string): void {
    const changed = this.#sights.signal(region, { ok, source, code, atMs: this.#clock.nowMs() });
    if (changed.sight) this.#onSight();
    if (changed.verdict) this.#recompute();
  }

  /** What a deep check met. */
  deepSignal(region: PlaceId, kind: DeepKind, code: string): void {
    const canWrite = saysOfWriting(code, kind, this.verdict(region)?.state ?? 'unknown');
    if (canWrite === null) return;
    if (!this.#abilities.take(region, canWrite, code, this.#clock.nowMs())) return;
    this.#recountReadOnly();
    this.#onSight();
    this.#recompute();
  }

  /** How long a connection to a region took to open. */
  roundTrip(region: PlaceId, ms: number): void {
    if (this.#latency.add(region, ms)) this.#recompute();
  }

  #refuse(why: string): void {
    if (this.#lastRefusal !== why) this.#refusedTables += 1;
    this.#lastRefusal = why;
  }

  #adopt(table: RouteTable): void {
    const released = (table.released ?? 0) > (this.#table?.released ?? 0) && this.#table !== null;
    this.#table = table;
    this.#acceptedAtMs = this.#clock.nowMs();
    this.#sights.adopt(table.routing?.health, released);
    this.#ask(table);
    const overrides = table.routing?.geolocation.overrides ?? [];
    const text = JSON.stringify(overrides);
    if (text === this.#overrides) return;
    this.#overrides = text;
    this.#geo = compileGeo(this.#rows, overrides);
  }

  /** Deep checks are about one reign and one question: with another one they begin anew. */
  #ask(table: RouteTable): void {
    const { fall, rise, bucket, leakAfter } = { ...DETECTOR_POLICY, ...table.routing?.health };
    this.#abilities.policy = { fall, rise, bucket, leakAfter };
    const asked = JSON.stringify([table.epoch, table.primary, table.routing?.health.deep ?? null]);
    if (asked !== this.#deepAsked) this.#abilities.forget();
    this.#deepAsked = asked;
    this.#recountReadOnly();
  }

  /** A plane that sends no requests asks nobody: it goes by what the others heard. True when it is about other regions now. */
  #recountReadOnly(): boolean {
    const before = [...this.#readOnly.keys()].join();
    this.#readOnly = this.#asksItself ? this.#abilities.readOnly : heardReadOnly(this.#sights.freshViews);
    return before !== [...this.#readOnly.keys()].join();
  }

  /** Made anew when time alone has changed it: a share that grows, a hold-down that is over, a region that is full. */
  #routerAt(nowMs: number): Router | null {
    const router = this.#router;
    if (router === null) return null;
    const isFull = this.#demand.measure(nowMs, this.#table?.routing?.capacity ?? {});
    if (nowMs < router.untilMs && !isFull) return router;
    const { world } = this;
    this.#router = world === null ? null : new Router(world);
    return this.#router;
  }

  #recompute(): void {
    const { world } = this;
    this.#router = world === null ? null : new Router(world);
    this.#routes = { read: this.#steer('read'), write: this.#steer('write') };
    this.#onChange();
  }

  #steer(method: Client['method']): Route {
    return this.#router?.route({ ...ANYBODY, method }) ?? NO_TABLE;
  }
}
