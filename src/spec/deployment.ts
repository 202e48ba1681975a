import type { PlaceId } from '../base/ids.ts';
import type { Knobs } from '../base/knobs.ts';
import type { DNS_TYPES } from './file-schema.ts';
import type { RoutingPolicy } from '../ports/routing.ts';

/** A deployment file after parsing: every default filled in, every rule checked. Nothing below `spec/` reads YAML. */
export interface Deployment {
  readonly name: string;
  readonly model: 'active-passive' | 'active-active' | 'global';
  readonly tier: 'critical' | 'high';
  readonly objectives: { readonly rtoMs: number; readonly rpoMs: number };
  /** In order of preference: the first is the first primary, later ones are preferred earlier first. */
  readonly regions: readonly RegionSpec[];
  readonly sites: readonly SiteSpec[];
  readonly residency: readonly ResidencyRule[];
  readonly replication: ReplicationSpec;
  readonly traffic: TrafficSpec;
  /** Null: the edges speak plain HTTP only. */
  readonly edgeTls: EdgeTlsSpec | null;
  readonly leaseTtlMs: number;
  /** Timings that the file sets; the rest are the knobs' defaults. */
  readonly timings: Partial<Knobs>;
  readonly application: ApplicationSpec | null;
  readonly dns: DnsSpec | null;
}

/** The places that hold the coordination store, in order of preference: one, three or five. */
export const storePlaces = ({ regions, sites }: Pick<Deployment, 'regions' | 'sites'>): readonly PlaceId[] =>
  [...sites, ...regions].filter((place) => place.store).map((place) => place.id);

export interface RegionSpec {
  readonly id: PlaceId;
  readonly role: 'active' | 'passive';
  readonly weight: number;
  readonly control: 'owned';
  /** Names of the region's PostgreSQL servers: `n1`. */
  readonly nodes: readonly string[];
  /** Does a member of the coordination store live here? */
  readonly store: boolean;
  /** May its nodes become primary: false when a residency rule forbids writing there. */
  readonly promotable: boolean;
}

/** A place that holds no data: a member of the store, an observer, or both. */
export interface SiteSpec {
  readonly id: PlaceId;
  readonly store: boolean;
  readonly witness: boolean;
}

export interface ResidencyRule {
  readonly name: string;
  /** A bloc or country of facts/residency: `EU`, `EEA`, `DE`. */
  readonly jurisdiction: string;
  readonly data: 'all';
}

export interface ReplicationSpec {
  readonly mode: 'async' | 'sync' | 'semi-sync';
  /** Semi-sync: how many standbys of other regions confirm. Sync: all of them, and this is their number. */
  readonly confirm: number;
  readonly whenAlone: 'block' | 'serve-with-rpo-suspended';
  /** What the file declares for the time a primary acknowledges alone (P11.2); null when it never does. */
  readonly rpoWhileDegradedMs: number | null;
  /** Null in the modes that lose nothing. */
  readonly async: {
    /** The most that a failover may lose, in bytes of WAL; null = only the RPO bounds it. */
    readonly maxLossBytes: number | null;
    /** `block`: writes wait while the best standby lags by more than the RPO. */
    readonly guard: 'block' | 'none';
  } | null;
}

export interface TrafficSpec {
  /** As every plane obeys it: it goes into the route table. */
  readonly routing: RoutingPolicy;
  /** The operator's own database of places, as written; null: the one that comes with Farshore. */
  readonly geoDatabase: string | null;
}

export interface EdgeTlsSpec {
  /** Paths as written. */
  readonly certificates: readonly { readonly cert: string; readonly key: string }[];
  readonly ca: string | null;
  /** Names that one of them must be for. */
  readonly hosts: readonly string[];
}

export interface ApplicationSpec {
  /** Started once per region: argv. Gets PORT, DATABASE_URL (rw), DATABASE_URL_RO, FARSHORE_REGION in its environment. */
  readonly command: readonly string[];
  readonly healthPath: string;
}

export interface DnsSpec {
  /** `shop.example`. */
  readonly zone: string;
  /** Names led by routing, below the zone; `@` is the zone itself. */
  readonly hosts: readonly string[];
  readonly ttlMs: number;
  /** Protocols for HTTPS records; empty: there are none. */
  readonly alpn: readonly string[];
  readonly records: readonly {
    readonly name: string;
    readonly type: (typeof DNS_TYPES)[number];
    readonly value: string;
  }[];
}
