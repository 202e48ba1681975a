import { placeId, type PlaceId } from '../../base/ids.ts';
import type { Facts } from '../../facts/facts.ts';
import { transferPrice } from '../../facts/prices.ts';
import type { PlanRequest } from '../../spec/planning.ts';
import { baseOf, type Base } from '../build/base.ts';
import { build, type Built } from '../build/build.ts';
import { lookAt } from '../look.ts';
import { DEAREST, moneyOf } from '../money.ts';
import type { Plan } from '../plan.ts';
import { planRegions, type PlanOptions } from '../plan-regions.ts';
import { isOrderFree, type Choice } from '../problem.ts';
import { robustnessOf } from '../robust.ts';
import { rtoShortfall } from '../strategy.ts';
import { voterOf } from '../votes.ts';
import type { PlanFile } from './plan-file.ts';
import { limitText } from '../limit.ts';

/** A plan that was made before, beside the facts of today. */
export interface Drift {
  readonly schema: 'farshore.plan-drift/v1';
  readonly name: string;
  /** What the old plan said and what is so now; only what has moved. */
  readonly moved: readonly {
    readonly what: string;
    readonly unit: 'share' | 'ms' | 'usd';
    readonly was: number;
    readonly is: number;
  }[];
  /** What the old plan's regions break now. */
  readonly broken: readonly string[];
  /** Best first. Those that are `suggested` win by more than the error of the figures. */
  readonly actions: readonly Action[];
}

export interface Action {
  readonly kind: 'change regions' | 'change primary';
  readonly says: string;
  readonly suggested: boolean;
  /** Why it is suggested, or why not. */
  readonly why: string;
  readonly regions: readonly PlaceId[];
  /** Negative: dearer. US dollars a month. */
  readonly savedUsd: number;
  /** Share of users, within the first objective. */
  readonly gainedShare: number;
  /** What a user's write takes less, on average. */
  readonly gainedWriteMs: number;
  /** What the change takes, once. */
  readonly move: Move;
  /** Share of trials inside the error bands in which it is allowed and at least as good; null: of a change of the primary. */
  readonly confidence: number | null;
}

/** The database is copied once to every region that joins, from the one where that is cheapest. */
export interface Move {
  readonly copyGib: number;
  /** US dollars, once: what the providers take for that. */
  readonly usd: number;
  /** Months until what is saved has paid for it; null: nothing is saved. */
  readonly paidBackMonths: number | null;
}

/** A saving that takes longer than this to pay for its own move is none: prices change sooner. */
const WORTH_MONTHS = 12;
/** A change costs work and risk: it has to be better in so many of the trials ... */
const CONFIDENT = 0.9;
/** ... and by so much of the cost, or of the users. */
const WORTH_SHARE_OF_COST = 0.05;
const WORTH_SHARE_OF_USERS = 0.02;
/** A primary that is nearer by less than this is not worth a switchover. */
const WORTH_WRITE_MS = 10;

/** What to do about a plan whose facts have moved, ranked; with hysteresis, so that noise never suggests a migration. Null: there is no plan now. */
export function driftOf(request: PlanRequest, facts: Facts, old: PlanFile, options: PlanOptions): Drift | null {
  const ids = old.regions.map(({ id }) => placeId(id));
  const now = planRegions(kept(request, ids), facts, options);
  if (now.kind === 'infeasible') return null;
  const base = baseOf(request, facts);
  // Regions that the file names are no question; who of them is primary is.
  const found = request.regions === null ? planRegions(request, facts, options) : null;
  const bests =
    found?.kind === 'plan'
      ? [found.plan.regions.map(({ id }) => id), ...found.plan.alternatives.map(({ regions }) => regions)]
      : [];
  const broken = brokenBy(request, base, now.plan);
  const regionActions = bests
    .filter((set) => nameOf(set) !== nameOf(ids))
    .map((set) => regionAction({ request, facts, base, now: now.plan, isBroken: broken.length > 0, options }, set));
  const primaryAction = switchOf(request, facts, base, now.plan, options);
  return {
    schema: 'farshore.plan-drift/v1',
    name: request.name,
    moved: movedOf(old, now.plan),
    broken,
    actions: [...(primaryAction === null ? [] : [primaryAction]), ...regionActions].toSorted(byRank),
  };
}

/** The request as if the file had named these regions, in this order. */
const kept = (request: PlanRequest, regions: readonly PlaceId[]): PlanRequest => ({
  ...request,
  regions,
  sizes: { min: regions.length, max: regions.length },
});

const nameOf = (set: readonly PlaceId[]): string => set.toSorted().join();

const byRank = (a: Action, b: Action): number =>
  Number(b.suggested) - Number(a.suggested) || (b.confidence ?? 1) - (a.confidence ?? 1) || inAYear(b) - inAYear(a);

const inAYear = ({ savedUsd, move }: Action): number => 12 * savedUsd - move.usd;

function movedOf(old: PlanFile, now: Plan): Drift['moved'] {
  const rows: { what: string; unit: 'share' | 'ms' | 'usd'; was: number; is: number }[] = [];
  const [first] = old.reads.objectives;
  const reached = now.reads.objectives[0];
  if (first !== undefined && reached !== undefined && limitText(first) === limitText(reached))
    rows.push({ what: `users ${limitText(first)}`, unit: 'share', was: first.reached, is: reached.reached });
  for (const region of now.regions) {
    const before = old.regions.find(({ id }) => id === region.id);
    if (before !== undefined && before.toPrimaryMs > 0)
      rows.push({ what: `${region.id} to the primary`, unit: 'ms', was: before.toPrimaryMs, is: region.toPrimaryMs });
  }
  rows.push({ what: 'a user’s write', unit: 'ms', was: old.writes.meanMs, is: now.writes.meanMs });
  rows.push({ what: 'cost a month', unit: 'usd', was: old.cost.usd, is: now.cost.usd });
  const seen = { share: 0.0005, ms: 0.5, usd: 0.5 };
  return rows.filter(({ unit, was, is }) => Math.abs(was - is) >= seen[unit]);
}

/** What the regions may not be (any more): a file that names its regions would only be told, a plan has to keep it. */
function brokenBy(request: PlanRequest, base: Base, now: Plan): readonly string[] {
  const ids = now.regions.map(({ id }) => id);
  const built = build({ ...request, regions: null, pin: [] }, base, new Set());
  const rejected = Array.isArray(built) ? built : built.rejected;
  const near = ids.flatMap((a, i) =>
    ids
      .slice(i + 1)
      .filter((b) => base.km(a, b) < request.minSeparationKm)
      .map((b) => `${a} and ${b} are ${Math.round(base.km(a, b))} km apart, asked are ${request.minSeparationKm}`),
  );
  // An RTO that no strategy meets is no reason to move: no other regions meet it either.
  const shortfall = rtoShortfall(now.strategy, request.rtoMs);
  return [
    ...now.violations.filter((violation) => violation !== shortfall),
    ...rejected.filter(({ region }) => ids.includes(region)).map(({ region, why }) => `${region}: ${why}`),
    ...near,
    ...now.sharedFate
      .filter(({ hard }) => hard && request.hazards === 'avoid')
      .map(({ regions, zone, kind }) => `${regions.join(' and ')} share a fate: ${zone} (${kind})`),
  ];
}

interface Here {
  readonly request: PlanRequest;
  readonly facts: Facts;
  readonly base: Base;
  readonly now: Plan;
  readonly isBroken: boolean;
  readonly options: PlanOptions;
}

function regionAction({ request, facts, base, now, isBroken, options }: Here, set: readonly PlaceId[]): Action {
  const then = planRegions(kept(request, set), facts, options);
  const plan = then.kind === 'plan' ? then.plan : now;
  const gains = gainsOf(now, plan);
  const ids = now.regions.map(({ id }) => id);
  const confidence = confidenceOf(request, base, isBroken ? null : ids, set, options.seed);
  const sure = savedForSure(now, plan);
  const move = moveOf(request, facts, ids, set, gains.savedUsd);
  const isWorth =
    isBroken ||
    (gains.savedUsd >= WORTH_SHARE_OF_COST * now.cost.usd &&
      sure > 0 &&
      (move.paidBackMonths ?? Infinity) <= WORTH_MONTHS) ||
    (!request.hasLatency && gains.gainedShare >= WORTH_SHARE_OF_USERS);
  const isSure = confidence >= CONFIDENT;
  const trials = `in ${Math.round(100 * confidence)} % of the trials inside the error bands`;
  const isSlow = gains.savedUsd > 0 && (move.paidBackMonths ?? 0) > WORTH_MONTHS;
  const why = isBroken
    ? `what there is may not stay; this is allowed ${trials}`
    : !isWorth
      ? isSlow
        ? `not worth a move: the copy costs $${Math.round(move.usd)}, which is saved in ${move.paidBackMonths} months; ${WORTH_MONTHS} are worth it`
        : `not worth a move: ${Math.round(100 * WORTH_SHARE_OF_COST)} % of the cost must be saved for sure${request.hasLatency ? '' : ` or ${100 * WORTH_SHARE_OF_USERS} points of the users won`}`
      : `at least as good ${trials}${isSure ? '' : `, which is less than ${100 * CONFIDENT} %`}`;
  return {
    kind: 'change regions',
    says: changeSays(ids, set),
    suggested: isSure && isWorth,
    why,
    regions: set,
    ...gains,
    move,
    confidence,
  };
}

function changeSays(was: readonly PlaceId[], is: readonly PlaceId[]): string {
  const leave = was.filter((id) => !is.includes(id));
  const join = is.filter((id) => !was.includes(id));
  if (leave.length === 0) return `add ${join.join(', ')}`;
  if (join.length === 0) return `leave ${leave.join(', ')}`;
  return `${join.join(', ')} in place of ${leave.join(', ')}`;
}

function moveOf(
  request: PlanRequest,
  facts: Facts,
  was: readonly PlaceId[],
  is: readonly PlaceId[],
  savedUsd: number,
): Move {
  const join = is.filter((id) => !was.includes(id));
  const { storageGib } = request.load;
  const usdOf = (to: PlaceId): number =>
    Math.min(...was.map((from) => moneyOf(transferPrice(facts, from, to), storageGib, DEAREST.sentGb).usd));
  const usd = join.reduce((sum, to) => sum + usdOf(to), 0);
  return {
    copyGib: join.length * storageGib,
    usd,
    paidBackMonths: savedUsd > 0 ? Math.round((10 * usd) / savedUsd) / 10 : null,
  };
}

type Gains = Pick<Action, 'savedUsd' | 'gainedShare' | 'gainedWriteMs'>;

const gainsOf = (now: Plan, then: Plan): Gains => ({
  savedUsd: now.cost.usd - then.cost.usd,
  gainedShare: (then.reads.objectives[0]?.reached ?? 0) - (now.reads.objectives[0]?.reached ?? 0),
  gainedWriteMs: now.writes.meanMs - then.writes.meanMs,
});

/** What is saved at the wrong ends of all prices' ranges, US dollars a month; what both pay for alike cancels out. */
function savedForSure(now: Plan, then: Plan): number {
  const placesOf = ({ cost }: Plan): readonly (PlaceId | null)[] => cost.lines.map(({ region }) => region);
  const both = new Set(placesOf(now).filter((id) => id !== null && placesOf(then).includes(id)));
  const of = ({ cost }: Plan, pick: 'usd' | 'lowUsd' | 'highUsd', isCommon: boolean): number =>
    cost.lines.reduce(
      (sum, line) => sum + ((line.region !== null && both.has(line.region)) === isCommon ? line[pick] : 0),
      0,
    );
  return of(now, 'usd', true) - of(then, 'usd', true) + of(now, 'lowUsd', false) - of(then, 'highUsd', false);
}

/** In how many trials inside the error bands is `set` allowed and not worse than what there is (null: that may not stay)? 0: it is not allowed at all. */
function confidenceOf(
  request: PlanRequest,
  base: Base,
  current: readonly PlaceId[] | null,
  set: readonly PlaceId[],
  seed: number,
): number {
  const built = build({ ...request, regions: null, pin: [] }, base, new Set());
  if (Array.isArray(built)) return 0;
  const problem = [set, current ?? set].every((one) => hasVote(built, one))
    ? built.problem
    : { ...built.problem, votes: null };
  const same = { ...built, problem };
  const [there, here] = [choiceOf(same, set), current === null ? null : choiceOf(same, current)];
  if (there === null) return 0;
  return robustnessOf(base, same, here === null ? [there] : [there, here], seed).wins;
}

/** Can a third place vote beside it? */
const hasVote = ({ problem, ids }: Built, set: readonly PlaceId[]): boolean =>
  set.every((id) => ids.includes(id)) &&
  voterOf(
    problem,
    set.map((id) => ids.indexOf(id)),
  ).usd < Infinity;

/** A set as a choice of the problem; null: a region of it is kept out by itself. */
function choiceOf({ problem, ids }: Built, set: readonly PlaceId[]): Choice | null {
  const indexes = set.map((id) => ids.indexOf(id)).toSorted((a, b) => a - b);
  if (indexes.includes(-1)) return null;
  return lookAt(problem, indexes)?.choice ?? null;
}

/** The same regions with the primary where a write takes least, or costs less where that decides. Null: it is there. */
function switchOf(request: PlanRequest, facts: Facts, base: Base, now: Plan, options: PlanOptions): Action | null {
  const ids = now.regions.map(({ id }) => id);
  const built = build({ ...request, regions: null, pin: [] }, base, new Set());
  const isByCost = !Array.isArray(built) && isOrderFree(built.problem);
  const others = ids.slice(1).flatMap((id) => {
    const order = [id, ...ids.filter((other) => other !== id)];
    const then = planRegions(kept(request, order), facts, options);
    if (then.kind !== 'plan' || then.plan.violations.length > now.violations.length) return [];
    // Where the plan takes the cheapest order, a dearer one is no better for being faster.
    return isByCost && then.plan.cost.usd > now.cost.usd ? [] : [then.plan];
  });
  const [best] = others.toSorted((a, b) => a.writes.meanMs - b.writes.meanMs);
  if (best === undefined || best.writes.meanMs >= now.writes.meanMs) return null;
  const gains = gainsOf(now, best);
  const [from, to] = [writeBand(base, now), writeBand(base, best)];
  const isSure = to.highMs < from.lowMs;
  const isWorth = gains.gainedWriteMs >= WORTH_WRITE_MS;
  const [primary] = best.regions;
  return {
    kind: 'change primary',
    says: `farshore switchover ${primary?.id ?? ''}`,
    suggested: isSure && isWorth,
    why: !isWorth
      ? `a write would take less by ${Math.round(gains.gainedWriteMs)} ms; a switchover is worth ${WORTH_WRITE_MS} ms`
      : isSure
        ? 'faster at the wrong ends of both error bands'
        : 'faster, and not by more than the error bands',
    regions: best.regions.map(({ id }) => id),
    ...gains,
    move: { copyGib: 0, usd: 0, paidBackMonths: null },
    confidence: null,
  };
}

/** A user's write on average, at the ends of the error bands of its ways. */
function writeBand(base: Base, { regions, writes }: Plan): { readonly lowMs: number; readonly highMs: number } {
  const [primary] = regions;
  if (primary === undefined) return { lowMs: 0, highMs: 0 };
  const { low, high } = base.bands(primary.id);
  const mean = (column: Float64Array): number => column.reduce((sum, ms, p) => sum + ms * (base.weights[p] ?? 0), 0);
  const waits = writes.commitWaitMs > 0 ? writes.waitsFor.map((id) => base.rtt(primary.id, id).band) : [];
  const longest = (end: 'lowMs' | 'highMs'): number => Math.max(0, ...waits.map((band) => band[end]));
  return { lowMs: mean(low) + longest('lowMs'), highMs: mean(high) + longest('highMs') };
}
