import { distanceKm, type Point } from '../geo.ts';
import { Covariance, type Observed } from './kernel.ts';

/** One measured pair, less what the way's length explains. */
export interface Residual {
  /** By `pairKey`. */
  readonly key: string;
  readonly a: Point;
  readonly b: Point;
  /** Milliseconds, for a way of full length. */
  readonly ms: number;
  /** Whose network carried it: `aws`. Residuals of one network say more about itself than about another. */
  readonly network: string;
  /** Standard deviation that the measurement itself may have, in milliseconds. */
  readonly noiseMs: number;
}

/** What measured pairs say about unmeasured ones. */
export interface ResidualModel {
  readonly fit: Fit;
  end(point: Point): End;
  /** Milliseconds to add to what the way's length explains, on `network`'s paths; null: on nobody's in particular. */
  at(a: End, b: End, network: string | null): number;
}

/** What the fit found about a pair: its weight, and how much it is believed, 0 to 1. */
export interface FittedPair {
  readonly weight: number;
  readonly trust: number;
}
export type Fit = ReadonlyMap<string, FittedPair>;

/** One end of a pair, computed once: reuse it for many pairs. */
export interface End {
  readonly nearPair: Float64Array;
  readonly nearEnd: Float64Array;
  /** By network: this end times the weights of the measured pairs. */
  readonly weighed: Map<string | null, Float64Array>;
}

/**
 * How alike two ends are by their distance: a mixture of exponentials, [share, kilometres]. A pair is like another when both of its ends
 * are (`PAIR`); apart from that an end has a share of its own in all its pairs (`END`), from its building's way to the backbone.
 * The numbers were chosen by hand on the tables of 2025; half or twice of any changes no error by more than a twentieth.
 */
const PAIR_KM = [
  [0.5, 1_000],
  [0.5, 10_000],
] as const;
const END_KM = [
  [0.5, 300],
  [0.5, 3_000],
] as const;
const PAIR_VARIANCE_MS2 = 700;
const END_VARIANCE_MS2 = 150;
/** How much of a residual is the same on every network. */
const SHARED = 0.8;
/** Ends nearer than this are one place: they see the same residuals but for noise. */
const SAME_PLACE_KM = 15;

const likeness = (km: number, mixture: readonly (readonly [number, number])[]): number =>
  mixture.reduce((sum, [share, scaleKm]) => sum + share * Math.exp(-km / scaleKm), 0);

interface Observation extends Observed {
  readonly ms: number;
  readonly varianceMs2: number;
}

/**
 * Gaussian process regression of the residuals (Rasmussen and Williams 2006, chapter 2), with the pair kernel above. The weights are
 * found by conjugate gradients, three times: after each, pairs that stay far off count less (Huber), so that a wrong row of a table
 * does not bend its neighbours. `known` is the fit of the same rows: it saves most of the time. With a row that it has not seen all rounds run
 * again, from there: what is new may be what is wrong.
 */
export function fitResiduals(residuals: readonly Residual[], known: Fit): ResidualModel {
  const networks = [...new Set(residuals.map(({ network }) => network))];
  const places: Point[] = [];
  const indexes = new Map<Point, number>();
  const indexOf = (point: Point): number => {
    const known = indexes.get(point);
    if (known !== undefined) return known;
    const near = places.findIndex((place) => distanceKm(place, point) < SAME_PLACE_KM);
    const found = near >= 0 ? near : places.push(point) - 1;
    indexes.set(point, found);
    return found;
  };
  const observations = residuals.map(({ a, b, ms, network, noiseMs }) => ({
    i: indexOf(a),
    j: indexOf(b),
    network: networks.indexOf(network),
    ms,
    varianceMs2: noiseMs ** 2,
  }));
  const square = (mixture: typeof PAIR_KM | typeof END_KM): Float64Array =>
    Float64Array.from(places.flatMap((a) => places.map((b) => likeness(distanceKm(a, b), mixture))));
  const covariance = new Covariance(
    observations,
    { count: places.length, pair: square(PAIR_KM), end: square(END_KM) },
    networks.length,
    { pair: PAIR_VARIANCE_MS2, end: END_VARIANCE_MS2, shared: SHARED },
  );
  const before = residuals.map(({ key }) => known.get(key));
  const { weights, trust } = solveRobustly(observations, covariance, before);
  const spread = spreadWeights(observations, weights, places.length, networks.length);
  const layerOf = (network: string | null): Layer => mix(spread, network === null ? -1 : networks.indexOf(network));
  const layers = new Map<string | null, Layer>([null, ...networks].map((network) => [network, layerOf(network)]));
  const ofUnknown = layerOf(null);
  return {
    fit: new Map(residuals.map(({ key }, i) => [key, { weight: weights[i] ?? 0, trust: trust[i] ?? 1 }])),
    end: (point) => ({
      nearPair: Float64Array.from(places, (place) => likeness(distanceKm(point, place), PAIR_KM)),
      nearEnd: Float64Array.from(places, (place) => likeness(distanceKm(point, place), END_KM)),
      weighed: new Map(),
    }),
    at(a, b, network) {
      const layer = layers.get(network) ?? ofUnknown;
      let row = a.weighed.get(network);
      if (row === undefined) {
        row = times(layer.pairs, a.nearPair);
        a.weighed.set(network, row);
      }
      return (
        PAIR_VARIANCE_MS2 * dot(row, b.nearPair) +
        END_VARIANCE_MS2 * (dot(layer.ends, a.nearEnd) + dot(layer.ends, b.nearEnd))
      );
    },
  };
}

/** Weights as seen from one network: by pair of places (symmetric), and summed by place. */
interface Layer {
  readonly pairs: readonly Float64Array[];
  readonly ends: Float64Array;
}

function spreadWeights(
  observations: readonly Observation[],
  weights: Float64Array,
  count: number,
  networks: number,
): readonly Layer[] {
  const layers = Array.from({ length: networks }, () => ({
    pairs: Array.from({ length: count }, () => new Float64Array(count)),
    ends: new Float64Array(count),
  }));
  for (const [index, { i, j, network }] of observations.entries()) {
    const weight = weights[index] ?? 0;
    const layer = layers[network];
    if (layer === undefined) continue;
    add(layer.pairs[i], j, weight);
    add(layer.pairs[j], i, weight);
    add(layer.ends, i, weight);
    add(layer.ends, j, weight);
  }
  return layers;
}

/** Own weights count in full, other networks' by what is shared. `own` -1: nobody's. */
function mix(layers: readonly Layer[], own: number): Layer {
  const count = layers[0]?.ends.length ?? 0;
  const pairs = Array.from({ length: count }, () => new Float64Array(count));
  const ends = new Float64Array(count);
  for (const [network, layer] of layers.entries()) {
    const share = network === own ? 1 : SHARED;
    for (let i = 0; i < count; i++) {
      add(ends, i, share * (layer.ends[i] ?? 0));
      const from = layer.pairs[i];
      for (let j = 0; j < count; j++) add(pairs[i], j, share * (from?.[j] ?? 0));
    }
  }
  return { pairs, ends };
}

const ROUNDS = 3;
const HUBER = 1.5;
const LEAST_TRUST = 0.02;

function solveRobustly(
  observations: readonly Observation[],
  covariance: Covariance,
  known: readonly (FittedPair | undefined)[],
): { readonly weights: Float64Array; readonly trust: Float64Array } {
  let weights: Float64Array = Float64Array.from(known, (pair) => pair?.weight ?? 0);
  const trust = Float64Array.from(known, (pair) => pair?.trust ?? 1);
  const isKnown = known.every((pair) => pair !== undefined);
  for (let round = isKnown ? ROUNDS - 1 : 0; round < ROUNDS; round++) {
    const noise = Float64Array.from(observations, ({ varianceMs2 }, i) => varianceMs2 / (trust[i] ?? 1));
    weights = conjugateGradients(observations, covariance, noise, weights);
    if (round === ROUNDS - 1) break;
    for (const [i, { varianceMs2 }] of observations.entries()) {
      const off = Math.abs((noise[i] ?? 0) * (weights[i] ?? 0)) / Math.sqrt(varianceMs2);
      trust[i] = Math.max(LEAST_TRUST, Math.min(1, HUBER / off));
    }
  }
  return { weights, trust };
}

const STEPS_MOST = 400;
const TOLERANCE = 3e-4;

/** Solves (covariance + noise) x = residuals. */
function conjugateGradients(
  observations: readonly Observation[],
  covariance: Covariance,
  noise: Float64Array,
  start: Float64Array,
): Float64Array {
  const apply = (x: Float64Array): Float64Array => {
    const y = covariance.times(x);
    for (let i = 0; i < y.length; i++) add(y, i, (noise[i] ?? 0) * (x[i] ?? 0));
    return y;
  };
  // The diagonal of the covariance is nearly constant; the noise is not.
  const scale = Float64Array.from(noise, (value) => 1 / (PAIR_VARIANCE_MS2 + 2 * END_VARIANCE_MS2 + value));
  const x = Float64Array.from(start);
  const product = apply(x);
  const rest = Float64Array.from(observations, ({ ms }, i) => ms - (product[i] ?? 0));
  let goal = Math.sqrt(observations.reduce((sum, { ms }) => sum + ms ** 2, 0)) * TOLERANCE;
  goal *= goal;
  let scaled = rest.map((value, i) => value * (scale[i] ?? 0));
  const direction = Float64Array.from(scaled);
  let size = dot(rest, scaled);
  for (let step = 0; step < STEPS_MOST && dot(rest, rest) > goal; step++) {
    const image = apply(direction);
    const length = size / dot(direction, image);
    for (let i = 0; i < x.length; i++) {
      add(x, i, length * (direction[i] ?? 0));
      add(rest, i, -length * (image[i] ?? 0));
    }
    scaled = rest.map((value, i) => value * (scale[i] ?? 0));
    const next = dot(rest, scaled);
    for (let i = 0; i < x.length; i++) direction[i] = (scaled[i] ?? 0) + (next / size) * (direction[i] ?? 0);
    size = next;
  }
  return x;
}

function add(to: Float64Array | undefined, index: number, value: number): void {
  if (to !== undefined) to[index] = (to[index] ?? 0) + value;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** A symmetric matrix times a vector. */
const times = (matrix: readonly Float64Array[], vector: Float64Array): Float64Array =>
  Float64Array.from(matrix, (row) => dot(row, vector));
