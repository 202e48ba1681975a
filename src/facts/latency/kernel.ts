/** One measured pair of places, by index, and whose network carried it. */
export interface Observed {
  readonly i: number;
  readonly j: number;
  readonly network: number;
}

/** How alike places are, at a * count + b: as ends of a pair, and as ends by themselves. */
export interface Likeness {
  readonly count: number;
  readonly pair: Float64Array;
  readonly end: Float64Array;
}

/** What two pairs have in common: by both ends, by one end, and how much of either every network shares. */
export interface Variances {
  readonly pair: number;
  readonly end: number;
  readonly shared: number;
}

/** The pairs of some places that one set of observations is about: all of them, or one network's. */
interface Block {
  readonly share: number;
  readonly count: number;
  readonly pair: Float64Array;
  readonly end: Float64Array;
  /** Which observations, and the indexes of their places in this block. */
  readonly rows: Int32Array;
  readonly i: Int32Array;
  readonly j: Int32Array;
  readonly weights: Float64Array;
  readonly half: Float64Array;
  readonly sums: Float64Array;
  readonly ends: Float64Array;
}

/**
 * The covariance of the observations, applied without being written out: two pairs are alike when both their ends are, so their matrix is a product
 * over the places, and those are few. What all networks share is one block; what only one has is a smaller block of its own places.
 */
export class Covariance {
  private readonly blocks: readonly Block[];
  private readonly variances: Variances;

  constructor(observations: readonly Observed[], likeness: Likeness, networks: number, variances: Variances) {
    const all = blockOf(observations, [...observations.keys()], likeness, variances.shared);
    const own = Array.from({ length: networks }, (_, network) => {
      const rows = [...observations.keys()].filter((row) => observations[row]?.network === network);
      return blockOf(observations, rows, likeness, 1 - variances.shared);
    });
    this.blocks = [all, ...own];
    this.variances = variances;
  }

  times(x: Float64Array): Float64Array {
    const y = new Float64Array(x.length);
    for (const block of this.blocks) addProduct(block, this.variances, x, y);
    return y;
  }
}

function blockOf(
  observations: readonly Observed[],
  rows: readonly number[],
  { count: all, pair, end }: Likeness,
  share: number,
): Block {
  const local = new Map<number, number>();
  const indexOf = (place: number): number => {
    const found = local.get(place) ?? local.size;
    local.set(place, found);
    return found;
  };
  const i = Int32Array.from(rows, (row) => indexOf(observations[row]?.i ?? 0));
  const j = Int32Array.from(rows, (row) => indexOf(observations[row]?.j ?? 0));
  const places = [...local.keys()];
  const count = places.length;
  const square = (of: Float64Array): Float64Array =>
    Float64Array.from(places.flatMap((a) => places.map((b) => of[a * all + b] as number)));
  const list = (length: number): Float64Array => new Float64Array(length);
  return {
    share,
    count,
    pair: square(pair),
    end: square(end),
    rows: Int32Array.from(rows),
    i,
    j,
    weights: list(count * count),
    half: list(count * count),
    sums: list(count),
    ends: list(count),
  };
}

const at = (list: Float64Array, index: number): number => list[index] as number;
const whole = (list: Int32Array, index: number): number => list[index] as number;

function addProduct(block: Block, variances: Variances, x: Float64Array, y: Float64Array): void {
  const { count, rows, i: first, j: second, weights, sums } = block;
  weights.fill(0);
  sums.fill(0);
  for (let k = 0; k < rows.length; k++) {
    const [i, j, weight] = [whole(first, k), whole(second, k), at(x, whole(rows, k))];
    weights[i * count + j] = at(weights, i * count + j) + weight;
    weights[j * count + i] = at(weights, j * count + i) + weight;
    sums[i] = at(sums, i) + weight;
    sums[j] = at(sums, j) + weight;
  }
  multiply(block);
  const { half, ends, pair } = block;
  for (let k = 0; k < rows.length; k++) {
    const [i, j] = [whole(first, k) * count, whole(second, k) * count];
    let both = 0;
    for (let c = 0; c < count; c++) both += at(half, i + c) * at(pair, j + c);
    const one = at(ends, whole(first, k)) + at(ends, whole(second, k));
    const row = whole(rows, k);
    y[row] = at(y, row) + block.share * (variances.pair * both + variances.end * one);
  }
}

/** `half` = pair * weights, `ends` = end * sums. */
function multiply({ count, pair, end, weights, half, sums, ends }: Block): void {
  half.fill(0);
  for (let a = 0; a < count; a++) {
    const to = a * count;
    let sum = 0;
    for (let b = 0; b < count; b++) {
      sum += at(end, to + b) * at(sums, b);
      const factor = at(pair, to + b);
      const from = b * count;
      for (let c = 0; c < count; c++) half[to + c] = at(half, to + c) + factor * at(weights, from + c);
    }
    ends[a] = sum;
  }
}
