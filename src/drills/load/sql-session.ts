import { Socket } from 'node:net';
import { Client, DatabaseError } from 'pg';
import { messageOf } from '../../base/errors.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { SqlCohortConfig } from './config.ts';
import { classifyBroken, classifySqlState } from './outcome.ts';
import type { OutcomeClass } from '../ledger.ts';

/** A reconnect loop against a refused port would eat the processor that the failover needs. */
const RECONNECT_PAUSE_MS = 20;
const CONNECT_TIMEOUT_MS = 5_000;
/** For the farewell message; a connection that hangs is not waited for. */
const CLOSE_GRACE_MS = 50;

export interface InsertResult {
  readonly sentMs: number;
  readonly outcome: OutcomeClass;
  readonly code: string | null;
  readonly timeline: number | null;
  readonly lsn: string | null;
}

/**
 * One connection of a writer cohort. It opens itself, tells when it is idle, carries one INSERT at a time, and when it
 * breaks it opens again at once: what a pool in an application does, without its retries.
 */
export class SqlSession {
  readonly number: number;
  readonly #config: SqlCohortConfig;
  readonly #password: string;
  readonly #onIdle: (session: SqlSession) => void;
  readonly #stopped = new AbortController();
  #client: Client | null = null;
  #socket: Socket | null = null;
  #used = 0;

  constructor(number: number, config: SqlCohortConfig, password: string, onIdle: (session: SqlSession) => void) {
    this.number = number;
    this.#config = config;
    this.#password = password;
    this.#onIdle = onIdle;
  }

  get usable(): boolean {
    return this.#client !== null;
  }
  get reused(): boolean {
    return this.#used > 0;
  }

  /** Keeps the connection open until `stop`. */
  async run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      await this.#openAndHold();
      await pause(RECONNECT_PAUSE_MS, this.#stopped.signal);
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    const client = this.#client;
    this.#client = null;
    void client?.end().catch(() => undefined);
    await pause(CLOSE_GRACE_MS);
    this.#socket?.destroy();
  }

  /** Drops the connection without a word: what a client does with one that owes it an answer past the deadline. */
  abandon(): void {
    this.#client = null;
    this.#socket?.destroy();
  }

  /** Sends one INSERT. Always answers; a broken connection is an outcome, not an error. */
  async insert(id: string, client: string, seq: number): Promise<InsertResult> {
    const connection = this.#client;
    const sentMs = monotonicMs();
    if (connection === null) return { sentMs, outcome: 'fail', code: 'not-connected', timeline: null, lsn: null };
    try {
      const answer = await connection.query<{ lsn: string; wal: string }>({
        name: 'drill-insert',
        text: `INSERT INTO ${this.#config.table} (id, client, seq, at) VALUES ($1, $2, $3, clock_timestamp())
               RETURNING pg_current_wal_insert_lsn() AS lsn, pg_walfile_name(pg_current_wal_insert_lsn()) AS wal`,
        values: [id, client, seq],
      });
      this.#used++;
      const row = answer.rows[0];
      const timeline = row === undefined ? null : Number.parseInt(row.wal.slice(0, 8), 16);
      return { sentMs, outcome: 'ok', code: null, timeline, lsn: row?.lsn ?? null };
    } catch (error) {
      if (!survives(error)) {
        this.#client = null;
        this.#socket?.destroy();
      }
      return { sentMs, ...describeFailure(error), timeline: null, lsn: null };
    }
  }

  async #openAndHold(): Promise<void> {
    const socket = new Socket();
    const client = new Client({
      host: this.#config.host,
      port: this.#config.port,
      user: this.#config.user,
      database: this.#config.database,
      password: this.#password,
      application_name: `drill-${this.#config.name}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      stream: () => socket,
    });
    const ended = new Promise<void>((resolve) => {
      client.once('end', resolve);
      socket.once('close', () => resolve());
    });
    // The query in flight gets the error too. The next one must not be handed to a client that is broken already.
    client.on('error', () => {
      if (this.#client === client) this.#client = null;
    });
    this.#socket = socket;
    this.#used = 0;
    try {
      await client.connect();
      if (this.#config.sessionSetup !== null) await client.query(this.#config.sessionSetup);
    } catch {
      socket.destroy();
      return;
    }
    if (this.#stopped.signal.aborted) {
      socket.destroy();
      return;
    }
    this.#client = client;
    this.#onIdle(this);
    await ended;
    this.#client = null;
    socket.destroy();
  }
}

/** After an ERROR the session goes on; after FATAL, or anything that is not PostgreSQL's word, it is over. */
const survives = (error: unknown): boolean => error instanceof DatabaseError && error.severity === 'ERROR';

function describeFailure(error: unknown): { readonly outcome: OutcomeClass; readonly code: string } {
  if (error instanceof DatabaseError && error.code !== undefined) {
    return { outcome: classifySqlState(error.code), code: error.code };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : null;
  return { outcome: classifyBroken(true), code: code ?? `connection-lost: ${messageOf(error)}` };
}
