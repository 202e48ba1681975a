import { appendFileSync, closeSync, fsyncSync, openSync } from 'node:fs';
import type { LedgerLine, LedgerRow } from '../ledger.ts';
import { monotonicMs } from '../monotonic.ts';

/** How long a row may stay in memory: what a killed load process can lose. */
const FLUSH_EVERY_MS = 20;

/**
 * Appends attempts to a ledger file. Rows are written every 20 ms and synced to disk at the end. A writer that is killed
 * leaves a ledger without its end line, which the checks treat as incomplete.
 */
export class LedgerWriter {
  readonly #fd: number;
  readonly #flusher: NodeJS.Timeout;
  #pending: string[] = [];
  #attempts = 0;

  constructor(path: string, drill: string) {
    this.#fd = openSync(path, 'ax', 0o600);
    this.#add({ kind: 'head', schema: 'farshore.ledger/v1', drill, startedMs: monotonicMs() });
    this.#flusher = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  record(row: LedgerRow): void {
    this.#attempts++;
    this.#add(row);
  }

  close(): void {
    clearInterval(this.#flusher);
    this.#add({ kind: 'end', attempts: this.#attempts, endedMs: monotonicMs() });
    this.#flush();
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  #add(line: LedgerLine): void {
    this.#pending.push(`${JSON.stringify(line)}\n`);
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    appendFileSync(this.#fd, this.#pending.join(''));
    this.#pending = [];
  }
}
