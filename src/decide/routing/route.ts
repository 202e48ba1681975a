/**
 * Where may this request go, in which order, and why. The one routing decision of all planes (design.md §2).
 *
 * The order of authority is I12: residency > operator hold > epoch (writes) > health. Health only orders and thins out what
 * the rules above it left over, and never thins it out to nothing. (Residency enters with the residency rules of the table.)
 */
import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { Verdict } from '../health/detector.ts';

export interface RouteRequest {
  readonly method: 'read' | 'write';
  /** The place of the plane that asks. */
  readonly from: PlaceId;
}

export interface Route {
  /** To be tried in this order. Empty = refuse; then the first reason says why. */
  readonly candidates: readonly PlaceId[];
  /** The first one says why the first candidate is first. */
  readonly why: readonly Reason[];
}

export type Health = ReadonlyMap<PlaceId, Verdict>;
export type Rtt = ReadonlyMap<PlaceId, number>;
type Region = RouteTable['regions'][number];

/** Regions whose health was lost within so many milliseconds of each other count as lost together. */
const LOST_TOGETHER_MS = 5_000;

/**
 * @param health what this plane sees; a region that is missing is `unknown`: eligible, after the healthy ones
 * @param rtt milliseconds from `request.from`; a region that is missing is farthest
 */
export function route(table: RouteTable, request: RouteRequest, health: Health, rtt: Rtt): Route {
  return request.method === 'write' ? routeWrite(table, health) : routeRead(table, request, health, rtt);
}

/** Writes have one target or none: failing open never picks a second one. */
function routeWrite(table: RouteTable, health: Health): Route {
  if (table.primary === null) return refuse('no-primary', 'nobody may accept writes now');
  const { region } = table.primary;
  if (!table.regions.some((each) => each.id === region && each.state === 'serving')) {
    return refuse('primary-drained', `${region} holds the primary and is drained by an operator`);
  }
  const why = [because('primary', `${region} holds the primary of epoch ${table.epoch}`)];
  const verdict = health.get(region);
  if (verdict?.state === 'unhealthy') {
    why.push(
      because('primary-unhealthy', `${region} looks unhealthy (${verdict.why.text}), and nobody else may write`),
    );
  }
  return { candidates: [region], why };
}

function routeRead(table: RouteTable, request: RouteRequest, health: Health, rtt: Rtt): Route {
  const { regions, why: whyEligible } = eligibleForReads(table);
  if (regions.length === 0) return refuse('all-drained', 'every region that may serve is drained by an operator');

  // Without distance the own region still is the nearest: no other place's loss may reach its users.
  const away = (region: Region): number => Number(region.id !== request.from);
  const nearestFirst = [...regions].sort(
    (a, b) => distance(rtt, a) - distance(rtt, b) || away(a) - away(b) || (a.id < b.id ? -1 : 1),
  );
  const stateOf = (region: Region) => health.get(region.id)?.state ?? 'unknown';
  const usable = [
    ...nearestFirst.filter((region) => stateOf(region) === 'healthy'),
    ...nearestFirst.filter((region) => stateOf(region) === 'unknown'),
  ];
  const [first] = usable;
  if (first === undefined) return holdLastGood(nearestFirst, health, whyEligible);

  const skipped = nearestFirst
    .filter((region) => stateOf(region) === 'unhealthy')
    .map((region) => skip(region, health));
  const nearest = because(
    'nearest',
    `${first.id} is the nearest to ${request.from} of ${usable.length} that may serve`,
  );
  return { candidates: usable.map((region) => region.id), why: [whyEligible ?? nearest, ...skipped] };
}

/**
 * Which regions may serve reads at all, whatever their health. A passive region serves only while it holds the primary; and
 * with a single active region beside passive ones (active-passive) everything goes to the region of the primary.
 */
function eligibleForReads(table: RouteTable): { regions: readonly Region[]; why: Reason | null } {
  const serving = table.regions.filter((region) => region.state === 'serving');
  const holdsPrimary = (region: Region) => region.id === table.primary?.region;
  const active = table.regions.filter((region) => region.role === 'active');
  if (active.length === 1 && table.regions.length > 1) {
    const primary = serving.find(holdsPrimary);
    if (primary !== undefined) {
      return { regions: [primary], why: because('primary', `active-passive: everything goes to ${primary.id}`) };
    }
  }
  return { regions: serving.filter((region) => region.role === 'active' || holdsPrimary(region)), why: null };
}

/**
 * I12: all look unhealthy, which more often means that this plane is cut off than that every region died. So hold what was
 * good last, nearest first; after it those that were lost before, because a try costs less than a refusal.
 */
function holdLastGood(nearestFirst: readonly Region[], health: Health, whyEligible: Reason | null): Route {
  const lostAtMs = (region: Region) => health.get(region.id)?.sinceMs ?? 0;
  const lastLossMs = Math.max(...nearestFirst.map(lostAtMs));
  const isLastGood = (region: Region) => lastLossMs - lostAtMs(region) <= LOST_TOGETHER_MS;
  const held = nearestFirst.filter(isLastGood);
  const others = nearestFirst.filter((region) => !isLastGood(region));
  const names = held.map((region) => region.id).join(', ');
  const why = [because('all-unhealthy-hold', `all regions look unhealthy; holding the last good: ${names}`)];
  if (whyEligible !== null) why.push(whyEligible);
  why.push(...nearestFirst.map((region) => skip(region, health)));
  return { candidates: [...held, ...others].map((region) => region.id), why };
}

const skip = (region: Region, health: Health): Reason =>
  because('unhealthy', `${region.id} looks unhealthy: ${health.get(region.id)?.why.text ?? 'unseen'}`);

const distance = (rtt: Rtt, region: Region): number => rtt.get(region.id) ?? Number.MAX_VALUE;
const refuse = (code: string, text: string): Route => ({ candidates: [], why: [because(code, text)] });
