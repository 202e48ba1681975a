import { assert } from '../../base/result.ts';
import { distanceKm, type Point } from '../geo.ts';
import type { PackOf } from '../packs.ts';

/** How long the way between two places is when it follows cables, in kilometres; never shorter than the great circle. */
export interface Backbone {
  /** What is needed of one end, computed once: reuse it for many pairs. */
  access(point: Point): Access;
  /** `straightKm`: their great circle, when it is known already. */
  km(a: Access, b: Access, straightKm?: number): number;
}

/** One end of a way: kilometres to the hubs nearby, and from there to every hub. */
export interface Access {
  readonly point: Point;
  readonly near: readonly { readonly hub: number; readonly km: number }[];
  readonly toHub: Float64Array;
}

/** The way to the nearest hubs follows roads and rivers: longer than the straight line. */
const ACCESS_DETOUR = 1.35;
const ACCESS_HUBS = 5;
/** A hub this much farther than the nearest one is not where traffic leaves. */
const ACCESS_SLACK_KM = 300;
/** Two places this near are joined directly; the farther apart, the less likely. */
const DIRECT_KM = 700;
const DIRECT_DETOUR = 1.2;
const DIRECT_FADES_KM = 300;

type Pack = Pick<PackOf<'backbone'>, 'hubs' | 'edges'>;

const backbones = new WeakMap<Pack, Backbone>();

/** The ways of a pack, worked out once. */
export function createBackbone(pack: Pack): Backbone {
  const found = backbones.get(pack) ?? newBackbone(pack);
  backbones.set(pack, found);
  return found;
}

function newBackbone(pack: Pack): Backbone {
  const hubs = pack.hubs.map(([, lat, lon]) => ({ lat, lon }));
  const between = shortestWays(pack, hubs);
  const access = (point: Point): Access => {
    const all = hubs.map((place, hub) => ({ hub, km: distanceKm(point, place) })).toSorted((a, b) => a.km - b.km);
    const reach = (all[0]?.km ?? 0) + ACCESS_SLACK_KM;
    const near = all
      .slice(0, ACCESS_HUBS)
      .filter(({ km }) => km <= reach)
      .map(({ hub, km }) => ({ hub, km: km * ACCESS_DETOUR }));
    const toHub = new Float64Array(hubs.length).fill(Number.POSITIVE_INFINITY);
    for (const { hub, km } of near) {
      const row = between[hub];
      if (row === undefined) continue;
      for (let to = 0; to < toHub.length; to++) toHub[to] = Math.min(toHub[to] ?? Infinity, km + (row[to] ?? Infinity));
    }
    return { point, near, toHub };
  };
  return { access, km: wayKm };
}

function wayKm(a: Access, b: Access, straight = distanceKm(a.point, b.point)): number {
  const detour = straight < DIRECT_KM ? DIRECT_DETOUR : DIRECT_DETOUR + (straight - DIRECT_KM) / DIRECT_FADES_KM;
  let best = straight * detour;
  for (const { hub, km } of b.near) best = Math.min(best, (a.toHub[hub] ?? Number.POSITIVE_INFINITY) + km);
  return Math.max(straight, best);
}

/** Floyd and Warshall: kilometres along the edges between every two hubs. */
function shortestWays(pack: Pack, hubs: readonly Point[]): Float64Array[] {
  const index = new Map(pack.hubs.map(([name], i) => [name, i]));
  const ways = hubs.map((_, i) => new Float64Array(hubs.length).fill(Infinity).fill(0, i, i + 1));
  for (const [from, to, weight = 1] of pack.edges) {
    const i = index.get(from);
    const j = index.get(to);
    const a = hubs[i ?? -1];
    const b = hubs[j ?? -1];
    assert(i !== undefined && j !== undefined && a !== undefined && b !== undefined, `no hub of ${from}-${to}`);
    const km = distanceKm(a, b) * weight;
    for (const [x, y] of [
      [i, j],
      [j, i],
    ] as const) {
      const row = ways[x];
      if (row !== undefined) row[y] = Math.min(row[y] ?? Infinity, km);
    }
  }
  for (const [k, through] of ways.entries())
    for (const row of ways) {
      const first = row[k] ?? Infinity;
      if (first === Infinity) continue;
      for (let j = 0; j < row.length; j++) row[j] = Math.min(row[j] ?? Infinity, first + (through[j] ?? Infinity));
    }
  return ways;
}
