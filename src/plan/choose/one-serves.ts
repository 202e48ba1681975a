import { millionths, type PlanProblem } from '../problem.ts';
import { instances } from './measures.ts';
import type { Pair, Ranked } from './ranked.ts';

const at = (list: Float64Array, index: number): number => list[index] as number;

type Offer = (order: Pair, usd: number, coverage: number, worst: number) => void;

/**
 * Every order of a set of positions of which one serves, that is allowed and keeps objectives and worst loss: who is primary decides who is in time, and most of the
 * cost; who stands by first decides what its loss does. The money is without the vote.
 */
export function eachOrder(problem: PlanProblem, ranked: Ranked, members: readonly number[], offer: Offer): void {
  const { n, fixedUsd, unitUsd, egressUsd, transferUsd } = ranked;
  const first = ranked.single[0] as Float64Array;
  const { units, standbyShare } = problem.cost;
  const machines = standbyShare === 0 ? 0 : instances(units, standbyShare);
  let standingUsd = 0;
  for (const member of members) standingUsd += at(fixedUsd, member) + at(unitUsd, member) * machines;
  for (const primary of members) {
    if (!servesAlone(problem, ranked, primary)) continue;
    let usd = standingUsd + at(unitUsd, primary) * (units - machines) + at(egressUsd, primary);
    for (const member of members) usd += at(transferUsd, primary * n + member);
    const coverage = at(first, primary);
    for (const standby of members) {
      const writeMs = at(ranked.writeMs, primary * n + standby);
      const worst = Math.min(coverage, at(first, standby));
      if (standby === primary || writeMs === Infinity) continue;
      if (problem.worstShare !== null && millionths(worst) < millionths(problem.worstShare)) continue;
      offer({ primary, standby, writeMs }, usd, coverage, worst);
    }
  }
}

function servesAlone({ objectives }: PlanProblem, { single }: Ranked, r: number): boolean {
  for (let o = 0; o < objectives.length; o++)
    if (millionths(at(single[o] as Float64Array, r)) < millionths(objectives[o]?.share ?? 0)) return false;
  return true;
}
