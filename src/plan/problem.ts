/**
 * What the chooser solves, without places or laws: candidates by index, populations by index. Made by `build/`, and small
 * enough to be written by hand or drawn at random in a test.
 *
 * A choice is a set of two or more candidates with an ordered pair of them (primary, first standby) that is allowed. Where the order changes nothing but the
 * writes, it is the one with the least `writeMs`; where users or costs depend on who is primary (`isOrderFree`), it is the best that keeps the demands, by the
 * same comparison as sets. Users are served by the nearest candidate, or by the primary.
 */
export interface PlanProblem {
  /** Names, for messages and ties. */
  readonly candidates: readonly string[];
  /** Share of the users in each population; they add up to 1. */
  readonly weights: Float64Array;
  /** From population p to candidate r, round trip with last mile, at `p * candidates + r`. */
  readonly latencyMs: Float64Array;
  /** Between candidates, at `a * candidates + b`; 0 from one to itself. */
  readonly betweenMs: Float64Array;
  /** The first is the one that `coverage` and `worst` are about. Never empty. */
  readonly objectives: readonly CoverageObjective[];
  /** `all`: every candidate chosen serves the users nearest to it. `primary`: one serves, the others stand by. */
  readonly serving: 'all' | 'primary';
  /** `cost`: the cheapest choice. `coverage`: the most whole percentage points of users within the first objective, then the cheapest. */
  readonly goal: 'cost' | 'coverage';
  /** How many candidates a choice has. At least 2. */
  readonly sizes: { readonly min: number; readonly max: number };
  /** Candidates that must be chosen. */
  readonly pinned: readonly number[];
  /** 1 at `a * candidates + b`: never together (shared hazard, too near). Symmetric. */
  readonly conflicts: Uint8Array;
  /** At `primary * candidates + standby`: the mean over all users of what a write takes; Infinity: not allowed as this pair. */
  readonly writeMs: Float64Array;
  readonly cost: CostModel;
  /** Places for one more vote, of which a choice needs one and pays for the cheapest that it may have (`votes.ts`). Null: it needs none. */
  readonly votes: Votes | null;
  /** US dollars a month; null: no limit. */
  readonly budgetUsd: number | null;
  /** Share of users that must stay within the first objective after the loss of any one candidate; null: no demand. */
  readonly worstShare: number | null;
}

/** At least `share` of the users of `populations` are served within `withinMs`. Share 0: only measured. */
export interface CoverageObjective {
  /** Of `latencyMs`: a limit of another kind is turned into one of round trips by whoever states the problem. */
  readonly withinMs: number;
  /**
   * Every millisecond between who serves and the primary (`betweenMs`) counts as so many: requests that ask the primary. 0: they do not. Serving `all`, users go to
   * the nearest all the same.
   */
  readonly primaryFactor: number;
  readonly share: number;
  /** Indexes; null: all. Shares are of these populations. */
  readonly populations: readonly number[] | null;
}

/** US dollars a month, by candidate. */
export interface CostModel {
  /** Instances that serve all users together. */
  readonly units: number;
  /** One instance. */
  readonly unitUsd: Float64Array;
  /** Whatever its role: storage, load balancer. */
  readonly fixedUsd: Float64Array;
  /** Answers to all users, sent from here. */
  readonly egressUsd: Float64Array;
  /** The stream of changes, at `from * candidates + to`. */
  readonly transferUsd: Float64Array;
  /** Serving `primary`: instances of a standby, as a share of `units`. */
  readonly standbyShare: number;
}

/** Cheapest first. */
export interface Votes {
  /** US dollars a month, by place. */
  readonly usd: Float64Array;
  /** At `place * candidates + r`, milliseconds; Infinity: never beside this one (it is this one, or shares its fate). */
  readonly ms: Float64Array;
  /** A place may be farther from a candidate than the two farthest of the choice are apart by so much. */
  readonly slackMs: number;
}

export interface Choice {
  /** Indexes, ascending. */
  readonly regions: readonly number[];
  readonly primary: number;
  /** The first standby: confirms writes when the mode is synchronous, takes over first. */
  readonly standby: number;
  readonly costUsd: number;
  /** Share of users within the first objective. */
  readonly coverage: number;
  /** The same after the worst loss of one candidate. */
  readonly worst: number;
  readonly writeMs: number;
}

export type Proof =
  | {
      /** Every set was evaluated, or a bound showed that it is none of those kept. */
      readonly kind: 'optimal';
      readonly subsets: number;
      readonly evaluated: number;
      /** Is the Pareto front of all sets; false: of those that were worked out. */
      readonly wholeFront: boolean;
    }
  | {
      readonly kind: 'gap';
      readonly subsets: number;
      readonly evaluated: number;
      /** No choice is better than this: US dollars, or a share of users. */
      readonly bound: number;
    };

export interface Chosen {
  /** Best first; empty: nothing satisfies the constraints. */
  readonly top: readonly Choice[];
  /** No choice that is allowed is at least as good in cost, coverage and worst, and better in one. Cheapest first. */
  readonly pareto: readonly Choice[];
  readonly proof: Proof;
}

/** Does it depend on the primary who is served in time, or what it costs to serve? */
export const isOrderFree = ({ serving, objectives }: PlanProblem): boolean =>
  serving === 'primary' || objectives.some(({ primaryFactor }) => primaryFactor > 0);

/** Money is compared in whole cents, shares in millionths: the order of additions must not decide. */
export const cents = (usd: number): number => Math.round(usd * 100);
export const millionths = (share: number): number => Math.round(share * 1e6);

/** Negative: `a` is better. Total: ties end with the names. */
export function compareChoices(problem: PlanProblem, a: Choice, b: Choice): number {
  const points = problem.goal === 'coverage' ? points1(b.coverage) - points1(a.coverage) : 0;
  return (
    points ||
    cents(a.costUsd) - cents(b.costUsd) ||
    millionths(b.coverage) - millionths(a.coverage) ||
    millionths(b.worst) - millionths(a.worst) ||
    compareLists(a.regions, b.regions) ||
    a.writeMs - b.writeMs ||
    a.primary - b.primary ||
    a.standby - b.standby
  );
}

const points1 = (share: number): number => Math.floor(millionths(share) / 1e4);

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? -1;
    if (x !== y) return x - y;
  }
  return a.length - b.length;
}
