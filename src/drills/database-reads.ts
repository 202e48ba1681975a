import { Client } from 'pg';
import { messageOf } from '../base/errors.ts';
import { done, type Outcome, refused, unknown } from '../base/result.ts';
import type { NodeRead } from './trial/observation.ts';
import { HOST } from '../world/layout.ts';
import type { DrillRegion } from './drill-world.ts';
import { rowIdPrefix } from './ledger.ts';
import { DRILL_TABLE } from './load/mix.ts';
import { monotonicMs, pause } from './monotonic.ts';

const QUERY_TIMEOUT_MS = 10_000;

/** A connection to one node's own PostgreSQL over its Unix socket: no gateway, no link, nothing of Farshore in between. */
export async function withLocal<T>(
  region: DrillRegion,
  password: string,
  work: (client: Client) => Promise<T>,
): Promise<Outcome<T>> {
  return withClient({ host: region.postgres.socketDir, port: region.postgres.port, password }, work);
}

/** A connection through a region's `rw` gateway, as an application has it. */
export async function withGateway<T>(
  region: DrillRegion,
  password: string,
  work: (client: Client) => Promise<T>,
): Promise<Outcome<T>> {
  return withClient({ host: HOST, port: region.rwPort, password }, work);
}

/**
 * Makes the drill's table. It has no primary key on purpose: a write that was carried out twice must show. Rows of earlier
 * drills stay; ids carry the drill.
 */
export async function makeLedgerTable(region: DrillRegion, password: string): Promise<Outcome<void>> {
  return withGateway(region, password, async (client) => {
    await client.query(`CREATE TABLE IF NOT EXISTS ${DRILL_TABLE}
      (id text NOT NULL, client text NOT NULL, seq bigint NOT NULL, at timestamptz NOT NULL)`);
    await client.query(`CREATE INDEX IF NOT EXISTS ${DRILL_TABLE}_id ON ${DRILL_TABLE} (id text_pattern_ops)`);
  });
}

/** Everything that one node holds of the drill. */
export function readNode(region: DrillRegion, password: string, drill: string): Promise<Outcome<NodeRead>> {
  return withLocal(region, password, async (client) => {
    const position = await client.query<{ standby: boolean; lsn: string }>(
      `SELECT pg_is_in_recovery() AS standby,
        (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn`,
    );
    const at = position.rows[0];
    if (at === undefined) throw new Error('no position');
    return {
      node: region.node,
      isPrimary: !at.standby,
      lsn: at.lsn,
      ledger: await countIds(client, DRILL_TABLE, drill),
      orders: await countIds(client, 'orders', drill),
      epochs: await readEpochs(client),
    };
  });
}

/** Waits until a standby has replayed up to `lsn`. Refused when it has not within `timeoutMs`. */
export async function waitForReplay(
  region: DrillRegion,
  password: string,
  lsn: string,
  timeoutMs: number,
): Promise<Outcome<void>> {
  const endMs = monotonicMs() + timeoutMs;
  let last = 'it was never read';
  while (monotonicMs() < endMs) {
    const reached = await withLocal(region, password, async (client) => {
      const text = 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS reached, pg_last_wal_replay_lsn()::text AS lsn';
      const answer = await client.query<{ reached: boolean | null; lsn: string | null }>(text, [lsn]);
      return answer.rows[0];
    });
    if (reached.kind === 'done' && reached.value?.reached === true) return done(undefined);
    last = reached.kind === 'done' ? `it has replayed up to ${reached.value?.lsn ?? 'nothing'}` : reached.why;
    await pause(100);
  }
  return refused('behind', `${region.node} did not reach ${lsn} within ${timeoutMs} ms: ${last}`);
}

const UNDEFINED_TABLE = '42P01';

async function countIds(client: Client, table: string, drill: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const text = `SELECT id::text AS id, count(*)::int AS count FROM ${table} WHERE id::text LIKE $1 GROUP BY id`;
  const rows = await unless(UNDEFINED_TABLE, () =>
    client.query<{ id: string; count: number }>(text, [`${rowIdPrefix(drill)}%`]),
  );
  for (const row of rows?.rows ?? []) counts.set(row.id, row.count);
  return counts;
}

async function readEpochs(client: Client): Promise<NodeRead['epochs']> {
  const text = 'SELECT n::float8 AS n, node, timeline FROM farshore.epoch ORDER BY n';
  const read = await client.query<NodeRead['epochs'][number]>(text);
  return read.rows;
}

/** The answer, or null for this one error of PostgreSQL. */
async function unless<T>(sqlState: string, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === sqlState) return null;
    throw error;
  }
}

async function withClient<T>(
  where: { readonly host: string; readonly port: number; readonly password: string },
  work: (client: Client) => Promise<T>,
): Promise<Outcome<T>> {
  const client = new Client({
    ...where,
    user: 'app',
    database: 'app',
    application_name: 'farshore-drill',
    connectionTimeoutMillis: QUERY_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return done(await work(client));
  } catch (error) {
    return unknown(messageOf(error));
  } finally {
    void client.end().catch(() => undefined);
  }
}
