import { readFileSync, rmSync } from 'node:fs';
import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { type Ledger, type LedgerRow, parseLedger } from '../ledger.ts';
import type { CohortConfig, LoadConfig } from '../load/config.ts';
import { LoadProcess } from '../load/process.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import { isCalm, isStable } from './trial-watch.ts';

const BASELINE_MS = 3_000;
const CALM_WITHIN_MS = 30_000;
/** Longer than the longest drill: a bound for a load process whose drill forgot it. */
const LOAD_MAX_MS = 12 * 3_600_000;
const LOOK_EVERY_MS = 100;

/** The load of one trial, what its ledger says so far, and what can be awaited of it. Every wait ends when the signal fires. */
export class Traffic {
  readonly #cohorts: readonly CohortConfig[];
  readonly #files: { readonly ledger: string; readonly load: string };
  readonly #signal: AbortSignal;
  readonly #load: LoadProcess;
  readonly #rows: LedgerRow[] = [];

  constructor(
    about: Pick<LoadConfig, 'drill' | 'secretsPath' | 'cohorts'>,
    files: { readonly ledger: string; readonly load: string },
    signal: AbortSignal,
  ) {
    this.#cohorts = about.cohorts;
    this.#files = files;
    this.#signal = signal;
    const config = { schema: 'farshore.load/v1', ledgerPath: files.ledger, maxDurationMs: LOAD_MAX_MS } as const;
    this.#load = new LoadProcess({ ...config, ...about }, files.load);
  }

  get rows(): readonly LedgerRow[] {
    return this.#rows;
  }

  /** Resolves when every stream has worked for a while and nothing failed lately. Throws FSH_REFUSED when that does not come. */
  async calm(): Promise<void> {
    await this.#load.started();
    const streams = this.#cohorts.reduce((sum, cohort) => sum + (cohort.kind === 'sql' ? 1 : 2), 0);
    const isDone = () => isCalm(this.#rows, streams, BASELINE_MS);
    if (await this.until(isDone, monotonicMs() + CALM_WITHIN_MS)) return;
    throw new FarshoreError('FSH_REFUSED', `no drill: requests fail before anything is broken; ${this.#complaint()}`);
  }

  /** Waits until every stream of these regions has been stable for `windowMs`. False when it was not by `endMs`. */
  stable(t0Ms: number, regions: readonly PlaceId[], windowMs: number, endMs: number): Promise<boolean> {
    return this.until(() => isStable(this.#rows, t0Ms, regions, windowMs), endMs);
  }

  /** Looks again and again until `isDone` or `endMs`; reads the ledger on meanwhile. */
  async until(isDone: () => boolean | Promise<boolean>, endMs: number): Promise<boolean> {
    for (;;) {
      this.#rows.push(...this.#load.newRows());
      this.mustGoOn();
      if (await isDone()) return true;
      if (monotonicMs() > endMs) return false;
      await pause(LOOK_EVERY_MS, this.#signal);
    }
  }

  async linger(forMs: number): Promise<void> {
    await this.until(() => false, monotonicMs() + forMs);
  }

  /** Throws when the drill was interrupted or its load is gone: nothing more can be learned. */
  mustGoOn(): void {
    if (this.#signal.aborted) throw new FarshoreError('FSH_FAILED', 'interrupted; what is broken is being undone');
    if (!this.#load.running) throw new FarshoreError('FSH_FAILED', 'the load process ended in the middle of the drill');
  }

  /** Ends the schedule and lets the answers in flight come. */
  async stop(withinMs: number): Promise<void> {
    await this.#load.stop(withinMs);
    rmSync(this.#files.load, { force: true });
  }

  readLedger(): Ledger {
    return parseLedger(readFileSync(this.#files.ledger, 'utf8'));
  }

  #complaint(): string {
    const bad = this.#rows.findLast((row) => row.outcome !== 'ok');
    if (bad === undefined) return `${this.#rows.length} answers so far, not every kind of request among them`;
    return `${bad.op} of ${bad.cohort} said ${bad.code}`;
  }
}
