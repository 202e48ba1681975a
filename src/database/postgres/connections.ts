import type { Socket } from 'node:net';
import pg from 'pg';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { PostgresConfig, Secrets } from '../../ports/config.ts';
import type { KeeperClient } from '../keeper/client.ts';
import type { InForce } from './in-force.ts';

/** What every file of this folder works on. */
export interface Local {
  readonly config: PostgresConfig;
  readonly clock: Clock;
  readonly keeper: KeeperClient;
  secrets(): Promise<Secrets>;
  /** For `status` only, so that nothing slow is ever in front of it. */
  readonly watch: Session;
  /** For everything else that changes or reads the server. */
  readonly work: Session;
  /** A replication connection, for IDENTIFY_SYSTEM: a new one for each question costs more than all the rest of a takeover's reading. */
  readonly identity: Session;
  readonly inForce: InForce;
}

export type Row = Readonly<Record<string, unknown>>;

export interface Statement {
  readonly text: string;
  readonly values?: unknown[];
  /** With a name the server keeps the statement prepared. */
  readonly name?: string;
}

/** The database that holds `farshore.epoch` and the application's tables. */
export const APP_DATABASE = 'app';

/** A query that got no answer in time. The connection is gone; what it asked for may have happened. */
export class NoAnswer extends Error {}

/**
 * One connection that is opened when it is needed and again after a loss. A statement that gets no answer in time ends
 * the connection: a frozen server never makes a queue grow.
 */
export class Session {
  readonly #open: () => Promise<pg.Client>;
  readonly #clock: Clock;
  #client: Promise<pg.Client> | null = null;

  constructor(open: () => Promise<pg.Client>, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** The rows of one statement. Rejects with NoAnswer after `timeoutMs`, connecting included. */
  async query(statement: string | Statement, timeoutMs: number): Promise<Row[]> {
    const client = this.#connected();
    try {
      const result = await within(this.#clock, timeoutMs, async () => (await client).query(statement));
      return result.rows as Row[];
    } catch (error) {
      // An error that the server reported leaves the connection usable; anything else does not.
      if (!(error instanceof pg.DatabaseError) || error.severity === 'FATAL') this.#drop(client);
      throw error;
    }
  }

  /** Opens the connection before the next question, which would wait for it. */
  warm(): void {
    this.#connected().catch(() => undefined);
  }

  close(): void {
    if (this.#client !== null) this.#drop(this.#client);
  }

  #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const opening = this.#open();
    this.#client = opening;
    opening.then(
      (client) => client.once('end', () => this.#drop(opening)),
      () => this.#drop(opening),
    );
    return opening;
  }

  #drop(dropped: Promise<pg.Client>): void {
    if (this.#client === dropped) this.#client = null;
    dropped.then(hangUp, () => undefined);
  }
}

/** Ends a connection at once, without asking the server. */
export function hangUp(client: pg.Client): void {
  streamOf(client).destroy();
}

/** The socket under a client: node-postgres has no public way to pause it or to hang up. */
export function streamOf(client: pg.Client): Socket {
  return (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database?: string;
  readonly replication?: boolean;
  /** Settings of the session, as on the command line of `postgres`. */
  readonly options?: string;
  readonly timeoutMs: number;
}

/** Opens a connection. A later loss of it is no unhandled error: whoever uses it sees their query reject. */
export async function connectTo(target: Target): Promise<pg.Client> {
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: target.database ?? 'postgres',
    application_name: 'farshore',
    connectionTimeoutMillis: target.timeoutMs,
    ssl: false,
    ...(target.options === undefined ? {} : { options: target.options }),
    ...(target.replication === true ? { replication: 'true' } : {}),
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    hangUp(client);
    throw error;
  }
  return client;
}

/**
 * The application owns its database, so it can set defaults for every session in it, ours too, and make functions that
 * a superuser would call by accident. What a session asks for when it starts comes before such defaults.
 */
const OWN_SETTINGS = [
  'synchronous_commit=on',
  'search_path=pg_catalog',
  'default_transaction_read_only=off',
  'default_transaction_isolation=read\\ committed',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'idle_session_timeout=0',
  'client_min_messages=notice',
];

/** A superuser connection to the local server over its Unix socket. */
export async function connectLocally(
  config: PostgresConfig,
  secrets: Secrets,
  options: { readonly database: string; readonly replication?: boolean; readonly timeoutMs: number },
): Promise<pg.Client> {
  const { runDir: host, port } = config;
  const sessionOptions = OWN_SETTINGS.map((setting) => `-c ${setting}`).join(' ');
  const account = { user: 'farshore_admin', password: secrets.adminPassword, options: sessionOptions };
  return connectTo({ host, port, ...account, ...options });
}

/** Runs `work` on a connection of its own: what it reads is what a backend started just now reads. */
export async function withFresh<T>(
  local: Local,
  timeoutMs: number,
  work: (client: pg.Client) => Promise<T>,
  options: { readonly database?: string; readonly replication?: boolean } = {},
): Promise<T> {
  const database = options.database ?? APP_DATABASE;
  const client = await connectLocally(local.config, await local.secrets(), { ...options, database, timeoutMs });
  try {
    return await within(local.clock, timeoutMs, () => work(client));
  } finally {
    hangUp(client);
  }
}

/** `work`, or NoAnswer after `timeoutMs`. The work goes on unwatched: the caller ends its connection. */
export async function within<T>(clock: Clock, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const late = clock.sleep(timeoutMs, stop.signal).then(() => {
    throw new NoAnswer(`no answer within ${timeoutMs} ms`);
  });
  late.catch(() => undefined);
  const result = work();
  result.catch(() => undefined);
  try {
    return await Promise.race([result, late]);
  } finally {
    stop.abort();
  }
}

/** Calls `look` until it returns something other than null. null when `deadlineMs` passed. */
export async function poll<T>(
  clock: Clock,
  deadlineMs: number,
  everyMs: number,
  look: () => Promise<T | null>,
): Promise<T | null> {
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (clock.nowMs() + everyMs > deadlineMs) return null;
    await clock.sleep(everyMs);
  }
}

/** A column that must be text. */
export function text(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== 'string') throw new FarshoreError('FSH_FAILED', `column ${column} is not text: ${typeof value}`);
  return value;
}

export function textOrNull(row: Row | undefined, column: string): string | null {
  const value = row?.[column];
  return value === null || value === undefined ? null : text(row, column);
}
