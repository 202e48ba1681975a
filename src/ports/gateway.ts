import type { ClocksAhead } from '../base/clocks-ahead.ts';
import type { NodeId, PlaceId } from '../base/ids.ts';
import type { Outcome } from '../base/result.ts';

/**
 * What the agent tells its gateway (P7.1), over the gateway's control socket: a Unix socket, one JSON object a line.
 * The gateway keeps the last table when the agent is gone; `deadlineMs` and `freshUntilMs`
 * (CLOCK_MONOTONIC) bound what it may answer.
 */
export interface GatewayTable {
  readonly epoch: number;
  /** Local PostgreSQL: `primary` may be written to when `open`. */
  readonly local: 'primary' | 'standby' | 'closed';
  readonly open: boolean;
  /** The primary hands over: new `rw` connections wait, and each session ends with its transaction. */
  readonly closing?: boolean;
  /** Past this the gateway writes nothing more to a client (P2.3); null = no deadline. */
  readonly deadlineMs: number | null;
  /** Async: the machine's other clocks when the lease was asked for. What they counted since and CLOCK_MONOTONIC did not is gone of it (P2.2). */
  readonly ahead?: ClocksAhead;
  /** The primary of `epoch`, and the gateway that leads to it as seen from here; null while unknown. */
  readonly primary: {
    readonly node: NodeId;
    readonly region: PlaceId;
    readonly host: string;
    readonly port: number;
  } | null;
  /** May `ro` be served here, and if not, where (nearest first) and why. */
  readonly readOnly: {
    readonly local: boolean;
    /**
     * Until when (CLOCK_MONOTONIC) the local replica counts as fresh if no newer table says so; past it `local` is false.
     * null = no bound: the primary itself, which has `deadlineMs`.
     */
    readonly freshUntilMs: number | null;
    readonly why: string;
    readonly elsewhere: readonly { readonly node: NodeId; readonly host: string; readonly port: number }[];
  };
}

export type GatewayRequest =
  | { readonly id: number; readonly do: 'table'; readonly table: GatewayTable }
  | { readonly id: number; readonly do: 'status' };

export interface GatewayStatus {
  readonly pid: number;
  readonly epoch: number;
  readonly table: GatewayTable | null;
  readonly connections: {
    readonly rw: number;
    readonly ro: number;
    readonly peer: number;
    readonly waiting: number;
    /** Those led to the local PostgreSQL for writing, whatever door they came by. */
    readonly writers: number;
  };
  readonly counters: {
    readonly accepted: number;
    readonly refused: number;
    /** Connections closed because the epoch or the deadline passed. */
    readonly fenced: number;
    /** Commits that were in flight then: SQLSTATE 08007. */
    readonly inFlightUnknown: number;
    /** Cancelled waits for synchronous replication turned into an error (P7.3). */
    readonly cancelledSyncWaits: number;
    /** Cancel requests passed on that were not followed by 57014: nobody knows what they met (P7.3). */
    readonly cancelsUnknown: number;
  };
}

export type GatewayReply =
  | { readonly id: number; readonly ok: true; readonly status: GatewayStatus }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly why: string };

/** The file the gateway is started with: `node dist/database/gateway/main.js FILE`. */
export interface GatewayConfig {
  readonly node: NodeId;
  readonly controlSocketPath: string;
  /** PostgreSQL's Unix socket: `${socketDir}/.s.PGSQL.${port}`. */
  readonly postgres: { readonly socketDir: string; readonly port: number };
  readonly rw: { readonly host: string; readonly port: number };
  readonly ro: { readonly host: string; readonly port: number };
  /** For gateways of other regions, reached over links. */
  readonly peer: { readonly host: string; readonly port: number };
  /** File that holds the token gateways show each other; never in argv or logs. */
  readonly tokenPath: string;
  /** Certificate for clients that ask for TLS; null = TLS is answered with "not offered", allowed on loopback only. */
  readonly tls: { readonly certPath: string; readonly keyPath: string } | null;
  /**
   * How many of PostgreSQL's connections clients may have. Ones in the middle of logging in count there too, and have no place kept
   * for a superuser: a storm of clients would leave none for Farshore itself, which needs some to let standbys back in.
   */
  readonly clientsMax: number;
  /** How long a new connection waits for a primary, or for a place, before 57P03. */
  readonly waitForPrimaryMs: number;
}

/**
 * The line with which another gateway, or an observer, begins a connection to the `peer` listener. `hello` asks only
 * whether this gateway is there and its PostgreSQL accepts connections; nothing follows.
 */
export interface GatewayPreface {
  readonly farshore: 1;
  readonly token: string;
  readonly want: 'rw' | 'ro' | 'cancel' | 'hello';
  /** The highest epoch the sender knows; 0 tells nothing. */
  readonly epoch: number;
  /** Milliseconds until the sender's deadline, null = none. Monotonic clocks of two machines don't compare. */
  readonly leftMs: number | null;
}

/** The answering gateway's line. When `ok` is false it closes the connection. */
export interface GatewayPrefaceAnswer {
  readonly farshore: 1;
  readonly ok: boolean;
  readonly epoch: number;
  readonly leftMs: number | null;
  readonly why: string;
}

/** The agent's hand on its gateway. `unknown` when the gateway did not answer: it keeps its last table. */
export interface GatewayControl {
  table(table: GatewayTable): Promise<Outcome<GatewayStatus>>;
  status(): Promise<Outcome<GatewayStatus>>;
  close(): void;
}
