import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import type { Region, RoutingWorld } from './world.ts';

/** A region that takes only part of the clients that would go to it. */
export interface Share {
  /** 0 to 1. */
  readonly share: number;
  readonly why: Reason;
}

export interface Shares {
  readonly of: ReadonlyMap<PlaceId, Share>;
  /** When the shares change though nothing happens. */
  readonly untilMs: number;
}

/** A region that begins again gets this share at once: less would say nothing about it. */
const FIRST_SHARE = 0.1;
/** How often a share that grows is looked at again. */
const STEP_MS = 250;

/**
 * Step 3: who has room for whom. A region over its capacity keeps as many clients as it can serve; one that came back, or to
 * which the traffic returns, takes on more and more. Which clients those are is stable: a share that grows only adds some.
 */
export function shares(world: RoutingWorld, policy: RoutingPolicy, regions: readonly Region[]): Shares {
  const of = new Map<PlaceId, Share>();
  let untilMs = Number.POSITIVE_INFINITY;
  for (const { id } of regions) {
    const grows = growing(world, policy, id);
    if (grows !== null) untilMs = world.nowMs + STEP_MS;
    const least = [grows, room(world, id)]
      .filter((each) => each !== null)
      .toSorted((a, b) => a.share - b.share)
      .at(0);
    if (least !== undefined) of.set(id, least);
  }
  return { of, untilMs };
}

/** Proportional to the demand, so that the clients that go elsewhere are as few as possible, and as many as needed. */
function room({ load }: RoutingWorld, region: PlaceId): Share | null {
  const demand = load.get(region) ?? 0;
  if (demand <= 1) return null;
  const share = 1 / demand;
  const text = `${region} is asked for ${percent(demand)} of its capacity; it keeps ${percent(share)} of its clients`;
  return { share, why: because('spillover', text) };
}

function growing(world: RoutingWorld, policy: RoutingPolicy, region: PlaceId): Share | null {
  const { table, health, nowMs, acceptedAtMs } = world;
  const ramp = table.ramp ?? null;
  if (ramp !== null && ramp.to === region) {
    const share = grown(nowMs - acceptedAtMs, ramp.overMs);
    const text = `reads return from ${ramp.from} to ${region} over ${ramp.overMs / 1_000} s: ${percent(share)} by now`;
    if (share < 1) return { share, why: because('ramp', text) };
  }
  const verdict = health.get(region);
  if (verdict?.state !== 'healthy' || !verdict.recovered || policy.failover.failback === 'manual') return null;
  const share = grown(nowMs - verdict.sinceMs - policy.failover.holdDownMs, policy.slowStartMs);
  if (share >= 1) return null;
  const text = `${region} is back and begins slowly: ${percent(share)} of its clients by now`;
  return { share, why: because('slow-start', text) };
}

const grown = (forMs: number, overMs: number): number =>
  overMs <= 0 ? 1 : Math.min(1, Math.max(FIRST_SHARE, forMs / overMs));

const percent = (share: number): string => `${Math.round(share * 100)} %`;
