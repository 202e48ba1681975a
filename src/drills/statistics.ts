/** Distribution-free figures for a handful of trials: no mean, no standard deviation of something that is not normal. */
export interface Spread {
  readonly n: number;
  /** Trials that have no such figure, because it never came: they are in neither median nor maximum. */
  readonly never: number;
  readonly p50: number;
  readonly max: number;
  /** Interval that holds the median with at least 95 % confidence; null when n is too small to give one (below 6). */
  readonly p50Interval: readonly [number, number] | null;
}

/** Median (the mean of the middle two when n is even), maximum and the median's confidence interval from order statistics; null where all are. */
export function spreadOf(values: readonly (number | null)[]): Spread | null {
  const sorted = values.filter((value) => value !== null).toSorted((a, b) => a - b);
  const n = sorted.length;
  const low = sorted[Math.floor((n - 1) / 2)];
  const high = sorted[Math.ceil((n - 1) / 2)];
  const max = sorted[n - 1];
  if (low === undefined || high === undefined || max === undefined) return null;
  const rank = medianRank(n);
  const from = rank === null ? undefined : sorted[rank - 1];
  const to = rank === null ? undefined : sorted[n - rank];
  const never = values.length - n;
  return {
    n,
    never,
    p50: (low + high) / 2,
    max,
    p50Interval: from === undefined || to === undefined ? null : [from, to],
  };
}

/** The largest rank r (from 1) so that the r-th smallest to the r-th largest of n holds the median with 95 % confidence. */
export function medianRank(n: number): number | null {
  let tail = 0;
  let rank: number | null = null;
  for (let below = 0; below < n / 2; below++) {
    tail += binomialHalf(n, below);
    if (2 * tail > 0.05) break;
    rank = below + 1;
  }
  return rank;
}

/** Probability of exactly k heads in n tosses of a fair coin. */
function binomialHalf(n: number, k: number): number {
  let probability = 0.5 ** n;
  for (let i = 0; i < k; i++) probability *= (n - i) / (i + 1);
  return probability;
}

/** With no failure in n trials, the probability of failure is below this with 95 % confidence. */
export const zeroFailuresBound = (n: number): number => 1 - 0.05 ** (1 / n);

/** What a reader of a median must know: `, 2 never`. */
export const neverText = ({ never }: Spread): string => (never === 0 ? '' : `, ${never} never`);
