import type { PlaceId } from '../base/ids.ts';
import type { CarbonRange } from '../facts/countries.ts';
import type { OwnSource } from '../facts/facts.ts';
import type { LatencyMethod } from '../facts/latency/band.ts';
import type { PlanRequest } from '../spec/planning.ts';
import type { Rejection } from './constraints.ts';
import type { Money } from './money.ts';
import type { Proof } from './problem.ts';
import type { Mode, Strategy } from './strategy.ts';

/** `farshore plan --json`, and what `apply`, a report and a comparison of plans read. A field is never given another meaning: the number grows. */
export interface Plan {
  readonly schema: 'farshore.plan/v1';
  readonly name: string;
  /** `chosen`: by the planner. `judged`: the regions are the file's. */
  readonly verdict: 'chosen' | 'judged';
  readonly request: PlanRequest;
  readonly strategy: Strategy;
  readonly mode: Mode;
  /** Primary first, then the standby that takes over first. */
  readonly regions: readonly PlannedRegion[];
  /** Where the vote is that the regions cannot have between them. Null: no place is allowed and apart, or the file has its own sites (`request.thirdVote`). */
  readonly witness: Witness | null;
  readonly reads: Reads;
  readonly writes: Writes;
  readonly losses: readonly Loss[];
  readonly cost: Cost;
  readonly availability: Availability;
  readonly residency: readonly ResidencyVerdict[];
  readonly sharedFate: readonly {
    readonly regions: readonly PlaceId[];
    readonly zone: string;
    readonly kind: string;
    readonly hard: boolean;
  }[];
  readonly alternatives: readonly Alternative[];
  readonly pareto: readonly Alternative[];
  readonly others: readonly Other[];
  /** Of the search; of a judged plan that of a free choice. Null: nothing was searched. */
  readonly proof: Proof | null;
  readonly robustness: Robustness | null;
  /** What a judged plan breaks. A chosen one only falls short of an RTO that no strategy meets. */
  readonly violations: readonly string[];
  readonly assumptions: readonly string[];
  readonly facts: readonly { readonly pack: string; readonly asOf: string; readonly sha256: string | null }[];
  /** Files of the user's own facts that it is made from. */
  readonly ownFacts: readonly OwnSource[];
}

export interface PlannedRegion {
  readonly id: PlaceId;
  readonly place: string;
  readonly country: string;
  /** `read`: serves reads, and never becomes primary. */
  readonly role: 'primary' | 'sync' | 'async' | 'read' | 'backup';
  readonly roleWhy: string;
  /** Does it serve users while nothing is lost? */
  readonly serves: boolean;
  /** Share of the users nearest to it. */
  readonly share: number;
  readonly machines: number;
  readonly toPrimaryMs: number;
  readonly toPrimaryMethod: LatencyMethod;
  readonly governance: number | null;
  /** The grid's, as its own row has it; null: it has none. */
  readonly carbonGrams: number | null;
  /** As near as the facts have it, by other regions of the country at worst; null: nothing is known. */
  readonly carbonRange: CarbonRange | null;
  readonly zones: number | null;
  readonly optIn: boolean;
}

/** A place that votes and holds no data. */
export interface Witness {
  readonly id: PlaceId;
  readonly place: string;
  readonly country: string;
  /** To the farthest of the regions. */
  readonly farthestMs: number;
  /** A small machine there, US dollars a month, which `cost` has a line for. */
  readonly usd: number;
  readonly why: string;
}

export interface Reads {
  readonly objectives: readonly {
    readonly withinMs: number;
    readonly metric: 'rtt' | 'ttfb';
    readonly country: string | null;
    /** Share asked for; 0: only measured. */
    readonly asked: number;
    readonly reached: number;
    /** At the slow and the fast end of every error band at once. */
    readonly low: number;
    readonly high: number;
  }[];
  readonly p50Ms: number;
  readonly p80Ms: number;
  readonly p95Ms: number;
  /** Milliseconds, share of users within. */
  readonly curve: readonly (readonly [number, number])[];
  /** Until the first byte of an answer: `request.firstByte` has what it is made of, `trips` how many round trips to the region that is. */
  readonly firstByte: {
    readonly trips: number;
    readonly p50Ms: number;
    readonly p80Ms: number;
    readonly p95Ms: number;
    readonly curve: readonly (readonly [number, number])[];
  };
  readonly countries: readonly {
    readonly country: string;
    readonly share: number;
    readonly region: PlaceId;
    readonly meanMs: number;
    readonly writeMs: number;
  }[];
}

export interface Writes {
  /** What a commit waits for another region; 0 in async. */
  readonly commitWaitMs: number;
  readonly waitsFor: readonly PlaceId[];
  /** Over all users, to the primary and back with the wait. */
  readonly meanMs: number;
  readonly p95Ms: number;
}

/** What users see when a region is lost. */
export interface Loss {
  readonly region: PlaceId;
  readonly coverage: number;
  readonly p95Ms: number;
  /** Share of users that another region serves now. */
  readonly moved: number;
  readonly primary: PlaceId;
  readonly commitWaitMs: number;
  /** Machines needed and there, in the region with the least to spare. */
  readonly tightest: { readonly region: PlaceId; readonly needs: number; readonly has: number };
}

export interface CostLine extends Money {
  readonly region: PlaceId | null;
  readonly what: 'compute' | 'storage' | 'egress' | 'replication' | 'load balancer' | 'witness' | 'support';
  readonly detail: string;
}

export interface Cost {
  readonly lines: readonly CostLine[];
  readonly usd: number;
  readonly lowUsd: number;
  readonly highUsd: number;
}

/** Shares of a year. `total` is 1 minus the four terms. */
export interface Availability {
  readonly shared: number;
  readonly independent: number;
  readonly correlated: number;
  readonly failovers: number;
  readonly total: number;
}

export interface ResidencyVerdict {
  readonly rule: string;
  readonly users: string;
  readonly verdict: 'kept' | 'needs a legal basis' | 'needs a copy there' | 'broken' | 'no place rule';
  readonly why: string;
}

export interface Alternative {
  readonly regions: readonly PlaceId[];
  readonly usd: number;
  readonly coverage: number;
  readonly worst: number;
}

/** A region that is not in the plan, and why. */
export interface Other {
  readonly region: PlaceId;
  readonly constraint: Rejection['constraint'] | 'none';
  readonly why: string;
  readonly admit: string;
}

export interface Robustness {
  readonly trials: number;
  /** Share of trials in which the plan still is allowed. */
  readonly holds: number;
  /** Share in which it is the best of the alternatives. */
  readonly wins: number;
  readonly seed: number;
}
