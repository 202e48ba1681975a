import type { PlaceId } from '../base/ids.ts';
import { regionFact } from '../facts/facts.ts';
import { sharedHazards } from '../facts/hazards.ts';
import { computePrice } from '../facts/prices.ts';
import type { PlanRequest } from '../spec/planning.ts';
import type { Base } from './build/base.ts';
import { rejectionOf } from './build/eligible.ts';
import type { Constraint } from './constraints.ts';
import { DEAREST, HOURS_A_MONTH, moneyOf, type Money } from './money.ts';
import type { Witness } from './plan.ts';
import type { PlanProblem, Votes } from './problem.ts';
import { voterOf } from './votes.ts';

/** A vote that comes this much later than those of the regions slows no failover that a user would notice. */
const SLACK_MS = 30;
/** A witness needs 2 processors of the 8 that the price is for. */
const MACHINE_SHARE = 1 / 4;

export interface Voters {
  readonly places: readonly PlaceId[];
  readonly votes: Votes;
}

export const witnessMoney = (base: Base, id: PlaceId): Money =>
  moneyOf(computePrice(base.facts, id, 'general'), HOURS_A_MONTH * MACHINE_SHARE, DEAREST.computeHour);

/**
 * Places for the vote that the regions cannot have between them: they hold no data. Allowed like the regions themselves, in no hard hazard zone of any
 * of them, and as far from each as they from each other. Null: the file has its own sites.
 */
export function votersOf(
  request: PlanRequest,
  base: Base,
  ids: readonly PlaceId[],
  left: ReadonlySet<Constraint>,
): Voters | null {
  if (!request.thirdVote) return null;
  const { facts } = base;
  const usdOf = (id: PlaceId): number => witnessMoney(base, id).usd * (1 + request.supportShare);
  // It runs nothing of the application.
  const asked = { ...request, services: [] };
  const places = base.ids
    .filter((id) => rejectionOf(id, asked, facts, left) === null)
    .map((id) => ({ id, usd: usdOf(id) }))
    .toSorted((a, b) => a.usd - b.usd || (a.id < b.id ? -1 : 1));
  const isApart = (a: PlaceId, b: PlaceId): boolean =>
    a !== b &&
    (left.has('minSeparation') || base.km(a, b) >= request.minSeparationKm) &&
    (left.has('hazards') || !sharedHazards(facts, a, b).some(({ antiAffinity }) => antiAffinity === 'hard'));
  const cells = (from: readonly PlaceId[], of: (a: PlaceId, b: PlaceId) => number): Float64Array =>
    Float64Array.from(from.flatMap((a) => ids.map((b) => of(a, b))));
  return {
    places: places.map(({ id }) => id),
    votes: {
      usd: Float64Array.from(places, ({ usd }) => usd),
      ms: cells(
        places.map(({ id }) => id),
        (a, b) => (isApart(a, b) ? base.rtt(a, b).ms : Infinity),
      ),
      slackMs: SLACK_MS,
    },
  };
}

/** The place that votes beside a choice; null: none is asked for, or none is left. */
export function witnessOf(
  request: PlanRequest,
  base: Base,
  voters: readonly PlaceId[],
  problem: PlanProblem,
  set: readonly number[],
): Witness | null {
  const id = voters[voterOf(problem, set).place];
  if (id === undefined) return null;
  const { place, country } = regionFact(base.facts, id);
  const ways = set.map((r) => base.rtt(id, problem.candidates[r] as PlaceId).ms);
  return {
    id,
    place,
    country,
    farthestMs: Math.max(...ways),
    usd: witnessMoney(base, id).usd,
    why: `the cheapest place that the file allows, ${request.minSeparationKm} km or more from each region, in no hard hazard zone of one, and at most ${SLACK_MS} ms farther from any than the regions are from each other`,
  };
}
