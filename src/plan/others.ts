import type { PlaceId } from '../base/ids.ts';
import { sharedHazards } from '../facts/hazards.ts';
import { DEFAULT_LATENCY, type PlanRequest } from '../spec/planning.ts';
import type { Base } from './build/base.ts';
import type { Built } from './build/build.ts';
import { lookAt, type Look } from './look.ts';
import type { Other } from './plan.ts';
import { compareChoices, millionths, type Choice, type PlanProblem } from './problem.ts';
import { voterOf } from './votes.ts';
import { limitText } from './limit.ts';

/** Why each region that is not in the plan is not: kept out by itself, or not better in any place of the plan. */
export function othersOf(request: PlanRequest, base: Base, built: Built, best: Choice): readonly Other[] {
  const { ids, rejected } = built;
  const kept = rejected.map(({ region, constraint, why, admit }) => ({ region, constraint, why, admit }));
  const open = ids.flatMap((region, r) =>
    best.regions.includes(r) ? [] : [{ region, ...reasonOf(request, base, built, best, r) }],
  );
  const byName = (a: Other, b: Other): number => (a.region < b.region ? -1 : 1);
  return [...open.toSorted(byName), ...kept.toSorted(byName)];
}

type Reason = Omit<Other, 'region'>;

function reasonOf(request: PlanRequest, base: Base, { problem, ids }: Built, best: Choice, r: number): Reason {
  const n = ids.length;
  const swaps: (Look & { readonly out: number })[] = [];
  let apart: Reason | null = null;
  let isFar = false;
  let isVoteless = false;
  for (const out of best.regions) {
    if (problem.pinned.includes(out)) continue;
    const stay = best.regions.filter((other) => other !== out);
    const against = stay.find((other) => problem.conflicts[r * n + other] === 1);
    if (against !== undefined) {
      apart ??= conflictOf(request, base, ids[r] as PlaceId, ids[against] as PlaceId);
      continue;
    }
    const set = [...stay, r].toSorted((a, b) => a - b);
    const look = lookAt(problem, set);
    if (look === null && voterOf(problem, set).usd === Infinity) isVoteless = true;
    else if (look === null) isFar = true;
    else swaps.push({ out, ...look });
  }
  const [swap] = swaps.toSorted(
    (a, b) =>
      Number(b.isAllowed) - Number(a.isAllowed) ||
      demandsLost(request, a.choice) - demandsLost(request, b.choice) ||
      compareChoices(problem, a.choice, b.choice),
  );
  if (swap === undefined) {
    if (best.regions.every((out) => problem.pinned.includes(out)))
      return { constraint: 'pin', why: 'every region of the plan is pinned', admit: 'fewer pins, or more regions' };
    if (apart !== null && !isFar) return apart;
    if (isVoteless && !isFar)
      return {
        constraint: 'regions',
        why: 'with it no place is left for a third vote that the file allows, that is apart and near enough',
        admit: 'a third vote of your own under `sites`',
      };
    return {
      constraint: 'syncWithin',
      why: `no region of the plan is within ${request.syncWithinMs} ms of it: with it no commit could wait for another region`,
      admit: 'a longer plan.syncWithin, or an RPO above 0',
    };
  }
  const usd = swap.choice.costUsd - best.costUsd;
  const points = (swap.choice.coverage - best.coverage) * 100;
  const place = ids[swap.out] ?? '';
  const delta = `${usd < 0 ? '-' : '+'}$${Math.abs(Math.round(usd))} a month, ${points < 0 ? '' : '+'}${points.toFixed(1)} points ${limitText(request.latency[0] ?? DEFAULT_LATENCY)}`;
  const why = `in place of ${place}: ${delta}`;
  if (swap.isAllowed) return { constraint: 'none', why, admit: `--pin ${ids[r] ?? ''}` };
  const { says, ...broken } = brokenBy(problem, swap.choice);
  return { ...broken, why: `${why}: ${says}` };
}

/** What a choice that is not allowed does not keep: the first that it fails. */
function brokenBy(
  { objectives: [first], worstShare, budgetUsd }: PlanProblem,
  { coverage, worst, costUsd }: Choice,
): Omit<Reason, 'why'> & { readonly says: string } {
  if (millionths(coverage) < millionths(first?.share ?? 0))
    return { constraint: 'latency', says: 'too few users in time', admit: 'a looser latency objective' };
  if (worstShare !== null && millionths(worst) < millionths(worstShare)) {
    const share = Math.floor(worst * 100);
    return { constraint: 'worstLoss', says: 'too few of them after a loss', admit: `plan.worstLoss: ${share}` };
  }
  if (budgetUsd !== null && costUsd > budgetUsd)
    return { constraint: 'budget', says: 'beyond the budget', admit: `plan.budget: ${Math.ceil(costUsd)}` };
  return {
    constraint: 'latency',
    says: 'too few users in time of another objective',
    admit: 'a looser latency objective',
  };
}

/** Only the objective about all users: how far a swap falls short of it. */
const demandsLost = (request: PlanRequest, choice: Choice): number => {
  const asked = request.latency[0]?.share ?? 0;
  return Math.max(0, Math.round((asked - choice.coverage) * 1e6));
};

function conflictOf(request: PlanRequest, base: Base, a: PlaceId, b: PlaceId): Reason {
  const zone = sharedHazards(base.facts, a, b).find(({ antiAffinity }) => antiAffinity === 'hard');
  if (zone !== undefined && request.hazards === 'avoid')
    return {
      constraint: 'hazards',
      why: `shares a fate with ${b}: ${zone.name} (${zone.kind})`,
      admit: 'plan.hazards: accept',
    };
  const km = Math.round(base.km(a, b));
  return {
    constraint: 'minSeparation',
    why: `${km} km from ${b}, asked are ${request.minSeparationKm}`,
    admit: `plan.minSeparation: ${km}`,
  };
}
