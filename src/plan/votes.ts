import type { PlanProblem } from './problem.ts';

const at = (list: Float64Array, index: number): number => list[index] as number;

/**
 * The cheapest place that may vote beside a set: apart from each of its candidates, and not much farther from any than the two farthest are apart, so
 * that its vote comes hardly later than theirs. -1: there is none. A problem that asks for no vote has a free one.
 */
export function voterOf(
  { votes, candidates, betweenMs }: PlanProblem,
  set: readonly number[],
): { place: number; usd: number } {
  if (votes === null) return { place: -1, usd: 0 };
  const n = candidates.length;
  let widest = 0;
  for (const a of set) for (const b of set) widest = Math.max(widest, at(betweenMs, a * n + b));
  const limit = widest + votes.slackMs;
  for (let place = 0; place < votes.usd.length; place++)
    if (set.every((r) => at(votes.ms, place * n + r) <= limit)) return { place, usd: at(votes.usd, place) };
  return { place: -1, usd: Infinity };
}

/** What a vote costs at least, beside any set. */
export const leastVoteUsd = ({ votes }: PlanProblem): number => votes?.usd[0] ?? 0;
