/** The file the load process is started with: `node dist/drills/load/main.js FILE`. */
export interface LoadConfig {
  readonly schema: 'farshore.load/v1';
  readonly drill: string;
  readonly ledgerPath: string;
  /** Holds `appPassword`; read by the load process itself, so the password is in no argv and not in this file. */
  readonly secretsPath: string;
  /** It ends by itself after this, whatever happens to the process that started it. */
  readonly maxDurationMs: number;
  readonly cohorts: readonly CohortConfig[];
}

export type CohortConfig = SqlCohortConfig | HttpCohortConfig;

/** Writers with sessions that stay open, through one region's `rw` gateway. */
export interface SqlCohortConfig {
  readonly kind: 'sql';
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly table: string;
  readonly ratePerSecond: number;
  readonly deadlineMs: number;
  /**
   * How long an intention waits for a free session before it fails, as in every pool. Well below the deadline: one that is sent
   * just before its deadline costs a session and gets no answer, and a pool that only does that never recovers.
   */
  readonly poolWaitMs: number;
  readonly sessions: number;
  /** Run once on every new session; the self-test breaks durability with it. */
  readonly sessionSetup: string | null;
}

/** Users of one region's edge: POST /orders and GET /orders/:id. */
export interface HttpCohortConfig {
  readonly kind: 'http';
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /**
   * `host` is a name, asked for at the resolver on this port of loopback: again whenever its time to live is over, or `once`.
   * `reach` says where an address of the world's is reached from the place of these users. Null: `host` is an address.
   */
  readonly resolve: {
    readonly resolverPort: number;
    readonly once: boolean;
    readonly reach: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
  } | null;
  /** `new`: each request on a connection of its own. */
  readonly connections: 'kept' | 'new';
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  readonly writeDeadlineMs: number;
  readonly readDeadlineMs: number;
}

/** How many requests may be waiting at once: twice what a total outage makes wait within one deadline. */
export const inFlightBudget = (ratePerSecond: number, deadlineMs: number): number =>
  Math.max(4, Math.ceil((ratePerSecond * deadlineMs * 2) / 1000));
