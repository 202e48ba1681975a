import type { PlaceId } from '../base/ids.ts';
import type { Base } from './build/base.ts';
import type { Built } from './build/build.ts';
import { lookAt } from './look.ts';
import type { Robustness } from './plan.ts';
import { compareChoices, type Choice, type PlanProblem } from './problem.ts';

const TRIALS = 60;
/** Shares of countries are off by up to so much either way. */
const SHARE_ERROR = 0.2;

/** Numbers in [0, 1) by seed: mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * How often the best choice stays allowed, and stays the best of the list, when every round trip is drawn anew inside its error band (one draw for
 * each country and region) and every country's share up to 20 % more or less.
 */
export function robustnessOf(base: Base, built: Built, top: readonly Choice[], seed: number): Robustness {
  const next = randomOf(seed);
  const { problem } = built;
  let [holds, wins] = [0, 0];
  for (let trial = 0; trial < TRIALS; trial++) {
    const drawn = draw(base, built, top, next);
    const outcomes = top.flatMap((one) => lookAt(drawn, one.regions, one) ?? []);
    const [mine] = outcomes;
    if (mine === undefined || !mine.isAllowed) continue;
    holds += 1;
    const beaten = outcomes.some(
      ({ isAllowed, choice }) =>
        isAllowed && choice !== mine.choice && compareChoices(problem, choice, mine.choice) < 0,
    );
    if (!beaten) wins += 1;
  }
  return { trials: TRIALS, holds: holds / TRIALS, wins: wins / TRIALS, seed };
}

/** The problem with other figures in the columns of the list's regions; nobody looks at the rest. */
function draw(base: Base, { problem, ids }: Built, top: readonly Choice[], next: () => number): PlanProblem {
  const n = ids.length;
  const used = [...new Set(top.flatMap(({ regions }) => regions))];
  const countries = [...new Set(base.people.map(({ country }) => country))];
  const factor = new Map(countries.map((country) => [country, 1 + SHARE_ERROR * (2 * next() - 1)]));
  const weights = base.weights.map((weight, p) => weight * (factor.get(base.people[p]?.country ?? '') ?? 1));
  const total = weights.reduce((a, b) => a + b, 0);
  const latencyMs = new Float64Array(problem.latencyMs.length);
  for (const r of used) {
    const { low, high } = base.bands(ids[r] as PlaceId);
    const at = new Map(countries.map((country) => [country, next()]));
    for (const [p, { country }] of base.people.entries()) {
      const u = at.get(country) ?? 0.5;
      latencyMs[p * n + r] = (low[p] as number) + u * ((high[p] as number) - (low[p] as number));
    }
  }
  return { ...problem, weights: weights.map((weight) => weight / total), latencyMs };
}
