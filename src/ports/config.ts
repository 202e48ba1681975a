import type { NodeId, PlaceId } from '../base/ids.ts';
import type { Knobs } from '../base/knobs.ts';
import type { PeerAddresses } from './agent.ts';
import type { ReplicationMode } from './records.ts';
import type { RoutingPolicy } from './routing.ts';

/** Passwords and tokens of one deployment: a JSON file with mode 0600, made once, never in argv, logs, status or reports. */
export interface Secrets {
  readonly adminPassword: string;
  readonly replicationPassword: string;
  readonly appPassword: string;
  readonly agentToken: string;
  readonly gatewayToken: string;
  readonly storeToken: string;
}

/** One embedded server, or etcd with a member in each of three or five places. */
export type StoreKind = 'embedded' | 'etcd';

/** What `database/postgres` needs to own one node. Roles: farshore_admin (superuser), farshore_replication, app. Database: app. */
export interface PostgresConfig {
  readonly group: string;
  readonly node: NodeId;
  /** Every node of the group; the HBA and replication slots are made for them. */
  readonly members: readonly NodeId[];
  readonly dataDir: string;
  /** Short path (sockets must stay under 108 bytes), readable by the user PostgreSQL runs as, 0700. */
  readonly runDir: string;
  /** Replication listener, and the number in the socket's name. */
  readonly host: string;
  readonly port: number;
  readonly binDir: string;
  readonly libDir: string | null;
  readonly logPath: string;
  readonly keeperSocketPath: string;
  readonly runAs: { readonly uid: number; readonly gid: number } | null;
  readonly secretsPath: string;
}

/** What asynchronous replication may lose, and what keeps it from losing more. */
export interface AsyncPolicy {
  /** A takeover that would lose acknowledged writes of a longer time is refused. */
  readonly rpoMs: number;
  /** The same in bytes of WAL; null = no bound but the one in time. */
  readonly maxLossBytes: number | null;
  /** `block`: commits wait while the best candidate lags by more than `rpoMs`. */
  readonly guard: 'block' | 'none';
}

/** How traffic and promotion are decided, from the deployment file. */
export interface GroupPolicy {
  readonly deployment: string;
  readonly group: string;
  readonly mode: ReplicationMode;
  readonly confirm: number;
  readonly whenAlone: 'block' | 'serve-with-rpo-suspended';
  /** Null in the modes that lose nothing. */
  readonly async: AsyncPolicy | null;
  /** Data nodes in order of preference; the first makes the first database. */
  readonly dataNodes: readonly NodeId[];
  /** Those of them that may become primary (residency). */
  readonly promotable: readonly NodeId[];
  /** Every agent, data or not: each is an observer of the others. */
  readonly observers: readonly NodeId[];
  readonly regions: readonly { readonly id: PlaceId; readonly role: 'active' | 'passive'; readonly weight: number }[];
  /** Goes into every route table. Absent: the nearest region serves. */
  readonly routing?: RoutingPolicy;
}

/** The file the agent is started with: `farshore agent FILE`. */
export interface AgentConfig {
  readonly node: NodeId;
  readonly place: PlaceId;
  readonly policy: GroupPolicy;
  readonly knobs: Knobs;
  readonly api: { readonly host: string; readonly port: number };
  readonly secretsPath: string;
  /** As reached from this place, its own member first. */
  readonly storeUrls: readonly string[];
  readonly storeKind: StoreKind;
  /** Absent on a site. */
  readonly database: (PostgresConfig & { readonly gatewayControlPath: string }) | null;
  readonly peers: readonly PeerAddresses[];
}

export interface GeoConfig {
  readonly database: string | null;
}

/** An address that an edge listens at; with `tls`, clients speak HTTPS there. */
export interface Listener {
  readonly host: string;
  readonly port: number;
  readonly tls?: boolean;
}

/** Certificates of an edge, in files in PEM; a certificate may be followed by its chain. */
export interface EdgeTls {
  readonly certificates: readonly { readonly cert: string; readonly key: string }[];
  /** Host names that one of them must be for. */
  readonly hosts?: readonly string[];
}

/** The file an edge is started with: `farshore edge FILE`. */
export interface EdgeConfig {
  readonly place: PlaceId;
  readonly deployment: string;
  readonly group: string;
  readonly listen: Listener;
  /** Where it listens too: the address that DNS answers for its region. */
  readonly alsoListen?: readonly Listener[];
  /** Needed when a listener asks for TLS. */
  readonly tls?: EdgeTls | null;
  /** Networks whose connections begin with a PROXY header (version 1 or 2), and must. Absent: nobody's. */
  readonly proxyProtocol?: { readonly networks: readonly string[] };
  readonly storeUrls: readonly string[];
  readonly storeKind: StoreKind;
  readonly secretsPath: string;
  /** Whose word about a client is believed: `x-forwarded-for`, and a header (in small letters) with his country. Absent: nobody's. */
  readonly trust?: { readonly networks: readonly string[]; readonly placeHeader: string | null };
  /** The database of places; a null path: the one that comes with Farshore. Absent: the policies need none. */
  readonly geo?: GeoConfig | null;
  /** How many edges share what the regions can take. Default 1. */
  readonly edges?: number;
  readonly healthPath: string;
  /** Where each region's application is reached from here, and the RTT the link has in milliseconds. */
  readonly upstreams: readonly {
    readonly region: PlaceId;
    readonly host: string;
    readonly port: number;
    readonly rttMs: number;
    /** The agents of its nodes, as reached from here: a check of commits asks the primary's. Absent: such a check asks nobody. */
    readonly agents?: readonly { readonly node: NodeId; readonly host: string; readonly port: number }[];
  }[];
}

/** What drives the HAProxy of one place. `farshore haproxy FILE`; the same file makes HAProxy's own configuration. */
export interface HaproxyConfig {
  readonly place: PlaceId;
  readonly deployment: string;
  readonly group: string;
  readonly storeUrls: readonly string[];
  readonly storeKind: StoreKind;
  readonly secretsPath: string;
  /** HAProxy's socket for commands, and the file that it reads the primary from when it starts. */
  readonly runtimeSocketPath: string;
  readonly primaryMapPath: string;
  /** The file that it reads from when it starts which servers are closed. Absent: until the driver has spoken, none is. */
  readonly serverStatePath?: string;
  /** Where HAProxy's agent checks are answered. */
  readonly agent: { readonly host: string; readonly port: number };
  /** Clients that the policies treat alike: HAProxy has backends for each, and a line in its map. */
  readonly audiences: readonly HaproxyAudience[];
  /** The policy that they were made by; null: that of a file without `traffic`. */
  readonly routing: RoutingPolicy | null;
  /** The weights that HAProxy's configuration has. */
  readonly weights: readonly { readonly id: PlaceId; readonly weight: number }[];
  /** For asking the regions whether they can write, when the policy wants to know. */
  readonly healthPath: string;
  readonly upstreams: EdgeConfig['upstreams'];
}

/** Clients that the policies treat alike, whatever becomes of the regions. */
export interface HaproxyAudience {
  readonly name: string;
  /** Where one of them is: what is decided for him is decided for all. */
  readonly place: {
    readonly place: string | null;
    readonly country: string | null;
    readonly source: 'override' | 'database' | 'asked' | 'unmapped';
  };
  /** Regions in order; those in one tier share the clients by weight. Regions that residency forbids are missing. */
  readonly tiers: readonly (readonly PlaceId[])[];
  /** Who is asked, in this order, when all look dead. */
  readonly lastResort: readonly PlaceId[];
  /** Regions that residency lets its writes go to, should they hold the primary. */
  readonly writes: readonly PlaceId[];
}

/** One relay process: connections that processes in `from` open towards `to`. `farshore link FILE`. */
export interface LinkConfig {
  readonly from: PlaceId;
  readonly to: PlaceId;
  readonly controlSocketPath: string;
  /** One-way delays in milliseconds, each direction of the bytes. */
  readonly delayMs: number;
  readonly returnDelayMs: number;
  readonly routes: readonly {
    readonly name: string;
    readonly listen: { readonly host: string; readonly port: number };
    readonly target: { readonly host: string; readonly port: number };
  }[];
}

/** The embedded store: `farshore store FILE`. */
export interface StoreConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly dataDir: string;
  readonly secretsPath: string;
}

/** One member of etcd and what carries its words to the others: `node dist/coordination/member/main.js FILE`. */
export interface MemberConfig {
  readonly name: string;
  readonly binary: string;
  readonly dataDir: string;
  readonly client: { readonly host: string; readonly port: number };
  readonly peer: { readonly host: string; readonly port: number };
  /** What etcd dials the other members through. */
  readonly relay: { readonly host: string; readonly port: number };
  /** Every member, this one too. `url` holds a name that only the relay knows; `near` is where it leads. */
  readonly members: readonly {
    readonly name: string;
    readonly url: string;
    readonly near: { readonly host: string; readonly port: number };
  }[];
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly secretsPath: string;
}
