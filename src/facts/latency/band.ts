/** `measured`: from a table or by the user. `triangulated`: from measured regions near both ends. `distance`: from kilometres along cables. */
export type LatencyMethod = 'measured' | 'triangulated' | 'distance';

export interface Band {
  readonly lowMs: number;
  readonly highMs: number;
}

/** An end farther than this from every measured region is not triangulated. */
const TRIANGULATED_KM = 1_500;

/**
 * Half widths by how far the farther end is from a measured region, in km: at least so many milliseconds, and so large a share of the value.
 * Each holds nine of ten pairs left out of the tables (`npm run bench:facts` prints the shares).
 */
const HALF_WIDTHS = [
  { withinKm: 100, leastMs: 5, share: 0.11 },
  { withinKm: 600, leastMs: 5, share: 0.13 },
  { withinKm: TRIANGULATED_KM, leastMs: 8, share: 0.15 },
  { withinKm: Number.POSITIVE_INFINITY, leastMs: 20, share: 0.28 },
] as const;
/** Where the provider itself has nothing measured this near, its network may take another way than its neighbours' do. */
const OWN_KM = 600;
const FOREIGN_WIDER = 1.5;

/**
 * The band of an estimate of `ms`; nothing is faster than `floorMs`. `toAnchorKm`: from the farther end to any measured region;
 * `toOwnKm`: to one of the provider that carries the traffic, infinite when that is nobody.
 */
export function bandOf(
  ms: number,
  floorMs: number,
  toAnchorKm: number,
  toOwnKm: number,
): { readonly method: LatencyMethod; readonly band: Band } {
  const { leastMs, share } = HALF_WIDTHS.find(({ withinKm }) => toAnchorKm <= withinKm) ?? HALF_WIDTHS[3];
  const half = Math.max(leastMs, share * ms) * (toOwnKm > OWN_KM ? FOREIGN_WIDER : 1);
  return {
    method: toAnchorKm <= TRIANGULATED_KM ? 'triangulated' : 'distance',
    band: { lowMs: round(Math.max(floorMs, ms - half)), highMs: round(ms + half) },
  };
}

/** A measured value drifts: tables of the same paths five years apart differ by 17 % in one of ten pairs. */
export function measuredBand(ms: number, yearsOld: number): Band {
  const half = Math.max(2, ms * (0.08 + 0.02 * Math.max(0, yearsOld)));
  return { lowMs: round(Math.max(0, ms - half)), highMs: round(ms + half) };
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
