import type { PlaceId } from '../base/ids.ts';

/**
 * How users are led to regions. It travels in the route table, so that every plane obeys the same one. Everything in it is
 * resolved: blocs and continents are countries, defaults are filled in. A plane needs no deployment file.
 */
export interface RoutingPolicy {
  /** The names that users ask for: `shop.example`. Empty: whatever they ask for. */
  readonly hosts: readonly string[];
  /** Each one decides among the regions that those before it left equal. Without any, the order of the regions decides. */
  readonly policies: readonly PolicyName[];
  readonly geolocation: GeolocationPolicy;
  readonly latency: LatencyPolicy;
  /** Also for the regions of a `weighted` policy that are alike, and for `hold-last`: the order of preference. */
  readonly failover: FailoverPolicy;
  /** A region that comes back gets its share of clients over this time, beginning with a tenth. 0: at once. */
  readonly slowStartMs: number;
  /** Requests per second that a region can serve; beyond it clients go to the next one. A region without entry has no bound. */
  readonly capacity: Readonly<Record<PlaceId, number>>;
  readonly canary: CanaryPolicy | null;
  /** `cookie`: a client stays with the region that served it, as long as that region may serve it. */
  readonly affinity: 'none' | 'cookie';
  readonly fences: readonly ResidencyFence[];
  /** Clients of no known place: `fenced`: only where every fence allows; `free`: anywhere. */
  readonly unmapped: 'fenced' | 'free';
  readonly whenAllUnhealthy: AllUnhealthy;
  readonly health: HealthPolicy;
}

export type PolicyName = 'geolocation' | 'latency' | 'weighted' | 'failover';

export interface GeolocationPolicy {
  /** No country and no place is in two rules. */
  readonly rules: readonly {
    /** As the file writes them, for reasons: `europe`. */
    readonly label: string;
    readonly places: readonly string[];
    /** Equal among each other; those behind them decide. */
    readonly regions: readonly PlaceId[];
  }[];
  /** For clients of any other place, and of none; null: every region is equal. */
  readonly otherwise: readonly PlaceId[] | null;
  /** Networks whose place is not what the database says, the longest prefix first in effect. */
  readonly overrides: readonly GeoOverride[];
}

export interface GeoOverride {
  /** `203.0.113.0/24`, `2001:db8::/32`. */
  readonly network: string;
  /** A country, or a name of the operator's own that rules use: `office`. */
  readonly place: string;
  /** For residency; null: unknown. */
  readonly country: string | null;
}

export interface LatencyPolicy {
  /** Regions that are slower than the best by no more than this are equal to it. */
  readonly withinMs: number;
  /** A region must be better by this much before it takes another one's place. */
  readonly hysteresisMs: number;
}

export interface FailoverPolicy {
  readonly order: readonly PlaceId[];
  /** A region that came back waits this long before it is preferred again. */
  readonly holdDownMs: number;
  /** `manual`: until a person says so (`farshore traffic serve REGION`). */
  readonly failback: 'auto' | 'manual';
}

export interface CanaryPolicy {
  readonly regions: readonly PlaceId[];
  /** A request with this header, in small letters, or this cookie is one for the canary. A null value: any. */
  readonly header: { readonly name: string; readonly value: string | null } | null;
  readonly cookie: { readonly name: string; readonly value: string | null } | null;
}

/** I11: users from these countries are served in these regions and in no other, whatever fails. */
export interface ResidencyFence {
  readonly name: string;
  readonly countries: readonly string[];
  readonly regions: readonly PlaceId[];
}

/**
 * `hold-last`: those that were good last, then the others. `open`: as if all were healthy. `closed`: none, an error.
 * `static`: these regions. Each only within what residency and operators allow.
 */
export type AllUnhealthy =
  | { readonly kind: 'hold-last' | 'open' | 'closed' }
  | { readonly kind: 'static'; readonly regions: readonly PlaceId[] };

/** How the planes look at a region. */
export interface HealthPolicy {
  readonly everyMs: number;
  /** For one check, beyond the round trips. */
  readonly timeoutMs: number;
  /** Misses in a row until it is unhealthy, good checks in a row until it is healthy again. */
  readonly fall: number;
  readonly rise: number;
  /** So many misses without `leakAfter` good ones in a row between them make it unhealthy too. Absent in older tables. */
  readonly bucket?: number;
  readonly leakAfter?: number;
  /** What an edge asks of a region's application. `http`: the health path. Absent: `http`. */
  readonly check?: 'http' | 'tcp';
  /** What DNS asks of a region's public address. A `tls` handshake is for the name `host`. Absent: `http`. */
  readonly address?: AddressCheck;
  /** Whether a region can write, too. Absent: nobody asks, and each one can. */
  readonly deep?: DeepCheck;
  /** `majority`: what most planes see; `own`: each plane believes its own eyes alone. Absent: `majority`. */
  readonly observers?: 'majority' | 'own';
}

export type AddressCheck = { readonly check: 'http' | 'tcp' } | { readonly check: 'tls'; readonly host: string };

/**
 * What decides about a region's role and not about whether it is used: one that can't write keeps its reads. `http`: the
 * application answers 2xx at the path while it can write. `commit`: the primary has committed a row within `withinMs`, as its agent
 * says, which commits one again and again.
 */
export type DeepCheck = { readonly everyMs: number; readonly timeoutMs: number } & (
  | { readonly check: 'http'; readonly path: string }
  | { readonly check: 'commit'; readonly withinMs: number }
);

/** A share of the clients that moves from one region to another over time: after a failback, and at a person's word. */
export interface TrafficRamp {
  readonly to: PlaceId;
  readonly from: PlaceId;
  /** From the moment at which a plane takes over the table. */
  readonly overMs: number;
}
