import type { Clock } from '../base/clock.ts';
import type { RegionDatabase } from '../ports/database.ts';

/**
 * Commits a row again and again while this node is the open primary, the way an application would: the proof that it
 * serves (P3.4), and how old a replica's data is. One at a time: a commit that waits for standbys is joined, not repeated.
 */
export class Heartbeat {
  readonly #database: RegionDatabase;
  readonly #clock: Clock;
  readonly #everyMs: number;
  #running = false;
  #committed = 0;
  #lastOkAtMs = 0;
  #waitingSinceMs: number | null = null;

  constructor(database: RegionDatabase, clock: Clock, everyMs: number) {
    this.#database = database;
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  get committed(): number {
    return this.#committed;
  }

  /** Milliseconds since the last heartbeat was committed, or since the reign opened. */
  ageMs(): number {
    return this.#clock.nowMs() - this.#lastOkAtMs;
  }

  get lastOkAtMs(): number {
    return this.#lastOkAtMs;
  }

  /** Since when a commit waits; null when none does. */
  get waitingSinceMs(): number | null {
    return this.#waitingSinceMs;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#lastOkAtMs = this.#clock.nowMs();
    void this.#beat();
  }

  stop(): void {
    this.#running = false;
  }

  async #beat(): Promise<void> {
    while (this.#running) {
      const startedAtMs = this.#clock.nowMs();
      this.#waitingSinceMs ??= startedAtMs;
      const beat = await this.#database.heartbeat(1_000);
      if (beat.kind === 'done') {
        this.#committed += 1;
        // Counted from when it was sent: a commit proves that the set confirmed after that moment, not at the reply (P2.1).
        // It may have been sent by an earlier call, which gave up waiting for it.
        this.#lastOkAtMs = Math.max(this.#lastOkAtMs, beat.value.sentAtMs);
        this.#waitingSinceMs = null;
      }
      await this.#clock.sleep(Math.max(20, this.#everyMs - (this.#clock.nowMs() - startedAtMs)));
    }
    this.#waitingSinceMs = null;
  }
}
