import type { PlaceId } from '../../base/ids.ts';
import { sharedHazards } from '../../facts/hazards.ts';
import { computePrice, egressPrice, storagePrice, transferPrice } from '../../facts/prices.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { CONNECTION_TRIPS } from '../../facts/latency/first-byte.ts';
import { DEAREST, HOURS_A_MONTH, LOAD_BALANCER, moneyOf } from '../money.ts';
import type { CoverageObjective, PlanProblem } from '../problem.ts';
import { modeOf, strategyOf } from '../strategy.ts';
import type { Base } from './base.ts';
import type { Constraint, Rejection } from '../constraints.ts';
import { votersOf } from '../witness.ts';
import { rejectionOf } from './eligible.ts';

export interface Built {
  readonly problem: PlanProblem;
  /** The region of each candidate. */
  readonly ids: readonly PlaceId[];
  /** The region of each place that may vote. */
  readonly voters: readonly PlaceId[];
  readonly rejected: readonly Rejection[];
}

/** The request as a problem, without the constraints in `left`. Null: fewer regions are eligible than a choice needs. */
export function build(request: PlanRequest, base: Base, left: ReadonlySet<Constraint>): Built | Rejection[] {
  const rejected: Rejection[] = [];
  const ids: PlaceId[] = [];
  for (const id of request.regions ?? base.ids) {
    const rejection = request.regions === null ? rejectionOf(id, request, base.facts, left) : null;
    if (rejection === null) ids.push(id);
    else rejected.push(rejection);
  }
  const pins = left.has('pin') ? [] : request.pin;
  const pinned = [...(request.regions ?? pins)].map((id) => ids.indexOf(id));
  if (ids.length < request.sizes.min || pinned.includes(-1)) return rejected;
  const voters = votersOf(request, base, ids, left);
  const problem = { ...problemOf(request, base, ids, pinned, left), votes: voters?.votes ?? null };
  return { problem, ids, voters: voters?.places ?? [], rejected };
}

function problemOf(
  request: PlanRequest,
  base: Base,
  ids: readonly PlaceId[],
  pinned: readonly number[],
  left: ReadonlySet<Constraint>,
): Omit<PlanProblem, 'votes'> {
  const n = ids.length;
  const latencyMs = new Float64Array(n * base.people.length);
  for (const [r, id] of ids.entries()) {
    const column = base.column(id);
    for (let p = 0; p < column.length; p++) latencyMs[p * n + r] = column[p] as number;
  }
  const { min, max } = request.sizes;
  return {
    candidates: ids,
    weights: base.weights,
    latencyMs,
    betweenMs: betweenOf(base, ids),
    objectives: objectivesOf(request, base, left),
    serving: request.model === 'active-passive' ? 'primary' : 'all',
    goal: request.hasLatency && !left.has('latency') ? 'cost' : 'coverage',
    sizes: { min, max: Math.min(max, n) },
    pinned,
    conflicts: conflictsOf(request, base, ids, left),
    writeMs: writesOf(request, base, ids, left),
    cost: costOf(request, base, ids),
    budgetUsd: left.has('budget') ? null : request.budgetUsd,
    worstShare: left.has('worstLoss') ? null : request.worstShare,
  };
}

function objectivesOf(request: PlanRequest, base: Base, left: ReadonlySet<Constraint>): readonly CoverageObjective[] {
  const { connection, serverMs, primaryTrips } = request.firstByte;
  const trips = CONNECTION_TRIPS[connection];
  return request.latency.map(({ withinMs, share, country, metric }) => ({
    // So many milliseconds until the first byte leave so many for one round trip; what is just in time stays so when divided.
    withinMs: metric === 'rtt' ? withinMs : (withinMs - serverMs) / trips + ROUNDING_MS,
    primaryFactor: metric === 'rtt' ? 0 : primaryTrips / trips,
    share: left.has('latency') ? 0 : share,
    populations: country === null ? null : base.people.flatMap((one, p) => (one.country === country ? [p] : [])),
  }));
}

const ROUNDING_MS = 1e-9;

function betweenOf(base: Base, ids: readonly PlaceId[]): Float64Array {
  const between = new Float64Array(ids.length * ids.length);
  for (const [a, x] of ids.entries())
    for (const [b, y] of ids.entries()) if (a !== b) between[a * ids.length + b] = base.rtt(x, y).ms;
  return between;
}

/** Regions of a file are judged, not refused: what they have in common is said about them. */
function conflictsOf(
  request: PlanRequest,
  base: Base,
  ids: readonly PlaceId[],
  left: ReadonlySet<Constraint>,
): Uint8Array {
  const n = ids.length;
  const conflicts = new Uint8Array(n * n);
  if (request.regions !== null) return conflicts;
  for (const [a, x] of ids.entries())
    for (const [b, y] of ids.entries()) {
      if (a >= b) continue;
      const isNear = !left.has('minSeparation') && base.km(x, y) < request.minSeparationKm;
      if (isNear || (!left.has('hazards') && sharesFate(request, base, x, y)))
        conflicts[a * n + b] = conflicts[b * n + a] = 1;
    }
  return conflicts;
}

const sharesFate = (request: PlanRequest, base: Base, a: PlaceId, b: PlaceId): boolean =>
  request.hazards === 'avoid' && sharedHazards(base.facts, a, b).some((zone) => zone.antiAffinity === 'hard');

/** Asynchronous writes wait for nobody; of equal primaries the nearer standby is behind by less. */
const STANDBY_DISTANCE_WEIGHT = 1e-3;

function writesOf(
  request: PlanRequest,
  base: Base,
  ids: readonly PlaceId[],
  left: ReadonlySet<Constraint>,
): Float64Array {
  const n = ids.length;
  const writeMs = new Float64Array(n * n).fill(Infinity);
  const isSync = modeOf(request, 2) !== 'async';
  for (const [i, primary] of ids.entries()) {
    // The order of the file says who is primary.
    if (request.regions !== null && i > 0) continue;
    const mean = base.meanMs(primary);
    for (const [j, standby] of ids.entries()) {
      if (i === j) continue;
      const { ms } = base.rtt(primary, standby);
      if (!isSync) writeMs[i * n + j] = mean + ms * STANDBY_DISTANCE_WEIGHT;
      else if (ms <= request.syncWithinMs || left.has('syncWithin') || request.regions !== null)
        writeMs[i * n + j] = mean + ms;
    }
  }
  return writeMs;
}

function costOf(request: PlanRequest, base: Base, ids: readonly PlaceId[]): PlanProblem['cost'] {
  const { facts } = base;
  const { load } = request;
  const { standbyShare } = strategyOf(request);
  // Support is a share of everything else: every line carries its own.
  const factor = 1 + request.supportShare;
  const per = (usd: (id: PlaceId) => number): Float64Array => Float64Array.from(ids, (id) => factor * usd(id));
  const n = ids.length;
  const transferUsd = new Float64Array(n * n);
  for (const [i, from] of ids.entries())
    for (const [j, to] of ids.entries())
      transferUsd[i * n + j] = factor * moneyOf(transferPrice(facts, from, to), load.changesGb, DEAREST.sentGb).usd;
  return {
    units: load.instances,
    unitUsd: per((id) => moneyOf(computePrice(facts, id, 'general'), HOURS_A_MONTH, DEAREST.computeHour).usd),
    fixedUsd: per(
      (id) => moneyOf(storagePrice(facts, id), load.storageGib, DEAREST.storageGib).usd + LOAD_BALANCER.usd,
    ),
    egressUsd: per((id) => moneyOf(egressPrice(facts, id), load.egressGb, DEAREST.sentGb).usd),
    transferUsd,
    standbyShare,
  };
}
