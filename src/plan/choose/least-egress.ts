const at = (list: Float64Array, index: number): number => list[index] as number;

/** No share of users. */
const SPENT = -1;

/**
 * What the traffic to users costs a set at least, when no member has more of them than its share in `caps`, which is used up: all users where it is cheapest first.
 * The caps add up to 1 or more, but for rounding: what is left in the end is nobody.
 */
export function leastEgressUsd(members: readonly number[], egressUsd: Float64Array, caps: Float64Array): number {
  let [left, usd] = [1, 0];
  for (let round = 0; round < members.length && left > 0; round++) {
    let [cheapest, best] = [Infinity, 0];
    for (let m = 0; m < members.length; m++) {
      const price = at(egressUsd, members[m] as number);
      if (at(caps, m) !== SPENT && price < cheapest) [cheapest, best] = [price, m];
    }
    const served = Math.min(left, Math.max(0, at(caps, best)));
    usd += served * cheapest;
    left -= served;
    caps[best] = SPENT;
  }
  return usd;
}
