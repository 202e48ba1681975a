import type { PlaceId } from '../../base/ids.ts';
import { carbonRangeOf } from '../../facts/countries.ts';
import { providerOf, regionFact, type Facts } from '../../facts/facts.ts';
import { distanceKm } from '../../facts/geo.ts';
import { sharedHazards } from '../../facts/hazards.ts';
import { createLatencyModel } from '../../facts/latency/model.ts';
import { computePrice, egressPrice, storagePrice, transferPrice, type Price } from '../../facts/prices.ts';
import { jurisdictionHolds, residencyRulesOf, ruleAllows } from '../../facts/residency.ts';
import { matchesRegion } from '../../spec/rules/planning.ts';
import type { Plan } from '../plan.ts';

type Objective = Plan['request']['latency'][number];

/**
 * Everything that a plan claims, found again from the request and the facts alone, by other code than what chose it.
 * Empty: the plan keeps what it says. Each sentence is one claim that does not hold.
 */
export function checkPlan(plan: Plan, facts: Facts): readonly string[] {
  const ids = plan.regions.map(({ id }) => id);
  const unknown = ids.filter((id) => !facts.regions.has(id));
  if (unknown.length > 0) return [`unknown regions: ${unknown.join(', ')}`];
  if (new Set(ids).size !== ids.length || ids.length < 2) return ['a plan has two or more different regions'];
  return [
    ...placeClaims(plan, facts, ids),
    ...pairClaims(plan, facts, ids),
    ...witnessClaims(plan, facts, ids),
    ...modeClaims(plan, facts, ids),
    ...userClaims(plan, facts, ids),
    ...costClaims(plan, facts, ids),
  ];
}

function placeClaims({ request }: Plan, facts: Facts, ids: readonly PlaceId[]): readonly string[] {
  const wrong: string[] = [];
  const { min, max } = request.sizes;
  if (ids.length < min || ids.length > max) wrong.push(`${ids.length} regions, asked were ${min} to ${max}`);
  for (const pin of [...request.pin, ...(request.regions ?? [])])
    if (!ids.includes(pin)) wrong.push(`${pin} is pinned and not in the plan`);
  return [...wrong, ...ids.flatMap((id) => regionClaims(request, facts, id))];
}

/** Written so that what is no number is near to nothing, as every comparison here: NaN must be a claim that does not hold. */
const isNear = (a: number, b: number, by: number): boolean => Math.abs(a - b) <= by;

/** What the file and the law say about a place by itself. */
function regionClaims(request: Plan['request'], facts: Facts, id: PlaceId): readonly string[] {
  const wrong: string[] = [];
  const { country } = regionFact(facts, id);
  if (!request.providers.includes(providerOf(id))) wrong.push(`${id}: its provider is not allowed`);
  if (request.ban.some((pattern) => matchesRegion(pattern, id))) wrong.push(`${id} is banned`);
  for (const { name, jurisdiction } of request.residency)
    if (!jurisdictionHolds(facts, jurisdiction, country))
      wrong.push(`${id} is outside ${jurisdiction}, against "${name}" (I11)`);
  const has = facts.own.get(id)?.services;
  for (const service of request.services)
    if (has !== undefined && !has.includes(service)) wrong.push(`${id} has no ${service}`);
  const grams = carbonRangeOf(facts, id)?.lowGrams ?? 0;
  if (request.carbonGrams !== null && grams > request.carbonGrams) wrong.push(`${id}: ${grams} g CO2e/kWh`);
  for (const { country: users } of request.users)
    for (const law of request.data.flatMap((data) => residencyRulesOf(facts, users, data)))
      if (law.kind === 'hard' && !ruleAllows(facts, law, country))
        wrong.push(`${id}: ${law.id} forbids the data of ${users} there (I11)`);
  return wrong;
}

function pairClaims({ request }: Plan, facts: Facts, ids: readonly PlaceId[]): readonly string[] {
  const wrong: string[] = [];
  for (const [i, a] of ids.entries())
    for (const b of ids.slice(i + 1)) {
      const km = distanceKm(regionFact(facts, a), regionFact(facts, b));
      if (km < request.minSeparationKm)
        wrong.push(`${a} and ${b} are ${Math.round(km)} km apart, asked were ${request.minSeparationKm}`);
      if (request.hazards === 'accept') continue;
      for (const zone of sharedHazards(facts, a, b))
        if (zone.antiAffinity === 'hard') wrong.push(`${a} and ${b} share a fate: ${zone.name} (${zone.kind})`);
    }
  return wrong;
}

/** A vote that comes later than this behind those of the regions is not near. */
const VOTE_SLACK_MS = 30;

function witnessClaims(plan: Plan, facts: Facts, ids: readonly PlaceId[]): readonly string[] {
  const { request, witness } = plan;
  if (witness === null) {
    if (!request.thirdVote) return [];
    const found = [...facts.regions.keys()].find((id) => againstWitness(plan, facts, ids, id).length === 0);
    return found === undefined ? [] : [`no third vote, although ${found} may have one`];
  }
  if (ids.includes(witness.id)) return [`the witness ${witness.id} is a region of the plan: losing it loses two votes`];
  if (!facts.regions.has(witness.id)) return [`unknown witness ${witness.id}`];
  return againstWitness(plan, facts, ids, witness.id);
}

/** What stands against a vote at a place. */
function againstWitness({ request }: Plan, facts: Facts, ids: readonly PlaceId[], place: PlaceId): readonly string[] {
  if (ids.includes(place)) return [`${place} is a region`];
  const wrong = [...regionClaims({ ...request, services: [] }, facts, place)];
  for (const id of ids) {
    const km = distanceKm(regionFact(facts, id), regionFact(facts, place));
    if (km < request.minSeparationKm) wrong.push(`the witness ${place} is ${Math.round(km)} km from ${id}`);
    for (const zone of sharedHazards(facts, id, place))
      if (zone.antiAffinity === 'hard') wrong.push(`the witness ${place} shares a fate with ${id}: ${zone.name}`);
  }
  if (wrong.length > 0) return wrong;
  const model = createLatencyModel(facts);
  const between = ids.flatMap((a, i) => ids.slice(i + 1).map((b) => model.regionToRegion(a, b).ms));
  const farthest = Math.max(...ids.map((id) => model.regionToRegion(id, place).ms));
  return farthest > Math.max(...between) + VOTE_SLACK_MS ? [`the witness ${place} is ${farthest} ms away`] : [];
}

/** Two backups a day: more than this may be missing from the newest. */
const BACKUP_AGE_MS = 43_200_000;

function modeClaims(plan: Plan, facts: Facts, ids: readonly PlaceId[]): readonly string[] {
  const { request, mode } = plan;
  const wrong: string[] = [];
  if (request.rpoMs === 0 && mode === 'async') wrong.push('RPO 0 with asynchronous replication (I4)');
  // Where nothing faster exists the plan may fall short, when it says so.
  const isSaid = plan.strategy.standbyShare === 1 && plan.violations.some((one) => one.startsWith('RTO'));
  if (!(plan.strategy.rtoMs.high <= request.rtoMs) && !isSaid)
    wrong.push(`${plan.strategy.name} may take ${plan.strategy.rtoMs.high} ms, the RTO is ${request.rtoMs} ms`);
  const backups = plan.regions.filter(({ role }) => role === 'backup').map(({ id }) => id);
  if (backups.length > 0 && mode !== 'async')
    wrong.push(`${mode}, but nothing runs in ${backups.join(', ')} to confirm`);
  if (backups.length > 0 && !(request.rpoMs >= BACKUP_AGE_MS))
    wrong.push(`${backups.join(', ')}: a backup is up to ${BACKUP_AGE_MS} ms old, the RPO is ${request.rpoMs} ms`);
  if (plan.regions[0]?.role !== 'primary') wrong.push('the first region is not the primary');
  const model = createLatencyModel(facts);
  const waits = ids.slice(1).map((id) => model.regionToRegion(ids[0] as PlaceId, id).ms);
  const wait = mode === 'async' ? 0 : mode === 'sync' ? Math.max(...waits) : Math.min(...waits);
  if (!isNear(wait, plan.writes.commitWaitMs, 0.1))
    wrong.push(`a commit waits ${wait} ms, not ${plan.writes.commitWaitMs} ms`);
  // Regions and mode in one file: whoever wrote them has asked for that wait.
  const isAsked = request.regions !== null && request.mode !== null;
  if (!(wait <= request.syncWithinMs) && !isAsked)
    wrong.push(`a commit waits ${wait} ms for another region, allowed are ${request.syncWithinMs} ms`);
  return wrong;
}

/** A country's users are spread over its places as its internet users are; everybody goes to the nearest region that serves. */
function userClaims(plan: Plan, facts: Facts, ids: readonly PlaceId[]): readonly string[] {
  const { request } = plan;
  const model = createLatencyModel(facts);
  const wrong: string[] = [];
  const serving = request.model === 'active-passive' ? ids.slice(0, 1) : ids;
  const points = request.users.flatMap(({ country, share, at }) => {
    const places =
      at === undefined
        ? facts.clusters.filter((cluster) => cluster.country === country)
        : [{ ...at, internetUsers: 1 }];
    const all = places.reduce((sum, { internetUsers }) => sum + internetUsers, 0);
    return places.map((place) => ({
      country,
      weight: share * (all > 0 ? place.internetUsers / all : 1 / places.length),
      ms: new Map(ids.map((id) => [id, model.pointToRegion(place, id, request.lastMileMs).ms])),
    }));
  });
  const { connection, serverMs, primaryTrips } = request.firstByte;
  // The request's own way, one more for TCP, one more for TLS.
  const ways = connection === 'kept' ? 1 : connection === 'tcp' ? 2 : 3;
  /** `regions` are in order: the first has the primary. */
  const coverage = (regions: readonly PlaceId[], objective: Objective | undefined): number => {
    const { withinMs = 0, country = null, metric = 'rtt' } = objective ?? {};
    const mine = points.filter((point) => country === null || point.country === country);
    const all = mine.reduce((sum, { weight }) => sum + weight, 0);
    const waits = (ms: ReadonlyMap<PlaceId, number>): number => {
      const [[near, way] = [ids[0] as PlaceId, Infinity]] = regions
        .map((id) => [id, ms.get(id) ?? Infinity] as const)
        .toSorted((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
      if (metric === 'rtt') return way;
      const toPrimary = near === regions[0] ? 0 : model.regionToRegion(near, regions[0] as PlaceId).ms;
      return ways * way + serverMs + primaryTrips * toPrimary;
    };
    const near = mine.filter(({ ms }) => waits(ms) <= withinMs + 1e-6);
    return all === 0 ? 0 : near.reduce((sum, { weight }) => sum + weight, 0) / all;
  };
  for (const [o, objective] of request.latency.entries()) {
    const { share, country } = objective;
    const limit = `${objective.withinMs} ms${objective.metric === 'ttfb' ? ' to the first byte' : ''}`;
    const reached = coverage(serving, objective);
    const said = plan.reads.objectives[o]?.reached ?? -1;
    if (!isNear(reached, said, 1e-6)) wrong.push(`${percent(reached)} of users within ${limit}, not ${percent(said)}`);
    if (!(reached >= share - 1e-6))
      wrong.push(`${percent(reached)} of ${country ?? 'all'} users within ${limit}, asked were ${percent(share)}`);
  }
  const [first] = request.latency;
  for (const loss of plan.losses) {
    const left = ids.filter((id) => id !== loss.region);
    const after = coverage(request.model === 'active-passive' ? left.slice(0, 1) : left, first);
    if (!isNear(after, loss.coverage, 1e-6))
      wrong.push(`after the loss of ${loss.region}: ${percent(after)}, not ${percent(loss.coverage)}`);
    if (request.worstShare !== null && !(after >= request.worstShare - 1e-6))
      wrong.push(`after the loss of ${loss.region} only ${percent(after)} are within ${first?.withinMs} ms`);
    if (plan.strategy.standbyShare < 1) continue;
    for (const id of request.model === 'active-passive' ? left.slice(0, 1) : left) {
      const isMine = (ms: ReadonlyMap<PlaceId, number>): boolean =>
        left.every((other) => other === id || (ms.get(id) ?? 0) < (ms.get(other) ?? 0));
      const load =
        request.model === 'active-passive'
          ? 1
          : points.filter(({ ms }) => isMine(ms)).reduce((sum, { weight }) => sum + weight, 0);
      const machines = plan.regions.find((region) => region.id === id)?.machines ?? 0;
      if (!(machines + 1e-6 >= load * request.load.instances))
        wrong.push(
          `after the loss of ${loss.region}, ${id} has ${machines} machines for a load of ${(load * request.load.instances).toFixed(2)}`,
        );
    }
  }
  return wrong;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Prices of the lines, and that no line is missing or free. */
function costClaims(plan: Plan, facts: Facts, ids: readonly PlaceId[]): readonly string[] {
  const { request, cost } = plan;
  const wrong: string[] = [];
  const sum = cost.lines.reduce((total, { usd }) => total + usd, 0);
  if (!isNear(sum, cost.usd, 0.01)) wrong.push(`the lines add up to ${sum.toFixed(2)}, not ${cost.usd.toFixed(2)}`);
  if (request.budgetUsd !== null && !(cost.usd <= request.budgetUsd + 0.01))
    wrong.push(`$${Math.ceil(cost.usd)} a month, the budget is $${request.budgetUsd}`);
  const bounds = (price: Price, times: number): readonly [number, number] =>
    price.kind === 'value'
      ? [price.usd * times, price.usd * times]
      : price.kind === 'range'
        ? [price.lowUsd * times, price.highUsd * times]
        : [0, Infinity];
  const expect = (region: PlaceId, what: string, price: Price, times: number, part = ''): void => {
    const line = cost.lines.find((one) => one.region === region && one.what === what && one.detail.endsWith(part));
    const [low, high] = bounds(price, times);
    if (
      line === undefined
        ? !(times <= 0)
        : !(line.usd >= low - 0.01 && line.usd <= high + 0.01) || (line.usd === 0 && high > 0)
    )
      wrong.push(
        `${what} in ${region}: ${line === undefined ? 'no line' : `$${line.usd.toFixed(2)}`}, the price says $${low.toFixed(2)} to $${high.toFixed(2)}`,
      );
  };
  const { witness } = plan;
  if (witness !== null) expect(witness.id, 'witness', computePrice(facts, witness.id, 'general'), 730 / 4);
  else if (cost.lines.some(({ what }) => what === 'witness'))
    wrong.push('a witness that is not in the plan is paid for');
  const [primary] = ids as readonly [PlaceId];
  for (const { id, machines, share } of plan.regions) {
    expect(id, 'compute', computePrice(facts, id, 'general'), machines * 730);
    expect(id, 'storage', storagePrice(facts, id), request.load.storageGib);
    expect(id, 'egress', egressPrice(facts, id), share * request.load.egressGb);
    if (id !== primary) expect(primary, 'replication', transferPrice(facts, primary, id), request.load.changesGb, id);
  }
  return wrong;
}
