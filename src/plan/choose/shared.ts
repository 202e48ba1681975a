import type { CostModel } from '../problem.ts';
import { instances } from './measures.ts';

const at = (list: Float64Array, index: number): number => list[index] as number;

export type Distances = Float64Array | Uint16Array;

/**
 * `into`, at nearest * size + second nearest: the share of users who go from one to the other when the first is lost. `rows`: per member of a set how
 * far it is from each population, in milliseconds or by rank; of equally near ones the earlier member serves.
 */
export function countMoves(rows: readonly Distances[], weights: Float64Array, into: Float64Array): void {
  const size = rows.length;
  into.fill(0, 0, size * size);
  for (let p = 0; p < weights.length; p++) {
    let [first, second, least, next] = [0, 0, Infinity, Infinity];
    for (let m = 0; m < size; m++) {
      const far = (rows[m] as Distances)[p] as number;
      if (far < least) {
        second = first;
        next = least;
        first = m;
        least = far;
      } else if (far < next) {
        second = m;
        next = far;
      }
    }
    const way = first * size + second;
    into[way] = at(into, way) + at(weights, p);
  }
}

/**
 * What a set costs whose members all serve, each sized for its users and those of any one that is lost; without the stream of changes and the vote.
 * `members` are indexes into the prices, `moved` is what `countMoves` counted.
 */
export function sharedUsd(
  { fixedUsd, unitUsd, egressUsd }: Pick<CostModel, 'fixedUsd' | 'unitUsd' | 'egressUsd'>,
  units: number,
  members: readonly number[],
  moved: Float64Array,
): number {
  const size = members.length;
  let usd = 0;
  for (let m = 0; m < size; m++) {
    const member = members[m] as number;
    let [load, most] = [0, 0];
    for (let other = 0; other < size; other++) {
      load += at(moved, m * size + other);
      most = Math.max(most, at(moved, other * size + m));
    }
    usd += at(fixedUsd, member) + at(egressUsd, member) * load;
    usd += at(unitUsd, member) * instances(units, load + most);
  }
  return usd;
}
