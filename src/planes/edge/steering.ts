import type { Clock } from '../../base/clock.ts';
import type { PlaceId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import { type Detector, newDetector, type Sample, signal, type Verdict } from '../../decide/health/detector.ts';
import { ANYBODY, bookOf } from '../../decide/routing/route.ts';
import { Router } from '../../decide/routing/router.ts';
import { isNewer, parseRouteTable } from '../../decide/routing/table.ts';
import type { Client, LatencyBook, Route, RoutingWorld } from '../../decide/routing/world.ts';
import type { RouteTable } from '../../ports/records.ts';

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
  readonly #latency: LatencyBook;
  readonly #detectors: Map<PlaceId, Detector>;
  readonly #onChange: () => void;
  #table: RouteTable | null = null;
  #acceptedAtMs = 0;
  #refusedTables = 0;
  #lastRefusal: string | null = null;
  #routes = { read: NO_TABLE, write: NO_TABLE };

  constructor(clock: Clock, place: PlaceId, rtt: ReadonlyMap<PlaceId, number>, onChange: () => void) {
    this.#clock = clock;
    this.#place = place;
    this.#latency = bookOf(rtt);
    this.#onChange = onChange;
    const nowMs = clock.nowMs();
    this.#detectors = new Map([...rtt.keys()].map((region) => [region, newDetector(nowMs)]));
  }

  get table(): RouteTable | null {
    return this.#table;
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
      health: new Map([...this.#detectors].map(([region, detector]) => [region, detector.verdict])),
      latency: this.#latency,
      load: new Map(),
      leaders: new Map(),
      acceptedAtMs: this.#acceptedAtMs,
      nowMs: this.#clock.nowMs(),
    };
  }

  /** When the table was taken over, and what became of tables that were not. */
  get tableHistory(): { readonly acceptedAtMs: number; readonly refused: number; readonly lastRefusal: string | null } {
    return { acceptedAtMs: this.#acceptedAtMs, refused: this.#refusedTables, lastRefusal: this.#lastRefusal };
  }

  verdict(region: PlaceId): Verdict | undefined {
    return this.#detectors.get(region)?.verdict;
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
    this.#table = parsed.value;
    this.#acceptedAtMs = this.#clock.nowMs();
    this.#recompute();
  }

  /** What a check or a request met. Cheap when it changes nothing, which is nearly always. */
  signal(region: PlaceId, ok: boolean, source: Sample['source'], code: string): void {
    const before = this.#detectors.get(region);
    if (before === undefined) return;
    const after = signal(before, { ok, source, code, atMs: this.#clock.nowMs() });
    if (after === before) return;
    this.#detectors.set(region, after);
    if (after.verdict !== before.verdict) this.#recompute();
  }

  #refuse(why: string): void {
    if (this.#lastRefusal !== why) this.#refusedTables += 1;
    this.#lastRefusal = why;
  }

  #recompute(): void {
    this.#routes = { read: this.#steer('read'), write: this.#steer('write') };
    this.#onChange();
  }

  #steer(method: Client['method']): Route {
    const { world } = this;
    return world === null ? NO_TABLE : new Router(world).route({ ...ANYBODY, method });
  }
}
