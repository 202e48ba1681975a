import type { PlaceId } from '../base/ids.ts';
import { carbonRangeOf } from '../facts/countries.ts';
import { providerOf, regionFact } from '../facts/facts.ts';
import { sharedHazards } from '../facts/hazards.ts';
import { missingServices } from '../facts/own.ts';
import { residencyRulesOf } from '../facts/residency.ts';
import type { PlanRequest } from '../spec/planning.ts';
import { matchesRegion } from '../spec/rules/planning.ts';
import type { Base } from './build/base.ts';
import type { Constraint } from './constraints.ts';
import { countriesOfUsers } from './people.ts';
import type { Choice } from './problem.ts';

export interface Way {
  readonly ids: readonly PlaceId[];
  readonly choice: Choice;
}

/** The best choice for a request, without the constraints in `out`; null: none was found. */
export type Look = (request: PlanRequest, out?: readonly Constraint[]) => Way | null;

/** One constraint asked less of. */
export interface Change {
  readonly constraint: Constraint;
  readonly changed: PlanRequest;
  /** In words, with the plan that there is then. */
  readonly says: (way: Way) => string;
}

export const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
const points = (share: number): number => Math.round(share * 1e6) / 1e4;

/** What may be changed about one constraint so that there is a plan: the least that is enough first. */
export function changesOf(request: PlanRequest, base: Base, constraint: Constraint, look: Look): readonly Change[] {
  const way = look(request, [constraint]);
  if (way === null) return [];
  const { facts } = base;
  const change = (by: Partial<PlanRequest>, says: string | ((way: Way) => string)): readonly Change[] => [
    { constraint, changed: { ...request, ...by }, says: typeof says === 'string' ? () => says : says },
  ];
  /** The number nearest to what is asked that is enough, between it and one that is. */
  const least = (asked: number, enough: number, of: (value: number) => Partial<PlanRequest>): number =>
    nearest(asked, enough, (value) => look({ ...request, ...of(value) }) !== null);
  switch (constraint) {
    case 'latency':
      return latencyChanges(request, way, look, change);
    case 'worstLoss': {
      const share = least((request.worstShare ?? 0) * 100, Math.floor(way.choice.worst * 100), (value) => ({
        worstShare: value / 100,
      }));
      const asked = points(request.worstShare ?? 0);
      return share <= 0
        ? change({ worstShare: null }, `leave plan.worstLoss out: ${asked} is more than any set keeps`)
        : change({ worstShare: share / 100 }, `plan.worstLoss: ${share} instead of ${asked}`);
    }
    case 'budget': {
      // Without a latency objective the best choice is not the cheapest; what is missing of the budget is.
      const cheapest = look({ ...request, budgetUsd: null, hasLatency: true }) ?? way;
      const more = Math.ceil(cheapest.choice.costUsd - (request.budgetUsd ?? 0));
      return change(
        { budgetUsd: (request.budgetUsd ?? 0) + more },
        `$${more} a month more than the budget of $${request.budgetUsd}`,
      );
    }
    case 'syncWithin':
      return longerWait(request, base, look, change);
    case 'minSeparation': {
      const apart = way.ids.flatMap((a, i) => way.ids.slice(i + 1).map((b) => base.km(a, b)));
      const km = least(request.minSeparationKm, Math.floor(Math.min(...apart)), (value) => ({
        minSeparationKm: value,
      }));
      return change({ minSeparationKm: km }, `plan.minSeparation: ${km} instead of ${request.minSeparationKm}`);
    }
    case 'hazards':
      return change({ hazards: 'accept' }, ({ ids }) => {
        const zones = ids.flatMap((a, i) => ids.slice(i + 1).flatMap((b) => sharedHazards(facts, a, b)));
        const zone = zones.find(({ antiAffinity }) => antiAffinity === 'hard');
        return `plan.hazards: accept${zone === undefined ? '' : ` (${zone.name})`}`;
      });
    case 'residency':
      return widerLaw(request, base, look, change);
    case 'law':
      return withoutTheirLaw(request, base, change);
    case 'providers': {
      const added = [...new Set(way.ids.map(providerOf))].filter((provider) => !request.providers.includes(provider));
      return change({ providers: [...request.providers, ...added] }, `allow ${added.join(' and ')} too`);
    }
    case 'ban': {
      const lifted = request.ban.filter((pattern) => way.ids.some((id) => matchesRegion(pattern, id)));
      const ban = request.ban.filter((pattern) => !lifted.includes(pattern));
      return change({ ban }, `lift the ban of ${lifted.join(', ')}`);
    }
    case 'pin': {
      const lifted = request.pin.filter((id) => !way.ids.includes(id));
      const pin = request.pin.filter((id) => !lifted.includes(id));
      return change({ pin }, `lift the pin of ${lifted.join(' and ')}`);
    }
    case 'services': {
      const missing = new Set(way.ids.flatMap((id) => missingServices(facts, id, request.services)));
      const services = request.services.filter((service) => !missing.has(service));
      return change({ services }, `do without ${[...missing].join(', ')} in some region`);
    }
    case 'carbon': {
      const most = Math.max(...way.ids.map((id) => carbonRangeOf(facts, id)?.lowGrams ?? 0));
      const grams = least(request.carbonGrams ?? 0, Math.ceil(most), (value) => ({ carbonGrams: value }));
      return change({ carbonGrams: grams }, `plan.carbon: ${grams} instead of ${request.carbonGrams}`);
    }
  }
}

type Make = (by: Partial<PlanRequest>, says: string | ((way: Way) => string)) => readonly Change[];

/** Whole numbers between `asked`, which is not enough, and `enough`, which is; what is nearer to what is asked never is enough where the next is not. */
function nearest(asked: number, enough: number, isEnough: (value: number) => boolean): number {
  let [no, yes] = [enough < asked ? Math.ceil(asked) : Math.floor(asked), enough];
  while (Math.abs(no - yes) > 1) {
    const middle = Math.trunc((no + yes) / 2);
    if (isEnough(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}

/** Beyond this nobody waits; and no region is so far. */
const LONGEST_MS = 10_000;

/** Two ways: the same share in more time, or fewer users in the same time. */
function latencyChanges(request: PlanRequest, way: Way, look: Look, change: Make): readonly Change[] {
  const [first] = request.latency;
  if (first === undefined) return [];
  const longer = (ms: number): Pick<PlanRequest, 'latency'> => ({
    latency: request.latency.map((each) => ({ ...each, withinMs: Math.ceil((each.withinMs * ms) / first.withinMs) })),
  });
  const isEnough = (ms: number): boolean => look({ ...request, ...longer(ms) }) !== null;
  let [no, yes] = [first.withinMs, Math.ceil(first.withinMs * 1.25)];
  while (yes < LONGEST_MS && !isEnough(yes)) [no, yes] = [yes, Math.min(LONGEST_MS, yes * 2)];
  const enough = isEnough(yes) ? nearest(no, yes, isEnough) : null;
  const fewer = Math.floor(way.choice.coverage * 1000) / 10;
  return [
    ...(enough === null
      ? []
      : change(
          longer(enough),
          `raise ${longer(enough)
            .latency.map(({ withinMs }, o) => `${request.latency[o]?.withinMs} → ${withinMs} ms`)
            .join(', ')}`,
        )),
    ...(request.latency.length > 1 || fewer <= 0
      ? []
      : change(
          { latency: [{ ...first, share: fewer / 100 }] },
          `for ${fewer} % of the users instead of ${points(first.share)} %`,
        )),
  ];
}

function longerWait(request: PlanRequest, base: Base, look: Look, change: Make): readonly Change[] {
  const waits = base.ids
    .flatMap((a, i) => base.ids.slice(i + 1).map((b) => Math.ceil(base.rtt(a, b).ms)))
    .filter((ms) => ms > request.syncWithinMs);
  if (waits.length === 0) return [];
  const isEnough = (ms: number): boolean => look({ ...request, syncWithinMs: ms }) !== null;
  const enough = nearest(request.syncWithinMs, Math.max(...waits), isEnough);
  const or = request.rpoMs === 0 && request.mode === null ? ', or an RPO above 0' : '';
  return change({ syncWithinMs: enough }, `plan.syncWithin: ${enough}ms instead of ${request.syncWithinMs}ms${or}`);
}

/** A bloc that holds what the rule names, else the countries of the best regions. */
function widerLaw(request: PlanRequest, base: Base, look: Look, change: Make): readonly Change[] {
  const { facts } = base;
  for (const bloc of facts.blocs.values()) {
    const holds = (jurisdiction: string): boolean =>
      bloc.id === jurisdiction ||
      [...(facts.blocs.get(jurisdiction)?.countries ?? [jurisdiction])].every((one) => bloc.countries.has(one));
    if (!request.residency.every(({ jurisdiction }) => holds(jurisdiction))) continue;
    if (request.residency.every(({ jurisdiction }) => jurisdiction === bloc.id)) continue;
    const residency = request.residency.map((rule) => ({ ...rule, jurisdiction: bloc.id }));
    if (look({ ...request, residency }) === null) continue;
    const now = request.residency.map(({ jurisdiction }) => jurisdiction).join(', ');
    return change({ residency }, `residency in ${bloc.id} instead of ${now}`);
  }
  return change({ residency: [] }, ({ ids }) => {
    const countries = [...new Set(ids.map((id) => regionFact(facts, id).country))];
    return `allow data in ${countries.join(', ')}`;
  });
}

/** Users whose law keeps their data at home are left to a deployment of their own. */
function withoutTheirLaw(request: PlanRequest, { facts }: Base, change: Make): readonly Change[] {
  const hard = [...countriesOfUsers(request).keys()].filter((country) =>
    request.data.some((data) => residencyRulesOf(facts, country, data).some(({ kind }) => kind === 'hard')),
  );
  const others = request.users.filter(({ country }) => !hard.includes(country));
  const total = others.reduce((sum, { share }) => sum + share, 0);
  if (total <= 0) return [];
  const latency = request.latency.filter(({ country }) => country === null || !hard.includes(country));
  return change(
    {
      users: others.map((one) => ({ ...one, share: one.share / total })),
      ...(latency.length > 0 ? { latency } : {}),
    },
    `leave the users of ${hard.join(', ')} out, or serve them by a deployment of their own`,
  );
}
