import type { PlaceId } from '../../base/ids.ts';
import { providerOf, regionFact, type Facts, type MeasuredRtt } from '../facts.ts';
import { distanceKm } from '../geo.ts';
import { createLatencyModel } from './model.ts';

/** One measured pair that the model was asked for without having seen it. */
export interface HeldOut {
  readonly a: PlaceId;
  readonly b: PlaceId;
  readonly trueMs: number;
  readonly ms: number;
  readonly method: string;
  readonly isInBand: boolean;
}

export interface Score {
  readonly pairs: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  /** Share of the variance of the true values that the estimates explain. */
  readonly r2: number;
  /** Median of estimate minus truth. */
  readonly biasMs: number;
  /** Share of the true values that lie in the band. */
  readonly inBand: number;
}

const SAME_METRO_KM = 100;

const ends = (key: string): readonly [PlaceId, PlaceId] => key.split('|') as [PlaceId, PlaceId];
const without = (facts: Facts, isLeft: (a: PlaceId, b: PlaceId, row: MeasuredRtt) => boolean): Facts => ({
  ...facts,
  // The fit of the packs has seen what is left out here.
  latencyFit: new Map(),
  rtts: new Map([...facts.rtts].filter(([key, row]) => isLeft(...ends(key), row))),
});

function ask(facts: Facts, held: readonly (readonly [string, MeasuredRtt])[]): HeldOut[] {
  const model = createLatencyModel(facts);
  return held.map(([key, row]) => {
    const [a, b] = ends(key);
    const { ms, method, band } = model.estimate(a, b);
    const isInBand = row.rttMs >= band.lowMs && row.rttMs <= band.highMs;
    return { a, b, trueMs: row.rttMs, ms, method, isInBand };
  });
}

/** Which rows the model may see besides those of the provider that is asked about. `metro`: others' rows, but none of the region's metro. */
export type Others = 'none' | 'metro' | 'all';

/** Every pair of a provider's table, each predicted twice: once without any row of its first region, once without its second. */
export function leaveOneRegionOut(facts: Facts, provider: string, others: Others): HeldOut[] {
  const table = [...facts.rtts].filter(([key]) => ends(key).every((id) => providerOf(id) === provider));
  const regions = [...new Set(table.flatMap(([key]) => ends(key)))].toSorted();
  return regions.flatMap((left) => {
    const isNear = (id: PlaceId) => distanceKm(regionFact(facts, id), regionFact(facts, left)) < SAME_METRO_KM;
    const seen = without(facts, (a, b) => {
      if (a === left || b === left) return false;
      if (providerOf(a) === provider && providerOf(b) === provider) return true;
      return others === 'all' || (others === 'metro' && !isNear(a) && !isNear(b));
    });
    return ask(
      seen,
      table.filter(([key]) => ends(key).includes(left)),
    );
  });
}

/** A provider's whole table, predicted from the tables of others. */
export function predictProvider(facts: Facts, provider: string, from: readonly string[]): HeldOut[] {
  const table = [...facts.rtts].filter(([key]) => ends(key).every((id) => providerOf(id) === provider));
  return ask(
    without(facts, (a, b) => from.includes(providerOf(a)) && from.includes(providerOf(b))),
    table,
  );
}

export function scoreOf(held: readonly HeldOut[]): Score {
  const errors = held.map(({ ms, trueMs }) => ms - trueMs);
  const mean = held.reduce((sum, { trueMs }) => sum + trueMs, 0) / held.length;
  const squares = (values: readonly number[]): number => values.reduce((sum, value) => sum + value * value, 0);
  return {
    pairs: held.length,
    medianMs: quantile(errors.map(Math.abs), 0.5),
    p90Ms: quantile(errors.map(Math.abs), 0.9),
    r2: 1 - squares(errors) / squares(held.map(({ trueMs }) => trueMs - mean)),
    biasMs: quantile(errors, 0.5),
    inBand: held.filter(({ isInBand }) => isInBand).length / held.length,
  };
}

/** Linear between the two nearest ranks. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = share * (sorted.length - 1);
  const low = sorted[Math.floor(rank)] ?? Number.NaN;
  const high = sorted[Math.ceil(rank)] ?? low;
  return low + (high - low) * (rank - Math.floor(rank));
}
