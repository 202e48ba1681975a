import type pg from 'pg';
import { type Outcome, done, unknown } from '../../base/result.ts';
import type { SyncList } from '../../ports/database.ts';
import { type Local, poll, text, withFresh } from './connections.ts';
import { changeSetting, settingInForce } from './in-force.ts';
import { applicationName, renderSyncList } from './names.ts';

const POLL_MS = 10;

/** Writes the list and asks for a reload. Works on a standby too. Not a barrier. */
export async function setSyncList(local: Local, list: SyncList): Promise<Outcome<void>> {
  await changeSetting(local, 'synchronous_standby_names', renderSyncList(local.config.group, list));
  return done(undefined);
}

/**
 * The barrier (P4.1b). Who decides what about a waiting commit (syncrep.c, the same in PostgreSQL 15 to 18):
 * - a backend decides *whether* it waits by a flag in shared memory, never by its own copy of the list. The
 *   checkpointer sets the flag when it reads the settings again;
 * - a walsender decides *when* the wait is over, by its own copy of the list and by the priority that every other
 *   walsender computed from its own copy. A walsender that has not read the new list lets the old one's rule pass.
 *
 * So: (1) a fresh connection shows the list: the postmaster has read it and signalled everybody. (2) The checkpointer
 * has set the flag. (3) No walsender that was there after (1) is left. (4) A commit that passed the flag before (2), or that an old
 * walsender released before (3), is in the WAL by now: it ends before a position read now, and when every name has
 * flushed up to there it is confirmed under the new list too.
 */
export async function settleSyncList(
  local: Local,
  list: SyncList,
  prove: readonly ('in-force' | 'flushed')[],
  timeoutMs: number,
): Promise<Outcome<void>> {
  const deadlineMs = local.clock.nowMs() + timeoutMs;
  const leftMs = (): number => Math.max(1, deadlineMs - local.clock.nowMs());
  const value = renderSyncList(local.config.group, list);
  const shown = await settingInForce(local, 'synchronous_standby_names', value, deadlineMs);
  if (shown.kind !== 'done' || prove.length === 0) return shown;
  // One of our own, so that a frozen server never blocks other work behind it.
  return withFresh(local, leftMs(), async (client) => {
    if (prove.includes('in-force')) {
      const proven = await proveInForce(local, client, deadlineMs);
      if (proven.kind !== 'done') return proven;
    }
    return prove.includes('flushed') ? proveFlushed(local, client, list, deadlineMs) : done(undefined);
  }).catch((error: unknown) => unknown(`not settled: ${error instanceof Error ? error.message : String(error)}`));
}

async function proveInForce(local: Local, client: pg.Client, deadlineMs: number): Promise<Outcome<void>> {
  const before = await walsendersNow(client);
  // The checkpointer looks at its signals before each checkpoint. The first may have begun just before the signal
  // came; the second begins after the first ended.
  await client.query('CHECKPOINT');
  await client.query('CHECKPOINT');
  const restarted = await poll(local.clock, deadlineMs, POLL_MS, async () =>
    (await terminateWalsenders(client, before)) === 0 ? true : null,
  );
  if (restarted === null) return unknown('a walsender from before the change is still there');
  // Our own was among them; a takeover's reading would wait for a new one.
  local.identity.close();
  local.identity.warm();
  return done(undefined);
}

async function proveFlushed(
  local: Local,
  client: pg.Client,
  list: SyncList,
  deadlineMs: number,
): Promise<Outcome<void>> {
  const end = await flushedEnd(client);
  const names = list.w === 0 ? [] : list.names.map((node) => applicationName(local.config.group, node, list.epoch));
  let missing: string[] = names;
  const confirmed = await poll(local.clock, deadlineMs, POLL_MS, async () => {
    missing = (await client.query<{ name: string }>(NOT_FLUSHED, [names, end])).rows.map((row) => row.name);
    return missing.length === 0 ? true : null;
  });
  return confirmed === null ? unknown(`not flushed up to ${end}: ${missing.join(', ')}`) : done(undefined);
}

/**
 * The walsenders that may hold an older list, as pid and start: a pid alone is used again, and a start alone is the
 * wall clock's word. Not among them, because they read the settings before their next command:
 * - one in `backup`. It releases nobody (its state is below streaming), and ending it would throw a copy away;
 * - one that is not in the view yet, still logging in. Its signal waits for it until it takes commands.
 */
export async function walsendersNow(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ walsender: string }>(`SELECT ${WALSENDER} AS walsender ${FROM_WALSENDERS}`);
  return rows.map((row) => text(row, 'walsender'));
}

/** Ends those of `walsenders` that are still there, and says how many were. */
export async function terminateWalsenders(client: pg.Client, walsenders: readonly string[]): Promise<number> {
  const query = `SELECT pg_terminate_backend(a.pid) ${FROM_WALSENDERS} AND ${WALSENDER} = ANY ($1::text[])`;
  return (await client.query(query, [walsenders])).rowCount ?? 0;
}

const WALSENDER = `a.pid || '@' || extract(epoch FROM a.backend_start)`;
const FROM_WALSENDERS = `
FROM pg_stat_activity a LEFT JOIN pg_stat_replication r ON r.pid = a.pid
WHERE a.backend_type = 'walsender' AND r.state IS DISTINCT FROM 'backup'`;

/** Standbys can only confirm what was flushed here: a commit of our own flushes up to the position that was read. */
async function flushedEnd(client: { query(sql: string): Promise<{ rows: unknown[] }> }): Promise<string> {
  await client.query('SET synchronous_commit = local');
  const [row] = (await client.query('SELECT pg_current_wal_insert_lsn()::text AS lsn')).rows;
  await client.query(`SELECT pg_logical_emit_message(true, 'farshore', 'barrier')`);
  return text(row as { lsn: string }, 'lsn');
}

const NOT_FLUSHED = `
SELECT name FROM unnest($1::text[]) name WHERE NOT EXISTS (
  SELECT FROM pg_stat_replication
  WHERE application_name = name AND state = 'streaming' AND flush_lsn >= $2::pg_lsn)`;
