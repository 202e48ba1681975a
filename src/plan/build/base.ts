import type { PlaceId } from '../../base/ids.ts';
import { regionFact, type Facts } from '../../facts/facts.ts';
import { distanceKm } from '../../facts/geo.ts';
import { createLatencyModel, type Latency, type LatencyColumn } from '../../facts/latency/model.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { peopleOf, type People } from '../people.ts';

/** What does not depend on the constraints: computed once, for every region that is asked about. */
export interface Base {
  readonly facts: Facts;
  readonly ids: readonly PlaceId[];
  readonly people: readonly People[];
  readonly weights: Float64Array;
  /** From each of the people to a region, ms with last mile. */
  column(region: PlaceId): Float64Array;
  /** The same at the low and the high end of the error bands. */
  bands(region: PlaceId): { readonly low: Float64Array; readonly high: Float64Array };
  rtt(a: PlaceId, b: PlaceId): Latency;
  km(a: PlaceId, b: PlaceId): number;
  /** Mean over all users, ms. */
  meanMs(region: PlaceId): number;
}

/** By facts, users and last mile: requests that differ in anything else share what was worked out. */
const bases = new WeakMap<Facts, WeakMap<PlanRequest['users'], Map<number, Base>>>();

export function baseOf(request: PlanRequest, facts: Facts): Base {
  const ofFacts = bases.get(facts) ?? new WeakMap<PlanRequest['users'], Map<number, Base>>();
  bases.set(facts, ofFacts);
  const ofUsers = ofFacts.get(request.users) ?? new Map<number, Base>();
  ofFacts.set(request.users, ofUsers);
  const base = ofUsers.get(request.lastMileMs) ?? newBase(request, facts);
  ofUsers.set(request.lastMileMs, base);
  return base;
}

function newBase(request: PlanRequest, facts: Facts): Base {
  const model = createLatencyModel(facts);
  const people = peopleOf(request, facts);
  const weights = Float64Array.from(people, ({ share }) => share);
  const columns = new Map<PlaceId, LatencyColumn>();
  const columnOf = (region: PlaceId): LatencyColumn => {
    const found = columns.get(region) ?? model.pointsToRegion(people, region, request.lastMileMs);
    columns.set(region, found);
    return found;
  };
  const rtts = new Map<string, Latency>();
  return {
    facts,
    people,
    weights,
    ids: [...facts.regions.keys()].toSorted(),
    column: (region) => columnOf(region).ms,
    bands: columnOf,
    rtt(a, b) {
      const key = a < b ? `${a}|${b}` : `${b}|${a}`;
      const found = rtts.get(key) ?? model.regionToRegion(a, b);
      rtts.set(key, found);
      return found;
    },
    km: (a, b) => distanceKm(regionFact(facts, a), regionFact(facts, b)),
    meanMs: (region) => columnOf(region).ms.reduce((sum, ms, p) => sum + ms * (weights[p] ?? 0), 0),
  };
}
