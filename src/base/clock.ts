import type { ClocksAhead } from './clocks-ahead.ts';

/** Time comes in as an argument. `nowMs` is monotonic and shared by all processes of one machine (CLOCK_MONOTONIC). */
export interface Clock {
  /** Monotonic milliseconds, with fractions. Never compare across machines. */
  nowMs(): number;
  /** Milliseconds since 1970, for people to read; never for decisions. */
  wallMs(): number;
  /** The machine's other clocks, beside `nowMs` (P2.2). Missing: time that can't be suspended. */
  ahead?(): ClocksAhead;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}
