import type { StoreKind } from './config.ts';
import type { NodeId, PlaceId } from '../base/ids.ts';
import type { Reason } from '../base/reason.ts';
import type { Salvage } from './database.ts';

/** A value with who saw it and how old it is. Status assembled from values of unknown age is a lie. */
export interface Aged<T> {
  readonly value: T;
  readonly ageMs: number;
  readonly observer: string;
}

export interface Drift {
  readonly name: string;
  readonly here: string;
  /** The primary's value; what is needed, when the primary has no part in it. */
  readonly wanted: string;
  readonly blocks: boolean;
  readonly what: string;
}

/** `GET /status` of an agent. */
export interface NodeStatus {
  readonly node: NodeId;
  readonly place: PlaceId;
  readonly pid: number;
  readonly role: 'primary' | 'standby' | 'none' | 'observer';
  readonly sync: 'solo' | 'confirms' | 'async' | 'primary' | 'none';
  /** What the primary's PostgreSQL waits for before it acknowledges: `w` of `names`. Null on any other node. */
  readonly list: { readonly w: number; readonly names: readonly NodeId[] } | null;
  readonly epoch: number | null;
  readonly storedEpoch: number | null;
  /** Who began the epoch that its database stored last; its PostgreSQL's system identifier; is there a cluster at all. */
  readonly storedBy: NodeId | null;
  readonly systemId: string | null;
  readonly hasData: boolean;
  readonly timeline: number | null;
  readonly lsn: string | null;
  readonly lagBytes: number | null;
  readonly heartbeatAgeMs: number | null;
  /** Settings in which this node differs from the primary, or that no primary may have (I9). `blocks`: it may not become primary. */
  readonly drift: readonly Drift[];
  /** What this node held alone after a change of primary, saved before it was made again (P8.3). */
  readonly salvages: readonly Salvage[];
  readonly open: boolean;
  readonly health: { readonly ok: boolean; readonly why: Reason };
  readonly state: string;
  readonly why: Reason;
  readonly keeperPid: number | null;
  readonly postgresPid: number | null;
  readonly gatewayPid: number | null;
  readonly gateway: {
    readonly fenced: number;
    readonly inFlightUnknown: number;
    readonly cancelledSyncWaits: number;
    readonly connections: number;
  } | null;
  readonly observedAtWallMs: number;
  readonly ageMs: number;
}

/** `farshore status --json`. Versioned: a field may be added within a version, never changed or removed. */
export interface WorldStatus {
  readonly schema: 'farshore.status/v1';
  readonly deployment: string;
  readonly state: 'ready' | 'starting' | 'degraded' | 'down';
  readonly why: Reason;
  readonly epoch: Aged<number> | null;
  readonly primary: Aged<{ readonly node: NodeId; readonly region: PlaceId }> | null;
  /** `kept` | `suspended` (a primary acknowledges alone) | `none` (async) | `unknown` (nothing runs, or the record can't be read). */
  readonly rpoZero: { readonly state: 'kept' | 'suspended' | 'none' | 'unknown'; readonly why: Reason };
  /** Automatic takeovers are paused by a person; null when they are not. */
  readonly paused: { readonly leftMs: number; readonly actor: string; readonly reason: string } | null;
  readonly record: Aged<{ readonly version: number; readonly w: number; readonly names: readonly NodeId[] }> | null;
  readonly regions: readonly {
    readonly id: PlaceId;
    readonly state: 'up' | 'down' | 'held';
    readonly nodes: readonly Aged<NodeStatus>[];
    readonly pids: Readonly<Record<string, number | null>>;
    readonly addresses: Readonly<Record<string, string>>;
  }[];
  readonly sites: readonly {
    readonly id: PlaceId;
    readonly state: 'up' | 'down';
    readonly pids: Readonly<Record<string, number | null>>;
    readonly addresses: Readonly<Record<string, string>>;
  }[];
  readonly store: {
    readonly kind: StoreKind;
    /** Members of etcd; empty for the embedded store, which has one server and no leader. */
    readonly members: readonly {
      readonly place: PlaceId;
      readonly state: 'up' | 'down';
      readonly leads: boolean;
      readonly why: string;
    }[];
  };
  readonly links: readonly {
    readonly from: PlaceId;
    readonly to: PlaceId;
    readonly state: 'up' | 'cut' | 'slow' | 'down';
    readonly targetRttMs: number;
    readonly measuredRttMs: number | null;
    readonly pid: number | null;
  }[];
  /** The DNS server and where it leads somebody on this machine now; null without one. */
  readonly dns: DnsLook | null;
  /** Null: no edge answers. */
  readonly traffic: TrafficLook | null;
  /** Processes that ended within the last minutes though nobody asked them to, newest first. */
  readonly ends: readonly ProcessEnd[];
}

/** What a question to the DNS server of a world found. */
export interface DnsLook {
  readonly place: PlaceId;
  readonly zone: string;
  /** What was asked for: a host that routing leads. */
  readonly host: string;
  /** `127.0.0.1:7803`. */
  readonly server: string;
  readonly addresses: readonly string[];
  /** Whose address the first one is. */
  readonly region: PlaceId | null;
  /** Why there is no address; null when there is one. */
  readonly why: string | null;
}

/** The last end of a process that nobody had asked to end. */
export interface ProcessEnd {
  readonly name: string;
  /** Null for a link. */
  readonly place: PlaceId | null;
  /** `exit 1`, `SIGKILL`. */
  readonly how: string;
  readonly atWallMs: number;
  readonly agoMs: number;
  /** The last error, else the last line, that it logged in that run; may be empty. */
  readonly said: string;
  /** Ends in a row, each soon after its start; 1 for a single one. */
  readonly times: number;
  /** Ends, over and over, soon after its start. */
  readonly failing: boolean;
  readonly runsAgain: boolean;
}

/** How users are led, as one edge says. */
export interface TrafficLook {
  readonly asked: PlaceId;
  /** What holds when every region looks unhealthy: `hold-last`, `open`, `closed`, `static: aws:eu-west-1`. */
  readonly whenAllUnhealthy: string;
  readonly unhealthy: readonly { readonly region: PlaceId; readonly why: string }[];
  /** They serve reads and say themselves that they can't write (deep checks). */
  readonly readOnly: readonly { readonly region: PlaceId; readonly why: string }[];
  /** Planes that look at the regions: `abstains` sees most of them down, `missing` was not heard lately. */
  readonly observers: readonly { readonly observer: string; readonly state: 'votes' | 'abstains' | 'missing' }[];
  /** Since when most of them are not heard, so that regions stay what they were; null while they are. */
  readonly heldForMs: number | null;
}
