import type { Price } from '../facts/prices.ts';

/** US dollars with what they may be at least and at most. `usd` is the middle: what plans are compared by. */
export interface Money {
  readonly usd: number;
  readonly lowUsd: number;
  readonly highUsd: number;
  /** Which list, or why it is a range. */
  readonly source: string;
}

/** A month has so many hours in every provider's calculator. */
export const HOURS_A_MONTH = 730;
/** A load balancer with a health check and little traffic, US dollars a month, the same everywhere: list prices of 2025. */
export const LOAD_BALANCER: Money = { usd: 22, lowUsd: 16, highUsd: 28, source: 'an assumption for all providers' };

/**
 * What a price means for a sum. Unknown is no price of another region and not 0: `dearest` bounds it, and the sum says so.
 */
export function moneyOf(price: Price, times: number, dearestUsd: number): Money {
  if (price.kind === 'value') {
    const usd = price.usd * times;
    return { usd, lowUsd: usd, highUsd: usd, source: price.source };
  }
  const [low, high] = price.kind === 'range' ? [price.lowUsd, price.highUsd] : [0, dearestUsd];
  const source = price.kind === 'range' ? price.source : `unknown: ${price.why}`;
  return { usd: ((low + high) / 2) * times, lowUsd: low * times, highUsd: high * times, source };
}

/** Bounds for what no table has: US dollars an hour, a GiB and month, a GB sent. */
export const DEAREST = { computeHour: 1.5, storageGib: 0.4, sentGb: 0.3 } as const;
