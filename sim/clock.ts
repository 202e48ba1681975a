import type { Clock } from '../src/base/clock.ts';

/** Something that will happen; `cancel` by `run = null`. */
interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

/** How many events are handed to Node's immediate queue at once: it drains all microtasks between two of them. */
const BATCH = 256;

/**
 * Virtual time: a queue of events, run one after the other. Between two events every promise that the first one settled
 * has been followed to its end, so that an event sees a world at rest. Events of one moment run in the order they were made.
 */
export class Scheduler {
  nowMs = 0;
  events = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  /** Runs `run` at `atMs` (never before now). The returned function calls it off. */
  at(atMs: number, run: () => void): () => void {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  after(delayMs: number, run: () => void): () => void {
    return this.at(this.nowMs + Math.max(0, delayMs), run);
  }

  /** Runs events until `over` says so or none is left. `settled` is called after each one, with all promises at rest. */
  run(over: () => boolean, settled: () => void = () => undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      let ended = false;
      let began = false;
      const step = (): void => {
        if (ended) return;
        try {
          if (began) settled();
          began = true;
          if (!over() && this.#next()) return;
          ended = true;
          resolve();
        } catch (error) {
          ended = true;
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const batch = (): void => {
        for (let i = 1; i < BATCH; i++) setImmediate(step);
        setImmediate(() => {
          step();
          if (!ended) batch();
        });
      };
      batch();
    });
  }

  #next(): boolean {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      if (event.run === null) continue;
      this.nowMs = event.atMs;
      this.events += 1;
      event.run();
      return true;
    }
    return false;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || isBefore(parent, event)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      let child = heap[down];
      if (child === undefined) break;
      const right = heap[down + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        down += 1;
      }
      if (isBefore(last, child)) break;
      heap[i] = child;
      i = down;
    }
    heap[i] = last;
    return first;
  }
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** One machine's clocks: its monotonic clock drifts, its wall clock jumps. */
export class Machine {
  readonly scheduler: Scheduler;
  #rate: number;
  #localMs: number;
  #sinceMs = 0;
  #wallMs: number;
  #suspendedAtMs: number | null = null;

  constructor(scheduler: Scheduler, rate = 1, bootMs = 1_000_000) {
    this.scheduler = scheduler;
    this.#rate = rate;
    this.#localMs = bootMs;
    this.#wallMs = 1_700_000_000_000;
  }

  get rate(): number {
    return this.#rate;
  }

  nowMs(): number {
    const untilMs = this.#suspendedAtMs ?? this.scheduler.nowMs;
    return this.#localMs + (untilMs - this.#sinceMs) * this.#rate;
  }

  wallMs(): number {
    return this.#wallMs + this.nowMs();
  }

  #settle(): void {
    this.#localMs = this.nowMs();
    this.#sinceMs = this.scheduler.nowMs;
  }

  drift(rate: number): void {
    this.#settle();
    this.#rate = rate;
  }

  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** A virtual machine that is paused: its monotonic clock stands still too. */
  suspend(): void {
    this.#suspendedAtMs ??= this.scheduler.nowMs;
  }

  resume(): void {
    if (this.#suspendedAtMs === null) return;
    this.#localMs = this.nowMs();
    this.#sinceMs = this.scheduler.nowMs;
    this.#suspendedAtMs = null;
  }
}

/**
 * One process: what reaches it waits while it is frozen and is lost when it is dead. A dead one's promises simply never
 * settle: exactly what `kill -9` at an `await` is.
 */
export class Process implements Clock {
  readonly name: string;
  readonly machine: Machine;
  readonly scheduler: Scheduler;
  readonly #deathWatchers = new Set<() => void>();
  #alive = true;
  #frozen = false;
  #held: (() => void)[] = [];

  constructor(name: string, machine: Machine) {
    this.name = name;
    this.machine = machine;
    this.scheduler = machine.scheduler;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  nowMs(): number {
    return this.machine.nowMs();
  }

  wallMs(): number {
    return this.machine.wallMs();
  }

  /** Something from outside arrives. */
  deliver(run: () => void): void {
    if (!this.#alive) return;
    if (this.#frozen) this.#held.push(run);
    else run();
  }

  /** A timer by this machine's clock. The returned function calls it off. */
  after(delayMs: number, run: () => void): () => void {
    const dueMs = this.nowMs() + Math.max(0, delayMs);
    let cancel = (): void => undefined;
    const ring = (): void =>
      this.deliver(() => {
        // The clock stood still in between: it is not time yet.
        const leftMs = dueMs - this.nowMs();
        if (leftMs > 1e-6) cancel = this.scheduler.after(leftMs / this.machine.rate, ring);
        else run();
      });
    cancel = this.scheduler.after(Math.max(0, delayMs) / this.machine.rate, ring);
    return () => cancel();
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const cancel = this.after(delayMs, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        reject(signal.reason);
      });
    });
  }

  onDeath(run: () => void): () => void {
    this.#deathWatchers.add(run);
    return () => this.#deathWatchers.delete(run);
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#held = [];
    const watchers = [...this.#deathWatchers];
    this.#deathWatchers.clear();
    for (const run of watchers) run();
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** What arrived meanwhile arrives now, in order, one event each. */
  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.scheduler.after(0, () => this.deliver(run));
  }
}
