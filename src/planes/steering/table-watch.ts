import type { Clock } from '../../base/clock.ts';
import type { Coordination, WatchEvent } from '../../ports/coordination.ts';

export interface TableWatchOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  /** The key of the route table. */
  readonly key: string;
  readonly rereadEveryMs: number;
  readonly retryStoreMs: number;
  readonly onTable: (text: string) => void;
}

/**
 * Follows the route table in the store: read, watch from there, read again when the watch ends, and every so often anyway.
 * It only ever reports tables. Losing the store, or the key, reports nothing: whoever holds the last table keeps it.
 */
export class TableWatch {
  readonly #options: TableWatchOptions;
  readonly #stopping = new AbortController();
  #confirmedAtMs: number | null = null;
  #trouble: string | null = 'not read yet';

  constructor(options: TableWatchOptions) {
    this.#options = options;
    void this.#run();
  }

  /** When the store last confirmed what we hold (null = never), and what is wrong with the store now (null = nothing). */
  get store(): { readonly confirmedAtMs: number | null; readonly trouble: string | null } {
    return { confirmedAtMs: this.#confirmedAtMs, trouble: this.#trouble };
  }

  /** Nothing is reported after this. A call to the store that is under way ends by its own timeout. */
  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const revision = await this.#read();
      if (revision === null) await this.#pause(this.#options.retryStoreMs);
      else await this.#watchFrom(revision + 1);
    }
  }

  /** Returns the revision of what was read; null when the store did not answer. */
  async #read(): Promise<number | null> {
    const { coordination, clock, key, onTable } = this.#options;
    const outcome = await coordination.txn([], [{ get: key }]);
    if (outcome.kind !== 'done') {
      this.#trouble = outcome.why;
      return null;
    }
    if (this.#stopping.signal.aborted) return null;
    const found = outcome.value.responses[0]?.[0];
    this.#confirmedAtMs = clock.nowMs();
    this.#trouble = found === undefined ? 'the store holds no route table' : null;
    if (found !== undefined) onTable(found.value);
    return outcome.value.revision;
  }

  /** Watches until the watch ends or the store fails a re-read. */
  async #watchFrom(revision: number): Promise<void> {
    const { coordination, key, rereadEveryMs } = this.#options;
    const ended = new AbortController();
    const onStop = () => ended.abort();
    this.#stopping.signal.addEventListener('abort', onStop);
    const stopWatch = coordination.watch(key, revision, {
      onEvents: (events) => this.#onEvents(events),
      onEnd: (why) => {
        this.#trouble = why;
        ended.abort();
      },
    });
    while (!ended.signal.aborted) {
      await this.#pause(rereadEveryMs, ended.signal);
      if (!ended.signal.aborted && (await this.#read()) === null) break;
    }
    stopWatch();
    this.#stopping.signal.removeEventListener('abort', onStop);
    // A store that ends every watch at once must not be asked in a tight loop.
    if (!this.#stopping.signal.aborted) await this.#pause(this.#options.retryStoreMs);
  }

  #onEvents(events: readonly WatchEvent[]): void {
    for (const event of events) {
      if (event.kind !== 'put' || event.kv.key !== this.#options.key) continue;
      this.#confirmedAtMs = this.#options.clock.nowMs();
      this.#trouble = null;
      this.#options.onTable(event.kv.value);
    }
  }

  async #pause(delayMs: number, signal: AbortSignal = this.#stopping.signal): Promise<void> {
    if (signal.aborted) return;
    try {
      await this.#options.clock.sleep(delayMs, signal);
    } catch {
      // Stopped while sleeping; the loops look at the signal.
    }
  }
}
