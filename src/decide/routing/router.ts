/**
 * Where may this client go, in which order, and why. The one routing decision of all planes (design.md §2):
 *
 *   eligibility (residency, operator hold, role) ─▶ health ─▶ capacity ─▶ preference (policies) ─▶ affinity
 *
 * The order of authority is I11 and I12: residency > operator hold > epoch (writes) > health. A step may reorder what the
 * steps before it left, and never bring back what they took: not for affinity, a canary, a fallback or failing open.
 */
import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { routingOf } from './defaults.ts';
import { eligibleForReads, eligibleForWrites } from './eligible.ts';
import { textHash, unitOf } from './hash.ts';
import { leaderKey, orderFor, prefer, type Tiers } from './prefer.ts';
import { type Share, shares } from './shares.ts';
import { usable } from './usable.ts';
import type { ToldRoundTrips } from './told-round-trips.ts';
import type { Client, ClientPlace, Explanation, Refusal, Region, Route, RoutingWorld, Step } from './world.ts';

/** What is the same for all reads from one place. */
interface Plan {
  readonly tiers: Tiers;
  readonly shares: ReadonlyMap<PlaceId, Share>;
  readonly why: readonly Reason[];
  readonly codes: string;
  readonly refusal: Refusal | null;
  readonly steps: readonly Step[];
  /** The answer to every client, when no step looks at the single one. */
  readonly same: Route | null;
}

/** A second, independent number per region: who is let in must not depend on who won the race. */
const SHARE_SALT = 0x5bd1e995;
/** Places are few: countries, and what the operator named. More than this is somebody inventing them. */
const PLANS_MAX = 4_096;

/**
 * The decision for one state of the world. Made anew at every change of table or health, when `untilMs` has come, and after
 * a change of measured latency or load. What it knows about a place is worked out once and kept.
 */
export class Router {
  readonly #world: RoutingWorld;
  readonly #policy: RoutingPolicy;
  readonly #hashes: ReadonlyMap<PlaceId, number>;
  readonly #plans = new Map<string, Plan>();
  readonly #leaders: Map<string, PlaceId>;
  #untilMs = Number.POSITIVE_INFINITY;

  constructor(world: RoutingWorld) {
    this.#world = world;
    this.#policy = routingOf(world.table);
    this.#hashes = new Map(world.table.regions.map(({ id }) => [id, textHash(id)]));
    this.#leaders = new Map(world.leaders);
  }

  /** When the decision changes though nothing happens: a ramp, a hold-down. Infinite while nothing of that is under way. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** The nearest region of each place so far, for the next router. */
  get leaders(): ReadonlyMap<string, PlaceId> {
    return this.#leaders;
  }

  route(client: Client): Route {
    if (client.method === 'write') return this.#write(client);
    const plan = this.#planOf(client);
    if (plan.same !== null && client.pinned === null && !client.canary) return plan.same;
    return this.#read(plan, client);
  }

  /** What every read from a place gets, whoever it is; null when it depends on the client: weights, shares. */
  sameFor(place: ClientPlace): Route | null {
    return this.#planFor(place).same;
  }

  /** The same decision, with what each step found. */
  explain(client: Client): Explanation {
    if (client.method === 'write') {
      const route = this.#write(client);
      const { why, candidates, refusal, wanted } = route;
      if (refusal !== 'read-only' || wanted === null)
        return { ...route, steps: [{ step: 'eligibility', why, left: candidates }] };
      const eligibility: Step = { step: 'eligibility', why: why.slice(1), left: [wanted] };
      return { ...route, steps: [eligibility, { step: 'health', why: why.slice(0, 1), left: [] }] };
    }
    const plan = this.#planOf(client);
    const steps = [...plan.steps];
    const route = this.#read(plan, client, steps);
    return { ...route, steps };
  }

  #write({ place }: Client): Route {
    const { region, why, refusal } = eligibleForWrites(this.#world.table, this.#policy, place);
    if (region === null) return { candidates: [], why, codes: codesOf(why), wanted: null, refusal };
    const cannot = this.#world.readOnly.get(region);
    if (cannot !== undefined) {
      const text = `${region} holds the primary and can't write now (${cannot.text}); nobody else may`;
      const all = [because('read-only', text), ...why];
      return { candidates: [], why: all, codes: codesOf(all), wanted: region, refusal: 'read-only' };
    }
    const all = [...why];
    const verdict = this.#world.health.get(region);
    if (verdict?.state === 'unhealthy') {
      const text = `${region} looks unhealthy (${verdict.why.text}), and nobody else may write`;
      all.push(because('primary-unhealthy', text));
    }
    return { candidates: [region], why: all, codes: codesOf(all), wanted: region, refusal: null };
  }

  #read(plan: Plan, client: Client, steps?: Step[]): Route {
    const { refusal, why } = plan;
    if (refusal !== null) return { candidates: [], why, codes: plan.codes, wanted: null, refusal };
    const order = orderFor(client.key, plan.tiers, this.#hashes).map((region) => region.id);
    const own: Reason[] = [];
    const admitted = plan.shares.size === 0 ? order : this.#admit(plan, client.key, order, own);
    steps?.push({ step: 'preference', why: [...(steps.pop()?.why ?? []), ...own], left: admitted });
    const before = own.length;
    const candidates = this.#attach(client, admitted, own);
    steps?.push({ step: 'affinity', why: own.slice(before), left: candidates });
    const codes = own.length === 0 ? plan.codes : codesOf([...why, ...own]);
    return { candidates, why, codes, wanted: order[0] ?? null, refusal: null };
  }

  /** Regions that have no room for this client go behind the others: they are asked when nobody else answers. */
  #admit(plan: Plan, key: number, order: readonly PlaceId[], own: Reason[]): readonly PlaceId[] {
    const full = new Set<PlaceId>();
    for (const region of order) {
      const share = plan.shares.get(region);
      if (share === undefined || unitOf(key, (this.#hashes.get(region) ?? 0) ^ SHARE_SALT) <= share.share) continue;
      full.add(region);
    }
    if (full.size === 0 || full.size === order.length) return order;
    const [first] = order;
    const share = first !== undefined && full.has(first) ? plan.shares.get(first) : undefined;
    if (share !== undefined) own.push(because(share.why.code, `this client is not among those: ${share.why.text}`));
    return [...order.filter((region) => !full.has(region)), ...order.filter((region) => full.has(region))];
  }

  /** Step 5: a canary request, then a pinned client. Both only choose among the candidates. */
  #attach({ canary, pinned }: Client, candidates: readonly PlaceId[], own: Reason[]): readonly PlaceId[] {
    const { canary: policy, affinity } = this.#policy;
    if (canary && policy !== null) {
      const first = candidates.filter((region) => policy.regions.includes(region));
      if (first.length > 0) {
        own.push(because('canary', `a request for the canary goes to ${first.join(', ')}`));
        return [...first, ...candidates.filter((region) => !first.includes(region))];
      }
      own.push(
        because('canary-out', `no region of the canary (${policy.regions.join(', ')}) may serve this client now`),
      );
    }
    if (pinned === null || affinity !== 'cookie') return candidates;
    if (!candidates.includes(pinned)) {
      own.push(because('affinity-broken', `${pinned}, which served this client before, may not now`));
      return candidates;
    }
    own.push(because('affinity', `${pinned} served this client before`));
    return [pinned, ...candidates.filter((region) => region !== pinned)];
  }

  #planFor(place: ClientPlace): Plan {
    const key = leaderKey(place);
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    if (this.#plans.size >= PLANS_MAX) this.#plans.clear();
    const plan = this.#makePlan(place);
    this.#plans.set(key, plan);
    return plan;
  }

  /** One that told its own round trips gets a plan of its own, which nobody else meets and nothing remembers. */
  #planOf({ place, rtts }: Client): Plan {
    const counts = rtts !== undefined && this.#policy.policies.includes('latency');
    const plan = this.#planFor(place);
    return counts ? this.#makePlan(place, rtts) : plan;
  }

  #makePlan(place: ClientPlace, told: ToldRoundTrips | null = null): Plan {
    // Who told something stays where others of its place go, until another region is better by the hysteresis.
    const world = told === null ? this.#world : { ...this.#world, leaders: this.#leaders };
    const policy = this.#policy;
    const eligible = eligibleForReads(world, policy, place);
    const steps: Step[] = [
      { step: 'eligibility', why: listOf(eligible.rule, eligible.why), left: eligible.regions.map(({ id }) => id) },
    ];
    if (eligible.refusal !== null) return refused(eligible.refusal, eligible.why, steps);
    const seen = usable(world, policy, eligible.regions);
    const left = seen.classes.flat();
    steps.push({ step: 'health', why: listOf(seen.allUnhealthy, seen.why), left: left.map(({ id }) => id) });
    if (left.length === 0) {
      return refused('closed', listOf(seen.allUnhealthy, [...seen.why, ...eligible.why]), steps);
    }
    const limited = shares(world, policy, left);
    const limits = [...limited.of.values()].map((share) => share.why);
    steps.push({ step: 'capacity', why: limits, left: left.map(({ id }) => id) });
    this.#untilMs = Math.min(this.#untilMs, seen.untilMs, limited.untilMs, this.#rampEndsMs());

    const asListed = eligible.rule !== null || seen.ordered;
    const preferred = asListed ? [] : seen.classes.map((regions) => prefer(world, policy, place, regions, told));
    const [best] = preferred;
    if (told === null && best?.leader !== undefined && best.leader !== null)
      this.#leaders.set(leaderKey(place), best.leader);
    const tiers = asListed
      ? left.map((region): readonly Region[] => [region])
      : preferred.flatMap((each) => each.tiers);
    const preference = eligible.rule === null ? (best?.why ?? []) : [eligible.rule];
    steps.push({ step: 'preference', why: preference, left: tiers.flat().map(({ id }) => id) });
    // What decided about the first candidate comes first: the last policy that spoke.
    const decisive = seen.allUnhealthy ?? preference.at(-1) ?? null;
    const others = [...preference, ...seen.why, ...limits, ...eligible.why].filter((each) => each !== decisive);
    const why = listOf(decisive, others);
    return finished({ tiers, shares: limited.of, why, codes: codesOf(why), refusal: null, steps });
  }

  #rampEndsMs(): number {
    const { table, acceptedAtMs, nowMs } = this.#world;
    const endsMs = table.ramp === undefined || table.ramp === null ? 0 : acceptedAtMs + table.ramp.overMs;
    return endsMs > nowMs ? endsMs : Number.POSITIVE_INFINITY;
  }
}

function finished(plan: Omit<Plan, 'same'>): Plan {
  const alone = plan.shares.size === 0 && plan.tiers.every((tier) => tier.length === 1);
  if (!alone) return { ...plan, same: null };
  const candidates = plan.tiers.flat().map((region) => region.id);
  const { why, codes, refusal } = plan;
  return { ...plan, same: { candidates, why, codes, wanted: candidates[0] ?? null, refusal } };
}

function refused(refusal: Refusal, why: readonly Reason[], steps: readonly Step[]): Plan {
  const codes = codesOf(why);
  const same = { candidates: [], why, codes, wanted: null, refusal };
  return { tiers: [], shares: new Map(), why, codes, refusal, steps, same };
}

const listOf = (first: Reason | null, others: readonly Reason[]): readonly Reason[] =>
  first === null ? others : [first, ...others];

const codesOf = (why: readonly Reason[]): string => [...new Set(why.map((reason) => reason.code))].join(',');
