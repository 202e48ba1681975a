import type { LedgerRow } from '../ledger.ts';

export interface RecoveryWindow {
  /** When the fault was proven effective. */
  readonly t0Ms: number;
  /** When the observation ended: no intention later than this is in the ledger. */
  readonly endMs: number;
  /** How long service must hold to count as stable. */
  readonly windowMs: number;
}

/** How one stream (one cohort, one kind of request) came back. Times are milliseconds after `t0` unless named otherwise. */
export interface Recovery {
  /** From t0 to the first answer of the stable window; null when the stream never became stable. */
  readonly rtoMs: number | null;
  /** The same, from the first request that failed; null when none did. */
  readonly clientPerceivedMs: number | null;
  /** Sum of the 100 ms buckets in which less than half of the requests succeeded. */
  readonly unavailableMs: number;
  readonly requests: number;
  readonly failed: number;
  /** Slowest acknowledged request intended after t0, from its intended time. */
  readonly slowestMs: number;
}

const BUCKET_MS = 100;
const SLO_FAILURES = 0.001;
/** No answer for so long, with requests due, is no service, also when all of them are answered in the end. */
const STANDSTILL_MS = 1_000;

/**
 * RTO of one stream: t_stable - t0. t_stable is the first acknowledged request from which on, for the whole window, at
 * least 99.9 % succeed (or all but one), with no bucket below half until the end of the observation: a relapse counts.
 * The clock stops when that request was *answered*, and not before the last second without an answer is over, so a gateway that
 * parks requests does not look like an instant recovery.
 */
export function recoveryOf(rows: readonly LedgerRow[], window: RecoveryWindow): Recovery {
  const { t0Ms } = window;
  const after = rows.filter((row) => row.intendedMs >= t0Ms).toSorted((a, b) => a.intendedMs - b.intendedMs);
  const inFlight = rows.filter((row) => row.intendedMs < t0Ms && row.doneMs >= t0Ms);
  const failures = [...inFlight, ...after].filter((row) => row.outcome !== 'ok');
  const down = downBuckets(after, t0Ms);
  const stable = firstStable(after, down, window);
  const firstFailMs = Math.min(...failures.map((row) => Math.max(row.intendedMs, t0Ms)));
  return {
    rtoMs: stable === null ? null : stable.doneMs - t0Ms,
    clientPerceivedMs: stable === null || failures.length === 0 ? null : Math.max(0, stable.doneMs - firstFailMs),
    unavailableMs: down.length * BUCKET_MS,
    requests: inFlight.length + after.length,
    failed: failures.length,
    slowestMs: after.reduce((max, row) => (row.outcome === 'ok' ? Math.max(max, row.doneMs - row.intendedMs) : max), 0),
  };
}

/** Start times of the buckets in which less than half succeeded. A bucket without requests says nothing. */
function downBuckets(rows: readonly LedgerRow[], t0Ms: number): readonly number[] {
  const buckets = new Map<number, { ok: number; all: number }>();
  for (const row of rows) {
    const startMs = t0Ms + Math.floor((row.intendedMs - t0Ms) / BUCKET_MS) * BUCKET_MS;
    const bucket = buckets.get(startMs) ?? { ok: 0, all: 0 };
    bucket.all++;
    if (row.outcome === 'ok') bucket.ok++;
    buckets.set(startMs, bucket);
  }
  return [...buckets].filter(([, bucket]) => bucket.ok * 2 < bucket.all).map(([startMs]) => startMs);
}

function firstStable(
  sorted: readonly LedgerRow[],
  down: readonly number[],
  { t0Ms, endMs, windowMs }: RecoveryWindow,
): LedgerRow | null {
  const lastDownEndMs = Math.max(Number.NEGATIVE_INFINITY, ...down.map((startMs) => startMs + BUCKET_MS));
  const standstillEndMs = lastStandstillEnd(sorted, t0Ms);
  const failuresBefore = prefixFailures(sorted);
  let end = 0;
  for (const [start, row] of sorted.entries()) {
    const windowEndMs = row.intendedMs + windowMs;
    if (windowEndMs > endMs) return null;
    while (end < sorted.length && (sorted[end]?.intendedMs ?? windowEndMs) < windowEndMs) end++;
    const failures = (failuresBefore[end] ?? 0) - (failuresBefore[start] ?? 0);
    const holds = failures <= Math.max(1, (end - start) * SLO_FAILURES);
    const isLater = row.intendedMs >= lastDownEndMs && row.doneMs >= standstillEndMs;
    if (row.outcome === 'ok' && holds && isLater) return row;
  }
  return null;
}

/** When the last stretch without an answer ended in which at least two requests were due. */
function lastStandstillEnd(rows: readonly LedgerRow[], t0Ms: number): number {
  const answers = rows.filter((row) => row.outcome === 'ok').map((row) => row.doneMs);
  let [fromMs, lastEndMs] = [t0Ms, Number.NEGATIVE_INFINITY];
  for (const atMs of answers.toSorted((a, b) => a - b)) {
    const [beganMs, endedMs] = [fromMs, atMs];
    fromMs = atMs;
    if (endedMs - beganMs <= STANDSTILL_MS) continue;
    const due = rows.filter((row) => row.intendedMs >= beganMs && row.intendedMs < endedMs).length;
    if (due >= 2) lastEndMs = endedMs;
  }
  return lastEndMs;
}

/** `[i]` = failures among the first `i` rows. */
function prefixFailures(rows: readonly LedgerRow[]): readonly number[] {
  const sums = [0];
  let sum = 0;
  for (const row of rows) {
    if (row.outcome !== 'ok') sum++;
    sums.push(sum);
  }
  return sums;
}
