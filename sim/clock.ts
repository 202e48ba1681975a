import type { Clock } from '../src/base/clock.ts';
import { type Happening, Queue } from './queue.ts';

/** How many events are handed to Node's immediate queue at once: it drains all microtasks between two of them. */
const BATCH = 256;

/**
 * Virtual time: a queue of events, run one after the other. Between two events every promise that the first one settled
 * has been followed to its end, so that an event sees a world at rest. Events of one moment run in the order they were made.
 */
export class Scheduler {
  nowMs = 0;
  events = 0;
  readonly #queue = new Queue();

  /** `what` happens at `atMs` (never before now), unless it is called off before. */
  plan(atMs: number, what: Happening): void {
    this.#queue.add(Math.max(atMs, this.nowMs), what);
  }

  at(atMs: number, run: () => void): void {
    this.plan(atMs, new Call(run));
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + Math.max(0, delayMs), run);
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
    const queue = this.#queue;
    for (;;) {
      const atMs = queue.nextMs;
      const what = queue.take();
      if (what === undefined) return false;
      if (what.isOff) continue;
      this.nowMs = atMs;
      this.events += 1;
      what.happen();
      return true;
    }
  }
}

class Call implements Happening {
  readonly isOff = false;
  readonly happen: () => void;

  constructor(run: () => void) {
    this.happen = run;
  }
}

/** A timer by its process's machine's clock. It waits while the process is frozen, and never rings once it was called off. */
export class Timer implements Happening {
  isOff = false;
  readonly #process: Process;
  readonly #dueMs: number;
  readonly #run: () => void;

  constructor(process: Process, dueMs: number, run: () => void) {
    this.#process = process;
    this.#dueMs = dueMs;
    this.#run = run;
  }

  happen(): void {
    const process = this.#process;
    if (process.runs) this.#ring();
    else process.deliver(() => this.#ring());
  }

  #ring(): void {
    if (this.isOff) return;
    const { scheduler, machine } = this.#process;
    // The clock stood still in between: it is not time yet.
    const leftMs = this.#dueMs - machine.nowMs();
    if (leftMs > 1e-6) scheduler.plan(scheduler.nowMs + leftMs / machine.rate, this);
    else this.#run();
  }

  cancel(): void {
    this.isOff = true;
  }
}

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

  get runs(): boolean {
    return this.#alive && !this.#frozen;
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

  /** A timer by this machine's clock. */
  after(delayMs: number, run: () => void): Timer {
    const { scheduler, machine } = this;
    const waitMs = Math.max(0, delayMs);
    const timer = new Timer(this, machine.nowMs() + waitMs, run);
    scheduler.plan(scheduler.nowMs + waitMs / machine.rate, timer);
    return timer;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const timer = this.after(delayMs, resolve);
      signal?.addEventListener('abort', () => {
        timer.cancel();
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
