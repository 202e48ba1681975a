import type { PlaceId } from '../../base/ids.ts';
import { CONNECTION_TRIPS, firstByteMs } from '../../facts/latency/first-byte.ts';
import type { LatencyObjective, PlanRequest } from '../../spec/planning.ts';
import type { Base } from '../build/base.ts';
import { countriesOfUsers } from '../people.ts';
import type { Loss, Reads, Writes } from '../plan.ts';
import type { Mode, Strategy } from '../strategy.ts';

/** A choice with its regions in order: primary, first standby, then by distance to the primary. */
export interface Layout {
  readonly regions: readonly PlaceId[];
  readonly serving: readonly PlaceId[];
  readonly mode: Mode;
  readonly strategy: Strategy;
}

export function layoutOf(request: PlanRequest, base: Base, choice: Omit<Layout, 'serving'>): Layout {
  const [primary, standby, ...rest] = choice.regions as [PlaceId, PlaceId, ...PlaceId[]];
  const near = rest.toSorted((a, b) => base.rtt(primary, a).ms - base.rtt(primary, b).ms || (a < b ? -1 : 1));
  const regions = [primary, standby, ...near];
  return { ...choice, regions, serving: request.model === 'active-passive' ? [primary] : regions };
}

/** Who serves each of the people: the nearest; of equals the first by name. */
export function serversOf(base: Base, serving: readonly PlaceId[]): readonly PlaceId[] {
  const named = serving.toSorted();
  return base.people.map((_, p) => {
    let [best, least] = [named[0] as PlaceId, Infinity];
    for (const id of named) {
      const ms = base.column(id)[p] ?? Infinity;
      if (ms < least) [best, least] = [id, ms];
    }
    return best;
  });
}

type Ends = 'ms' | 'low' | 'high';

const latencies = (base: Base, servers: readonly PlaceId[], end: Ends): Float64Array => {
  const columns = new Map<PlaceId, Float64Array>();
  return Float64Array.from(servers, (id, p) => {
    const column = columns.get(id) ?? (end === 'ms' ? base.column(id) : base.bands(id)[end]);
    columns.set(id, column);
    return column[p] ?? Infinity;
  });
};

interface Served {
  readonly servers: readonly PlaceId[];
  readonly primary: PlaceId;
}

/** What each of the people waits for, by a metric: round trips at one end of their bands, or all until the first byte. */
export function measuredOf(
  request: PlanRequest,
  base: Base,
  { servers, primary }: Served,
  metric: LatencyObjective['metric'],
  end: Ends,
): Float64Array {
  const ms = latencies(base, servers, end);
  if (metric === 'rtt') return ms;
  const toPrimary = new Map([...new Set(servers)].map((id) => [id, endOf(base, id, primary, end)]));
  return ms.map((each, p) => firstByteMs(request.firstByte, each, toPrimary.get(servers[p] as PlaceId) ?? 0));
}

function endOf(base: Base, from: PlaceId, primary: PlaceId, end: Ends): number {
  if (from === primary) return 0;
  const { ms, band } = base.rtt(from, primary);
  return { ms, low: band.lowMs, high: band.highMs }[end];
}

function within(base: Base, ms: Float64Array, limitMs: number, country: string | null): number {
  let [inTime, all] = [0, 0];
  for (const [p, one] of base.people.entries()) {
    if (country !== null && one.country !== country) continue;
    all += one.share;
    if ((ms[p] ?? Infinity) <= limitMs) inTime += one.share;
  }
  return all === 0 ? 0 : Math.min(1, inTime / all);
}

/** The latency that `share` of the users do not exceed. */
function percentile(base: Base, ms: Float64Array, share: number): number {
  const order = [...base.people.keys()].toSorted((a, b) => (ms[a] ?? 0) - (ms[b] ?? 0));
  let sum = 0;
  for (const p of order) {
    sum += base.people[p]?.share ?? 0;
    if (sum >= share - 1e-9) return round(ms[p] ?? 0);
  }
  return round(ms[order.at(-1) ?? 0] ?? 0);
}

/** Sums of the same milliseconds in another order. */
const ROUNDING_MS = 1e-6;
const round = (ms: number): number => Math.round(ms * 10) / 10;
const CURVE_MS = [10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400];
const FIRST_BYTE_CURVE_MS = [50, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1_000, 1_500, 2_000];

export function readsOf(request: PlanRequest, base: Base, layout: Layout): Reads {
  const servers = serversOf(base, layout.serving);
  const [primary] = layout.regions as [PlaceId];
  const served = { servers, primary };
  const ms = latencies(base, servers, 'ms');
  const firstByte = measuredOf(request, base, served, 'ttfb', 'ms');
  const wait = waitOf(base, layout.mode, layout.regions).ms;
  return {
    objectives: request.latency.map(({ withinMs, country, share, metric }) => {
      const reached = (end: Ends): number =>
        within(base, measuredOf(request, base, served, metric, end), withinMs + ROUNDING_MS, country);
      return {
        withinMs,
        metric,
        country,
        asked: share,
        reached: reached('ms'),
        low: reached('high'),
        high: reached('low'),
      };
    }),
    p50Ms: percentile(base, ms, 0.5),
    p80Ms: percentile(base, ms, 0.8),
    p95Ms: percentile(base, ms, 0.95),
    curve: CURVE_MS.map((limit) => [limit, within(base, ms, limit, null)] as const),
    firstByte: {
      trips: CONNECTION_TRIPS[request.firstByte.connection],
      p50Ms: percentile(base, firstByte, 0.5),
      p80Ms: percentile(base, firstByte, 0.8),
      p95Ms: percentile(base, firstByte, 0.95),
      curve: FIRST_BYTE_CURVE_MS.map((limit) => [limit, within(base, firstByte, limit, null)] as const),
    },
    countries: [...countriesOfUsers(request)].map(([country, share]) => {
      const members = [...base.people.keys()].filter((p) => base.people[p]?.country === country);
      const weigh = (list: Float64Array): number =>
        members.reduce((sum, p) => sum + (list[p] ?? 0) * (base.people[p]?.share ?? 0), 0) / share;
      const byRegion = new Map<PlaceId, number>();
      for (const p of members) {
        const server = servers[p] as PlaceId;
        byRegion.set(server, (byRegion.get(server) ?? 0) + (base.people[p]?.share ?? 0));
      }
      const [region] = [...byRegion].toSorted((a, b) => b[1] - a[1])[0] ?? [primary];
      return { country, share, region, meanMs: round(weigh(ms)), writeMs: round(weigh(base.column(primary)) + wait) };
    }),
  };
}

/** What a commit waits for: every other region, the fastest one, or nobody. */
export function waitOf(
  base: Base,
  mode: Mode,
  regions: readonly PlaceId[],
): { readonly ms: number; readonly on: readonly PlaceId[] } {
  const [primary, ...others] = regions;
  if (mode === 'async' || primary === undefined || others.length === 0) return { ms: 0, on: [] };
  const byRtt = others
    .map((id) => ({ id, ms: base.rtt(primary, id).ms }))
    .toSorted((a, b) => a.ms - b.ms || (a.id < b.id ? -1 : 1));
  const picked = (mode === 'sync' ? byRtt.at(-1) : byRtt[0]) ?? { id: primary, ms: 0 };
  return { ms: picked.ms, on: mode === 'sync' ? byRtt.map(({ id }) => id) : [picked.id] };
}

export function writesOf(base: Base, layout: Layout): Writes {
  const [primary] = layout.regions as [PlaceId];
  const { ms: commitWaitMs, on } = waitOf(base, layout.mode, layout.regions);
  const all = base.column(primary).map((ms) => ms + commitWaitMs);
  return {
    commitWaitMs,
    waitsFor: on,
    meanMs: round(base.meanMs(primary) + commitWaitMs),
    p95Ms: percentile(base, all, 0.95),
  };
}

/** Machines of each region, sized so that the loss of any one other region is carried. */
export function machinesOf(request: PlanRequest, base: Base, layout: Layout): ReadonlyMap<PlaceId, number> {
  const units = request.load.instances;
  const whole = (share: number): number => (share <= 0 ? 0 : Math.max(1, Math.ceil(units * share - 1e-9)));
  if (request.model === 'active-passive')
    return new Map(layout.regions.map((id, i) => [id, i === 0 ? units : whole(layout.strategy.standbyShare)]));
  const most = new Map(layout.regions.map((id) => [id, 0]));
  for (const lost of [null, ...layout.regions])
    for (const [id, load] of loadsOf(
      base,
      layout.serving.filter((other) => other !== lost),
    ))
      most.set(id, Math.max(most.get(id) ?? 0, load));
  return new Map([...most].map(([id, load]) => [id, Math.max(1, whole(load))]));
}

export function loadsOf(base: Base, serving: readonly PlaceId[]): ReadonlyMap<PlaceId, number> {
  const loads = new Map(serving.map((id) => [id, 0]));
  for (const [p, id] of serversOf(base, serving).entries())
    loads.set(id, (loads.get(id) ?? 0) + (base.people[p]?.share ?? 0));
  return loads;
}

/** N-1: what happens to users when each region is lost. */
export function lossesOf(request: PlanRequest, base: Base, layout: Layout): readonly Loss[] {
  const machines = machinesOf(request, base, layout);
  const before = serversOf(base, layout.serving);
  const [first] = request.latency;
  return layout.regions.map((region) => {
    const left = layout.regions.filter((id) => id !== region);
    const primary = left[0] as PlaceId;
    const serving = request.model === 'active-passive' ? [primary] : left;
    const servers = serversOf(base, serving);
    const ms = latencies(base, servers, 'ms');
    const measured = measuredOf(request, base, { servers, primary }, first?.metric ?? 'rtt', 'ms');
    const needs = [...loadsOf(base, serving)].map(([id, load]) => ({
      region: id,
      needs: Math.max(1, Math.ceil(request.load.instances * load - 1e-9)),
      has: machines.get(id) ?? 0,
    }));
    const [tightest] = needs.toSorted((a, b) => a.has - a.needs - (b.has - b.needs));
    return {
      region,
      coverage: within(base, measured, (first?.withinMs ?? 100) + ROUNDING_MS, first?.country ?? null),
      p95Ms: percentile(base, ms, 0.95),
      moved: base.people.reduce((sum, { share }, p) => sum + (before[p] === servers[p] ? 0 : share), 0),
      primary,
      // With one region left nobody can confirm: `whenAlone` decides.
      commitWaitMs: left.length > 1 ? waitOf(base, layout.mode, left).ms : 0,
      tightest: tightest ?? { region: primary, needs: 0, has: 0 },
    };
  });
}
