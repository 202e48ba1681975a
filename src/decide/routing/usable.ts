import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import type { Region, RoutingWorld } from './world.ts';

/** What health leaves of the eligible regions: classes, each before the next one whatever the policies say. */
export interface Usable {
  readonly classes: readonly (readonly Region[])[];
  readonly why: readonly Reason[];
  /** Set when all look unhealthy: the reason why anybody is asked at all, or nobody. */
  readonly allUnhealthy: Reason | null;
  /** `static` keeps the order in which its regions are listed. */
  readonly ordered: boolean;
  /** When the classes change though nothing happens: a hold-down ends. By the clock of the verdicts. */
  readonly untilMs: number;
}

/** Regions whose health was lost within so many milliseconds of each other count as lost together. */
const LOST_TOGETHER_MS = 5_000;

/** A healthy region is worth a word when observers disagree about it, or are not heard. */
const TOLD = ['voted-up', 'held'];

/** Step 2. Health orders and thins out what eligibility left, and only `closed` thins it out to nothing (I12). */
export function usable(world: RoutingWorld, policy: RoutingPolicy, eligible: readonly Region[]): Usable {
  const { health, nowMs } = world;
  const { holdDownMs, failback } = policy.failover;
  const healthy: Region[] = [];
  const unknown: Region[] = [];
  const returning: Region[] = [];
  const why: Reason[] = [];
  let untilMs = Number.POSITIVE_INFINITY;
  for (const region of eligible) {
    const verdict = health.get(region.id);
    const cannot = world.readOnly.get(region.id);
    if (cannot !== undefined)
      why.push(because('read-only', `${region.id} serves reads and can't write: ${cannot.text}`));
    const told = verdict?.state === 'healthy' ? verdict.why : null;
    if (told !== null && TOLD.includes(told.code)) why.push(because(told.code, `${region.id}: ${told.text}`));
    if (verdict === undefined || verdict.state === 'unknown') unknown.push(region);
    else if (verdict.state === 'unhealthy') why.push(unhealthy(world, region.id));
    else if (!verdict.recovered) healthy.push(region);
    else if (failback === 'manual') {
      returning.push(region);
      why.push(because('awaits-failback', `${region.id} is back and waits for a person to let it serve again`));
    } else if (nowMs - verdict.sinceMs < holdDownMs) {
      returning.push(region);
      untilMs = Math.min(untilMs, verdict.sinceMs + holdDownMs);
      why.push(because('hold-down', `${region.id} is back and waits out the hold-down before it is preferred again`));
    } else healthy.push(region);
  }
  const classes = [healthy, unknown, returning].filter((each) => each.length > 0);
  if (classes.length > 0) return { classes, why, allUnhealthy: null, ordered: false, untilMs };
  return allUnhealthy(world, policy, eligible, why);
}

/** All look unhealthy, which more often means that this plane is cut off than that every region died. */
function allUnhealthy(
  { health }: RoutingWorld,
  policy: RoutingPolicy,
  eligible: readonly Region[],
  why: readonly Reason[],
): Usable {
  const end = (classes: readonly (readonly Region[])[], code: string, text: string, ordered = false): Usable => ({
    classes: classes.filter((each) => each.length > 0),
    why,
    allUnhealthy: because(code, text),
    ordered,
    untilMs: Number.POSITIVE_INFINITY,
  });
  const what = policy.whenAllUnhealthy;
  switch (what.kind) {
    case 'open':
      return end([eligible], 'all-unhealthy-open', 'all regions look unhealthy; they are used as if they were not');
    case 'closed':
      return end([], 'all-unhealthy-closed', 'all regions look unhealthy, and none is used');
    case 'static': {
      const listed = what.regions.flatMap((id) => eligible.filter((region) => region.id === id));
      const text = `all regions look unhealthy; using ${listed.map(({ id }) => id).join(', ') || 'none: no listed region is eligible'}`;
      return end([listed], 'all-unhealthy-static', text, true);
    }
    case 'hold-last': {
      const lostAtMs = (region: Region) => health.get(region.id)?.sinceMs ?? 0;
      const lastLossMs = Math.max(...eligible.map(lostAtMs));
      const isLastGood = (region: Region) => lastLossMs - lostAtMs(region) <= LOST_TOGETHER_MS;
      const held = eligible.filter(isLastGood);
      const names = held.map((region) => region.id).join(', ');
      // After them those that were lost before, because a try costs less than a refusal.
      const others = eligible.filter((region) => !isLastGood(region));
      return end([held, others], 'all-unhealthy-hold', `all regions look unhealthy; holding the last good: ${names}`);
    }
  }
}

const unhealthy = ({ health }: RoutingWorld, region: PlaceId): Reason =>
  because('unhealthy', `${region} looks unhealthy: ${health.get(region)?.why.text ?? 'unseen'}`);
