import type { PlaceId } from '../../base/ids.ts';
import type { Reason } from '../../base/reason.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { Verdict } from '../health/detector.ts';
import type { ToldRoundTrips } from './told-round-trips.ts';

/** Where a client is, as far as anybody knows. */
export interface ClientPlace {
  /** A country in two letters, or a name of the operator's own; null: unmapped. */
  readonly place: string | null;
  /** For residency; null: unknown. */
  readonly country: string | null;
  /** `override`: the deployment file's networks. `database`. `asked`: named by a person or a trusted header. */
  readonly source: 'override' | 'database' | 'asked' | 'unmapped';
}

export const UNMAPPED: ClientPlace = { place: null, country: null, source: 'unmapped' };

/** Who asks, as every plane describes it. */
export interface Client {
  /** A read may be answered by any region that may serve it; a write has one target or none. */
  readonly method: 'read' | 'write';
  readonly place: ClientPlace;
  /** From `clientKey`: the same network has the same key on every plane. 32 bits. */
  readonly key: number;
  /** Affinity: the region that the client's cookie names. */
  readonly pinned: PlaceId | null;
  /** Does the request carry the canary's header or cookie? */
  readonly canary: boolean;
  /** What it measured itself. It moves this client only, and only among the regions that may serve it. Absent: it told nothing. */
  readonly rtts?: ToldRoundTrips;
}

export type Health = ReadonlyMap<PlaceId, Verdict>;

/** Round trips that a client of this place has to a region. */
export interface Latency {
  readonly ms: number;
  /** `client`: by this client. `measured`: by the plane. `facts`: a provider's table. `distance`: estimated. */
  readonly method: 'client' | 'measured' | 'facts' | 'distance';
}
export interface LatencyBook {
  latencyOf(place: ClientPlace, region: PlaceId): Latency | null;
}

/** Everything a routing decision looks at. */
export interface RoutingWorld {
  readonly table: RouteTable;
  /** The place of the plane that asks; null for one that is nowhere: a person's question. */
  readonly from: PlaceId | null;
  /** A region that is missing is `unknown`: eligible, after the healthy ones. */
  readonly health: Health;
  /** Regions that say themselves that they can't write now, and why. They serve reads all the same. */
  readonly readOnly: ReadonlyMap<PlaceId, Reason>;
  readonly latency: LatencyBook;
  /** What is asked of a region now, over its capacity. Missing: not known, no bound. */
  readonly load: ReadonlyMap<PlaceId, number>;
  /** The nearest region of each place as decided last, for hysteresis: `Router.leaders` of the router before. */
  readonly leaders: ReadonlyMap<string, PlaceId>;
  /** When this plane took over the table, by the same clock as `nowMs` and the verdicts. */
  readonly acceptedAtMs: number;
  readonly nowMs: number;
}

export interface Route {
  /** To be tried in this order. Empty = refuse; then the first reason says why. */
  readonly candidates: readonly PlaceId[];
  /** The first one says why the first candidate is first, as far as that does not depend on the single client. */
  readonly why: readonly Reason[];
  /** Short codes of everything that played a part, also of what is this client's alone: `weighted,spillover`. */
  readonly codes: string;
  /** Where the client would go if every region had room: what is counted as demand. */
  readonly wanted: PlaceId | null;
  /** Why nobody may serve it; null while somebody may. */
  readonly refusal: Refusal | null;
}

/** `read-only`: the primary's region can't write, and nobody else may. `fenced`: residency. `closed`: all look unhealthy, and the file says that users hear an error then. */
export type Refusal = 'fenced' | 'drained' | 'no-primary' | 'read-only' | 'closed' | 'no-table';

export type StepName = 'eligibility' | 'health' | 'capacity' | 'preference' | 'affinity';

/** One step of the pipeline: what it found, and which regions were left after it, in order. */
export interface Step {
  readonly step: StepName;
  readonly why: readonly Reason[];
  readonly left: readonly PlaceId[];
}

export interface Explanation extends Route {
  readonly steps: readonly Step[];
}

export type Region = RouteTable['regions'][number];
