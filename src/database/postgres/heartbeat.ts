import pg from 'pg';
import { messageOf } from '../../base/errors.ts';
import { type Outcome, done, refused, unknown } from '../../base/result.ts';
import type { Heartbeat as Beat } from '../../ports/database.ts';
import { APP_DATABASE, type Local, NoAnswer, connectLocally, hangUp, within } from './connections.ts';

const CONNECT_TIMEOUT_MS = 2_000;

/**
 * Commits heartbeat rows as an application would: each waits for the sync list. At most one is on its way; a call that
 * finds one waiting joins it. A wait that outlives its caller is left alone: ending it would report a commit that
 * nobody confirmed.
 */
export class Heartbeat {
  readonly #local: Local;
  #client: pg.Client | null = null;
  #underway: Promise<Outcome<Beat>> | null = null;
  /** Set by the notice that says a wait was cancelled, before the commit is reported as a success (P7.3). */
  #cancelled = false;

  constructor(local: Local) {
    this.#local = local;
  }

  async beat(timeoutMs: number): Promise<Outcome<Beat>> {
    this.#underway ??= this.#commit().finally(() => {
      this.#underway = null;
    });
    try {
      return await within(this.#local.clock, timeoutMs, () => this.#underway ?? Promise.resolve(unknown('ended')));
    } catch (error) {
      if (error instanceof NoAnswer) return unknown(`not confirmed within ${timeoutMs} ms`);
      throw error;
    }
  }

  close(): void {
    if (this.#client !== null) hangUp(this.#client);
    this.#client = null;
  }

  async #commit(): Promise<Outcome<Beat>> {
    try {
      const client = (this.#client ??= await this.#open());
      this.#cancelled = false;
      const sentAtMs = this.#local.clock.nowMs();
      const { rows } = await client.query<{ seq: number }>({
        name: 'farshore_beat',
        text: BEAT,
        values: [this.#local.config.node],
      });
      if (this.#cancelled) return refused('sync-wait-cancelled', 'committed here, but nobody confirmed it');
      const seq = rows[0]?.seq;
      return seq === undefined ? refused('no-row', 'the heartbeat row is missing') : done({ seq, sentAtMs });
    } catch (error) {
      this.close();
      // An ERROR means that it was rolled back; after anything else it may have been committed.
      return error instanceof pg.DatabaseError && error.severity === 'ERROR'
        ? refused(error.code ?? 'failed', error.message)
        : unknown(messageOf(error));
    }
  }

  async #open(): Promise<pg.Client> {
    const options = { database: APP_DATABASE, timeoutMs: CONNECT_TIMEOUT_MS };
    const client = await connectLocally(this.#local.config, await this.#local.secrets(), options);
    client.on('notice', (notice) => {
      if (notice.routine === 'SyncRepWaitForLSN') this.#cancelled = true;
    });
    client.on('end', () => {
      if (this.#client === client) this.#client = null;
    });
    return client;
  }
}

const BEAT = `
INSERT INTO farshore.heartbeat AS h (seq, node, at) VALUES (1, $1, clock_timestamp())
ON CONFLICT (one) DO UPDATE SET seq = h.seq + 1, node = excluded.node, at = excluded.at
RETURNING seq::float8 AS seq`;
