import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { type Result, err, ok } from '../../base/result.ts';
import type { Change, Engine, EngineLease, Evaluated, Fault } from '../engine/engine.ts';
import { LeaseDeadlines } from '../engine/lease-deadlines.ts';
import type { Watches } from '../engine/watches.ts';
import { type OpenedStore, compactDataDir } from './data-dir.ts';
import type { Log } from './log.ts';

/** A refusal of the engine, or `disk-full`: the disk refused and nothing of the request is stored. */
export type StoreFault = Fault | { readonly code: 'disk-full'; readonly why: string };
type Evaluate = (engine: Engine) => Result<Evaluated<unknown>, Fault>;

/** What happened in the store that a person may want to read. Never holds a value or a token. */
export type StoreEvent =
  | { readonly event: 'disk-refused'; readonly why: string }
  | { readonly event: 'disk-lost'; readonly why: string }
  | { readonly event: 'snapshot'; readonly seq: number; readonly bytes: number }
  | { readonly event: 'snapshot-failed'; readonly why: string }
  | { readonly event: 'lease-expired'; readonly lease: string }
  | { readonly event: 'paused'; readonly forMs: number };

export interface StoreHooks {
  readonly clock: Pick<Clock, 'nowMs' | 'wallMs'>;
  readonly tell: (event: StoreEvent) => void;
  /** The disk can no longer be trusted: answer nobody, end the process, read the disk again. */
  readonly lost: (why: string) => void;
}

interface Job {
  readonly evaluate: Evaluate;
  readonly settle: (answer: Result<unknown, StoreFault>) => void;
}

const TICK_MS = 50;
/** A tick this much later than planned is a pause (P2.4). */
const LATE_MS = 100;
/** Requests carried out and synced together. */
const MAX_BATCH = 256;
const MAX_LOG_BYTES = 4 * 1024 * 1024;

/**
 * The engine with a disk under it. Requests run one after another; those that arrive while the disk syncs wait and
 * are then synced together. An answer leaves only after everything it could have seen is on disk, reads included.
 */
export class Store {
  readonly clusterId: string;
  readonly watches: Watches;
  readonly #engine: Engine;
  readonly #dataDir: string;
  readonly #hooks: StoreHooks;
  readonly #unlock: () => Promise<void>;
  readonly #deadlines: LeaseDeadlines;
  readonly #expiring = new Set<string>();
  readonly #ticks: NodeJS.Timeout;
  #log: Log;
  #queue: Job[] = [];
  #running: Promise<void> | null = null;
  #lost = false;
  #snapshotAtBytes = MAX_LOG_BYTES;
  #tickedMs: number;

  constructor(opened: OpenedStore, dataDir: string, hooks: StoreHooks) {
    this.clusterId = opened.clusterId;
    this.watches = opened.watches;
    this.#engine = opened.engine;
    this.#log = opened.log;
    this.#unlock = opened.unlock;
    this.#dataDir = dataDir;
    this.#hooks = hooks;
    this.#tickedMs = hooks.clock.nowMs();
    this.#deadlines = new LeaseDeadlines(TICK_MS + LATE_MS, this.#tickedMs, hooks.clock.wallMs());
    // P2.4: after a restart every lease has a full TTL.
    for (const { id, ttlSeconds } of opened.engine.state().leases) {
      this.#deadlines.start(id, ttlSeconds * 1000, this.#tickedMs);
    }
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Size of keys and values, and of the log. */
  get sizes(): { readonly stateBytes: number; readonly logBytes: number } {
    return { stateBytes: this.#engine.bytes, logBytes: this.#log.length };
  }

  /**
   * Carries out one request; resolves when its effect, and all that it saw, is on disk.
   * Never resolves after the disk was lost: the process is ending, and nobody knows whether it happened.
   */
  run<T>(evaluate: (engine: Engine) => Result<Evaluated<T>, Fault>): Promise<Result<T, StoreFault>> {
    return new Promise((resolve) => {
      if (this.#lost) return;
      this.#queue.push({ evaluate, settle: (answer) => resolve(answer as Result<T, StoreFault>) });
      this.#running ??= this.#work();
    });
  }

  /**
   * The lease with a full TTL from now, or null when it is gone. Needs no disk: a restart gives a full TTL anyway.
   * Call `renewed` again when the answer was handed to the network.
   */
  keepAlive(leaseId: string): EngineLease | null {
    const lease = this.#engine.lease(leaseId);
    if (lease !== null) this.renewed(leaseId);
    return lease;
  }

  renewed(leaseId: string): void {
    this.#deadlines.renew(leaseId, this.#hooks.clock.nowMs());
  }

  /** Finishes what was asked, then closes the log and gives the directory free. */
  async close(): Promise<void> {
    clearInterval(this.#ticks);
    while (this.#running !== null) await this.#running;
    await this.#log.close();
    await this.#unlock();
  }

  async #work(): Promise<void> {
    // The first request waits for the end of this turn, so that those that arrived with it share its sync.
    await new Promise(setImmediate);
    while (this.#queue.length > 0 && !this.#lost) {
      await this.#batch(this.#queue.splice(0, MAX_BATCH));
      if (this.#log.length > this.#snapshotAtBytes) await this.#snapshot();
    }
    this.#running = null;
  }

  async #batch(jobs: readonly Job[]): Promise<void> {
    const answers = jobs.map((job) => job.evaluate(this.#engine));
    const changes = answers.flatMap((answer) =>
      answer.ok && answer.value.change !== null ? [answer.value.change] : [],
    );
    if (changes.length > 0) {
      const appended = await this.#log.append(changes);
      if (appended !== 'synced') {
        if ('lost' in appended) this.#fail(appended.lost);
        else this.#refuse(jobs, appended.refused);
        return;
      }
    }
    this.#engine.settle();
    for (const change of changes) this.#publish(change);
    for (const [at, job] of jobs.entries()) {
      const answer = answers[at];
      if (answer !== undefined) job.settle(answer.ok ? ok(answer.value.value) : answer);
    }
  }

  #publish(change: Change): void {
    if (change.kind === 'grant') {
      this.#deadlines.start(change.lease, change.ttlSeconds * 1000, this.#hooks.clock.nowMs());
    }
    if (change.kind === 'revoke') this.#deadlines.drop(change.lease);
    this.watches.publish(change);
  }

  /** The disk took nothing of the batch. Requests that change nothing are answered all the same. */
  #refuse(jobs: readonly Job[], why: string): void {
    this.#engine.rollback();
    this.#hooks.tell({ event: 'disk-refused', why });
    for (const job of jobs) {
      const answer = job.evaluate(this.#engine);
      const writes = answer.ok && answer.value.change !== null;
      this.#engine.rollback();
      if (writes) job.settle(err({ code: 'disk-full', why: `nothing was stored: ${why}` }));
      else job.settle(answer.ok ? ok(answer.value.value) : answer);
    }
  }

  #fail(why: string): void {
    this.#lost = true;
    clearInterval(this.#ticks);
    this.#hooks.tell({ event: 'disk-lost', why });
    this.#hooks.lost(why);
  }

  async #snapshot(): Promise<void> {
    try {
      this.#log = await compactDataDir(this.#dataDir, this.clusterId, this.#engine, this.#log);
      this.#snapshotAtBytes = MAX_LOG_BYTES;
      this.#hooks.tell({ event: 'snapshot', seq: this.#log.seq, bytes: this.#engine.bytes });
    } catch (error) {
      // The log goes on; try again when it has grown by a quarter.
      this.#snapshotAtBytes = this.#log.length + MAX_LOG_BYTES / 4;
      this.#hooks.tell({ event: 'snapshot-failed', why: messageOf(error) });
    }
  }

  #tick(): void {
    const nowMs = this.#hooks.clock.nowMs();
    const forMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    if (this.#deadlines.look(nowMs, this.#hooks.clock.wallMs())) this.#hooks.tell({ event: 'paused', forMs });
    for (const id of this.#deadlines.due(nowMs)) if (!this.#expiring.has(id)) void this.#expire(id);
  }

  /** Ends a lease unless it was renewed while its end waited in the queue, or the process stood still meanwhile. */
  async #expire(id: string): Promise<void> {
    this.#expiring.add(id);
    const ended = await this.run<boolean>((engine) => {
      const { clock } = this.#hooks;
      const nowMs = clock.nowMs();
      this.#deadlines.look(nowMs, clock.wallMs());
      if (!this.#deadlines.isDue(id, nowMs)) return ok({ value: false, change: null });
      const revoked = engine.revoke(id);
      return revoked.ok ? ok({ value: true, change: revoked.value.change }) : revoked;
    });
    this.#expiring.delete(id);
    if (ended.ok && ended.value) this.#hooks.tell({ event: 'lease-expired', lease: id });
  }
}
