import { Agent, request } from 'node:http';
import { messageOf } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';

/** An edge that users of a region come through. */
export interface Door {
  readonly region: PlaceId;
  readonly host: string;
  readonly port: number;
}

interface Answer {
  readonly status: number;
  /** Why there was no answer; `refused` when surely nothing was sent. */
  readonly error: 'refused' | 'broken' | 'deadline' | null;
  readonly servedBy: string | null;
}

/** Counts of one region's users since the last `take`. */
export interface Tally {
  readonly ok: number;
  readonly failed: number;
  readonly p50Ms: number | null;
}

const WRITES_PER_SECOND = 10;
const READS_PER_SECOND = 10;
const DEADLINE_MS = 5_000;
const DOOR_CLOSED_MS = 1_000;
/** Acknowledged writes kept for the proof: an hour of them. */
const KEPT = 36_000;

/**
 * Users of every region, at a modest steady rate: each writes an order and reads one back. When the edge of their region refuses
 * the connection they come through the next one, as name resolution would send them. Nothing that may have been sent is repeated.
 */
export class DemoLoad {
  readonly #doors: readonly Door[];
  readonly #run: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #closedUntil = new Map<Door, number>();
  readonly #tallies = new Map<PlaceId, { ok: number; failed: number; tookMs: number[] }>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Acknowledged writes in the order of their acknowledgement. */
  readonly acknowledged: { readonly id: string; readonly atMs: number }[] = [];
  /** What became of the requests that failed: `503`, `deadline`. */
  readonly failures = new Map<string, number>();
  #sequence = 0;

  constructor(doors: readonly Door[], run: string) {
    this.#doors = doors;
    this.#run = run;
    for (const door of doors) this.#tallies.set(door.region, { ok: 0, failed: 0, tookMs: [] });
  }

  start(): void {
    this.#timers.push(setInterval(() => void this.#write(), 1_000 / WRITES_PER_SECOND));
    this.#timers.push(setInterval(() => void this.#read(), 1_000 / READS_PER_SECOND));
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#agent.destroy();
  }

  /** What a region's users met since the last call. */
  take(region: PlaceId): Tally {
    const tally = this.#tallies.get(region) ?? { ok: 0, failed: 0, tookMs: [] };
    this.#tallies.set(region, { ok: 0, failed: 0, tookMs: [] });
    const sorted = tally.tookMs.toSorted((a, b) => a - b);
    return { ok: tally.ok, failed: tally.failed, p50Ms: sorted[Math.floor(sorted.length / 2)] ?? null };
  }

  /** The longest time without an acknowledged write that touches [fromMs, now], by performance.now(). */
  longestPauseMs(fromMs: number): number {
    const recent = this.acknowledged.filter((it) => it.atMs >= fromMs - 2_000).map((it) => it.atMs);
    const times = [...recent, performance.now()];
    let longest = 0;
    for (let i = 1; i < times.length; i++) {
      const end = times[i] ?? 0;
      if (end >= fromMs) longest = Math.max(longest, end - (times[i - 1] ?? end));
    }
    return longest;
  }

  async #write(): Promise<void> {
    const id = `demo-${this.#run}-${this.#sequence++}`;
    const body = JSON.stringify({ id, item: 'coffee', quantity: 1 });
    const ok = await this.#asUser(this.#sequence, 'POST', '/orders', body);
    if (!ok) return;
    this.acknowledged.push({ id, atMs: performance.now() });
    if (this.acknowledged.length > KEPT) this.acknowledged.shift();
  }

  async #read(): Promise<void> {
    const order = this.acknowledged[this.acknowledged.length - 2 * WRITES_PER_SECOND];
    if (order !== undefined) await this.#asUser(this.#sequence + 1, 'GET', `/orders/${order.id}`, null);
  }

  /** One request of a user of region number `turn`. */
  async #asUser(turn: number, method: string, path: string, body: string | null): Promise<boolean> {
    const home = this.#doors[turn % this.#doors.length];
    if (home === undefined) return false;
    const startMs = performance.now();
    let answer: Answer = { status: 0, error: 'refused', servedBy: null };
    for (let i = 0; i < this.#doors.length && answer.error === 'refused'; i++) {
      const door = this.#doors[(turn + i) % this.#doors.length];
      if (door === undefined || (this.#closedUntil.get(door) ?? 0) > performance.now()) continue;
      answer = await this.#send(door, method, path, body);
      if (answer.error === 'refused') this.#closedUntil.set(door, performance.now() + DOOR_CLOSED_MS);
    }
    const ok = answer.status >= 200 && answer.status < 300;
    const tally = this.#tallies.get(home.region);
    if (ok) tally?.tookMs.push(performance.now() - startMs);
    if (tally !== undefined) tally[ok ? 'ok' : 'failed']++;
    if (!ok) {
      const what = `${method} ${answer.error ?? answer.status}`;
      this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
    }
    return ok;
  }

  #send(door: Door, method: string, path: string, body: string | null): Promise<Answer> {
    return new Promise((resolve) => {
      const headers =
        body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const { host, port } = door;
      const sending = request({ host, port, path, method, headers, agent: this.#agent });
      const finish = (answer: Answer): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      const timer = setTimeout(() => {
        finish({ status: 0, error: 'deadline', servedBy: null });
        sending.destroy();
      }, DEADLINE_MS);
      sending.on('error', (error) => {
        const refused = messageOf(error).includes('ECONNREFUSED');
        finish({ status: 0, error: refused ? 'refused' : 'broken', servedBy: null });
      });
      sending.on('response', (response) => {
        const region = response.headers['x-farshore-region'];
        const servedBy = typeof region === 'string' ? region : null;
        response.resume();
        response.on('end', () => finish({ status: response.statusCode ?? 0, error: null, servedBy }));
        response.on('error', () => finish({ status: 0, error: 'broken', servedBy }));
      });
      sending.end(body);
    });
  }
}
