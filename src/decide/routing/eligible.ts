import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { ResidencyFence, RoutingPolicy } from '../../ports/routing.ts';
import type { ClientPlace, Refusal, Region, RoutingWorld } from './world.ts';

interface Eligible {
  readonly regions: readonly Region[];
  readonly why: readonly Reason[];
  /** Set when `regions` is empty. */
  readonly refusal: Refusal | null;
  /** The rule that leaves one region only, whatever the policies say: the reason why the first is first. */
  readonly rule: Reason | null;
}

/** What step 1 looks at. */
type Known = Pick<RoutingWorld, 'table' | 'acceptedAtMs' | 'nowMs'>;

/** Step 1 of a read: residency, then what operators hold, then roles. Nothing after it may add a region again (I11, I12). */
export function eligibleForReads(world: Known, policy: RoutingPolicy, place: ClientPlace): Eligible {
  const { table } = world;
  const fence = fenced(policy, place);
  const inside = table.regions.filter((region) => fence.allows(region.id));
  const why: Reason[] = [...fence.why];
  if (inside.length === 0) return { regions: [], why, refusal: 'fenced', rule: null };
  const serving = inside.filter((region) => region.state === 'serving');
  for (const region of inside) if (region.state !== 'serving') why.push(held(region.id));
  const byRole = withRole(world, serving);
  const weighted = policy.policies.includes('weighted') && byRole.rule === null;
  const regions = byRole.regions.filter((region) => !weighted || region.weight > 0);
  for (const region of byRole.regions)
    if (weighted && region.weight === 0) why.push(because('weight-zero', `${region.id} has weight 0`));
  if (regions.length > 0) return { regions, why, refusal: null, rule: byRole.rule };
  const fenceLeft = inside.length < table.regions.length;
  const [refusal, code, text] = fenceLeft
    ? (['fenced', 'fenced', 'no region that residency allows may serve; it is not sent elsewhere'] as const)
    : (['drained', 'all-drained', 'every region that may serve is drained by an operator'] as const);
  return { regions: [], why: [because(code, text), ...why], refusal, rule: null };
}

/**
 * A passive region serves only while it holds the primary. With a single active region beside passive ones (active-passive)
 * everything goes to the region of the primary; while its traffic returns by a ramp, also to the one that it comes from.
 */
function withRole(
  { table, acceptedAtMs, nowMs }: Known,
  serving: readonly Region[],
): { readonly regions: readonly Region[]; readonly rule: Reason | null } {
  const holdsPrimary = (region: Region) => region.id === table.primary?.region;
  const active = table.regions.filter((region) => region.role === 'active');
  if (active.length === 1 && table.regions.length > 1) {
    const primary = serving.find(holdsPrimary);
    if (primary !== undefined) {
      const ramp = table.ramp ?? null;
      const ramping =
        ramp !== null && ramp.to === primary.id && ramp.from !== ramp.to && nowMs - acceptedAtMs < ramp.overMs;
      const before = ramping ? serving.filter((region) => region.id === ramp.from) : [];
      const rule = because('primary', `active-passive: everything goes to ${primary.id}`);
      return { regions: [primary, ...before], rule };
    }
  }
  return { regions: serving.filter((region) => region.role === 'active' || holdsPrimary(region)), rule: null };
}

/** The one place where a write may go: the region of the primary, unless residency or an operator forbids it. */
export function eligibleForWrites(
  table: RouteTable,
  policy: RoutingPolicy,
  place: ClientPlace,
): { readonly region: PlaceId | null; readonly why: readonly Reason[]; readonly refusal: Refusal | null } {
  const refuse = (refusal: Refusal, why: readonly Reason[]) => ({ region: null, why, refusal });
  if (table.primary === null) {
    return refuse('no-primary', [because('no-primary', 'nobody may accept writes now')]);
  }
  const { region } = table.primary;
  const fence = fenced(policy, place);
  if (!fence.allows(region)) {
    const text = `${region} holds the primary, and residency does not allow this client's writes there`;
    return refuse('fenced', [because('fenced', text), ...fence.why]);
  }
  if (!table.regions.some((each) => each.id === region && each.state === 'serving')) {
    const text = `${region} holds the primary and is drained by an operator`;
    return refuse('drained', [because('primary-drained', text)]);
  }
  return {
    region,
    why: [because('primary', `${region} holds the primary of epoch ${table.epoch}`), ...fence.why],
    refusal: null,
  };
}

interface Fence {
  readonly why: readonly Reason[];
  allows(region: PlaceId): boolean;
}

/** Every fence that holds for a client at once. Of a client whose country nobody knows, all of them do, unless the file says `free`. */
function fenced(policy: RoutingPolicy, { country }: ClientPlace): Fence {
  const holds = (fence: ResidencyFence) =>
    country === null ? policy.unmapped === 'fenced' : fence.countries.includes(country);
  const fences = policy.fences.filter(holds);
  const who = country === null ? 'a client whose country is unknown' : `users in ${country}`;
  return {
    why: fences.map((fence) =>
      because('residency', `"${fence.name}" serves ${who} in ${fence.regions.join(', ') || 'no region'} only`),
    ),
    allows: (region) => fences.every((fence) => fence.regions.includes(region)),
  };
}

const held = (region: PlaceId): Reason => because('drained', `${region} is drained by an operator`);
