import type { LedgerRow } from '../ledger.ts';

/** Beyond this the generator, not the system, decided when requests were sent. */
const SEND_LAG_P99_MAX_MS = 50;

export interface SendLag {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly trustworthy: boolean;
}

/** How late the generator itself was: from when a request was due to when the generator got to it. */
export function sendLagOf(rows: readonly LedgerRow[]): SendLag {
  const lags = rows.map((row) => row.startedMs - row.intendedMs).toSorted((a, b) => a - b);
  const p99Ms = quantile(lags, 0.99);
  return {
    p50Ms: quantile(lags, 0.5),
    p99Ms,
    maxMs: lags.at(-1) ?? 0,
    trustworthy: lags.length > 0 && p99Ms <= SEND_LAG_P99_MAX_MS,
  };
}

/** Nearest-rank quantile of sorted numbers; 0 when there are none. */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? 0;
