import type { PlaceId } from '../../base/ids.ts';
import { assert } from '../../base/result.ts';
import { providerOf, type Facts } from '../../facts/facts.ts';
import { sharedHazards } from '../../facts/hazards.ts';
import { DEFAULT_LAST_MILE_MS, type LatencyModel } from '../../facts/latency/model.ts';

/** How many of the world's internet users a set of regions reaches in time, by what their last mile takes. */
export interface Reach {
  readonly regions: readonly PlaceId[];
  /** Is it a claim's set, or the best there is? */
  readonly best: boolean;
  readonly shares: readonly {
    readonly lastMileMs: number;
    /** Share of all internet users, 0 to 1. */
    readonly all: number;
    /** The same without mainland China, which a deployment outside of it does not serve like the model says. */
    readonly withoutChina: number;
  }[];
}

/** From fibre to the house to a busy mobile network; the planner's default is among them. */
const LAST_MILES_MS = [0, 10, DEFAULT_LAST_MILE_MS, 20, 30] as const;

interface World {
  readonly users: Float64Array;
  readonly isChina: readonly boolean[];
  column(region: PlaceId): Float64Array;
}

/** What the sets reach, and the best set of as many regions of their provider: all of them are evaluated, at the default last mile. */
export function reachOf(
  facts: Facts,
  model: LatencyModel,
  sets: readonly (readonly PlaceId[])[],
  withinMs: number,
): { readonly reach: readonly Reach[]; readonly best: readonly Reach[] } {
  const world = worldOf(facts, model);
  const reach = sets.map((set) => reachesOf(world, set, withinMs, false));
  const provider = providerOf(sets[0]?.[0] ?? ('' as PlaceId));
  const found = bestThree(facts, world, provider, withinMs - DEFAULT_LAST_MILE_MS);
  return { reach, best: found === null ? [] : [reachesOf(world, found, withinMs, true)] };
}

function worldOf(facts: Facts, model: LatencyModel): World {
  const columns = new Map<PlaceId, Float64Array>();
  return {
    users: Float64Array.from(facts.clusters, ({ internetUsers }) => internetUsers),
    isChina: facts.clusters.map(({ country }) => country === 'CN'),
    column(region) {
      const found =
        columns.get(region) ?? Float64Array.from(facts.clusters, (at) => model.pointToRegion(at, region, 0).ms);
      columns.set(region, found);
      return found;
    },
  };
}

function reachesOf(world: World, regions: readonly PlaceId[], withinMs: number, best: boolean): Reach {
  const columns = regions.map((region) => world.column(region));
  const shares = LAST_MILES_MS.map((lastMileMs) => {
    let [inTime, all, inTimeChina, china] = [0, 0, 0, 0];
    for (const [p, users] of world.users.entries()) {
      const isIn = columns.some((column) => (column[p] ?? Infinity) + lastMileMs < withinMs);
      all += users;
      if (isIn) inTime += users;
      if (world.isChina[p] !== true) continue;
      china += users;
      if (isIn) inTimeChina += users;
    }
    return { lastMileMs, all: inTime / all, withoutChina: (inTime - inTimeChina) / (all - china) };
  });
  return { regions, best, shares };
}

function bestThree(facts: Facts, world: World, provider: string, limitMs: number): readonly PlaceId[] | null {
  const ids = [...facts.regions.keys()].filter((id) => providerOf(id) === provider).toSorted();
  const inTime = ids.map((id) => Uint8Array.from(world.column(id), (ms) => (ms < limitMs ? 1 : 0)));
  const isApart = (a: number, b: number): boolean =>
    !sharedHazards(facts, idAt(ids, a), idAt(ids, b)).some(({ antiAffinity }) => antiAffinity === 'hard');
  let [best, most]: [readonly PlaceId[] | null, number] = [null, -1];
  for (let a = 0; a < ids.length; a++)
    for (let b = a + 1; b < ids.length; b++) {
      if (!isApart(a, b)) continue;
      for (let c = b + 1; c < ids.length; c++) {
        const users = reached(world.users, inTime[a], inTime[b], inTime[c]);
        if (users <= most || !isApart(a, c) || !isApart(b, c)) continue;
        [best, most] = [[idAt(ids, a), idAt(ids, b), idAt(ids, c)], users];
      }
    }
  return best;
}

function idAt(ids: readonly PlaceId[], at: number): PlaceId {
  const id = ids[at];
  assert(id !== undefined, 'an index of the list');
  return id;
}

function reached(users: Float64Array, a?: Uint8Array, b?: Uint8Array, c?: Uint8Array): number {
  let sum = 0;
  for (let p = 0; p < users.length; p++) if (a?.[p] === 1 || b?.[p] === 1 || c?.[p] === 1) sum += users[p] ?? 0;
  return sum;
}
