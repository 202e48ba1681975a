import type { PlaceId } from '../src/base/ids.ts';
import type { Rng } from './rng.ts';
import type { Scheduler } from './clock.ts';
import type { Happening } from './queue.ts';

/** What travels: a cut may take one kind of traffic and leave the rest. */
export type Traffic = 'agents' | 'store' | 'replication' | 'gateways';

interface Link {
  delayMs: number;
  readonly cut: Set<Traffic>;
  readonly waiting: Set<Pipe>;
}

/** Retransmission after a cut ends: at most this much later. */
const RETRANSMIT_MS_MAX = 250;

/** Directed links between places. Bytes on a cut link wait, as TCP's do, until it heals or their connection ends. */
export class Links {
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly #links = new Map<PlaceId, Map<PlaceId, Link>>();

  constructor(scheduler: Scheduler, rng: Rng, places: readonly PlaceId[], delayMs: (a: number, b: number) => number) {
    this.scheduler = scheduler;
    this.rng = rng;
    places.forEach((from, a) => {
      const links = new Map<PlaceId, Link>();
      this.#links.set(from, links);
      places.forEach((to, b) => {
        const link: Link = {
          delayMs: a === b ? 0.2 : delayMs(Math.min(a, b), Math.max(a, b)),
          cut: new Set(),
          waiting: new Set(),
        };
        links.set(to, link);
      });
    });
  }

  #of(from: PlaceId, to: PlaceId): Link {
    const link = this.#links.get(from)?.get(to);
    if (link === undefined) throw new Error(`no link from ${from} to ${to}`);
    return link;
  }

  delayMs(from: PlaceId, to: PlaceId): number {
    const { delayMs } = this.#of(from, to);
    return delayMs * (1 + 0.2 * this.rng.unit());
  }

  slow(from: PlaceId, to: PlaceId, extraMs: number): void {
    this.#of(from, to).delayMs += extraMs;
  }

  isCut(from: PlaceId, to: PlaceId, traffic: Traffic): boolean {
    return from !== to && this.#of(from, to).cut.has(traffic);
  }

  cut(from: PlaceId, to: PlaceId, traffic: readonly Traffic[]): void {
    for (const kind of traffic) this.#of(from, to).cut.add(kind);
  }

  heal(from: PlaceId, to: PlaceId, traffic: readonly Traffic[]): void {
    const link = this.#of(from, to);
    for (const kind of traffic) link.cut.delete(kind);
    const waiting = [...link.waiting];
    link.waiting.clear();
    for (const pipe of waiting) this.scheduler.after(this.rng.between(0, RETRANSMIT_MS_MAX), () => pipe.retransmit());
  }

  /** For a connection, so that it is looked up once. */
  link(from: PlaceId, to: PlaceId): Link {
    return this.#of(from, to);
  }
}

/** One direction of one connection: what is sent arrives in order, later while the link is cut, never after `close`. */
export class Pipe {
  readonly #link: Link;
  readonly #isLocal: boolean;
  readonly #traffic: Traffic;
  readonly #links: Links;
  #held: (() => void)[] = [];
  #lastMs = 0;
  #open = true;

  constructor(links: Links, from: PlaceId, to: PlaceId, traffic: Traffic) {
    this.#links = links;
    this.#link = links.link(from, to);
    this.#isLocal = from === to;
    this.#traffic = traffic;
  }

  send(arrive: () => void, extraMs = 0): void {
    if (!this.#open) return;
    const { scheduler, rng } = this.#links;
    const delayMs = this.#link.delayMs * (1 + 0.2 * rng.unit());
    const atMs = Math.max(this.#lastMs, scheduler.nowMs + delayMs + extraMs);
    this.#lastMs = atMs;
    scheduler.plan(atMs, new Arrival(this, arrive));
  }

  arrived(arrive: () => void): void {
    if (!this.#open) return;
    if (this.#held.length === 0 && !this.#isCut()) return arrive();
    this.#held.push(arrive);
    this.#link.waiting.add(this);
  }

  #isCut(): boolean {
    return !this.#isLocal && this.#link.cut.has(this.#traffic);
  }

  retransmit(): void {
    if (!this.#open) return;
    if (this.#isCut()) {
      this.#link.waiting.add(this);
      return;
    }
    const held = this.#held;
    this.#held = [];
    for (const arrive of held) this.#links.scheduler.after(0, () => this.arrived(arrive));
  }

  close(): void {
    this.#open = false;
    this.#held = [];
  }
}

class Arrival implements Happening {
  readonly isOff = false;
  readonly #pipe: Pipe;
  readonly #arrive: () => void;

  constructor(pipe: Pipe, arrive: () => void) {
    this.#pipe = pipe;
    this.#arrive = arrive;
  }

  happen(): void {
    this.#pipe.arrived(this.#arrive);
  }
}
