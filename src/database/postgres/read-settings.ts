import { type Outcome, done } from '../../base/result.ts';
import type { Settings } from '../../ports/database.ts';
import { type Local, type Row, text } from './connections.ts';

const TIMEOUT_MS = 4_000;

/**
 * What must be equal on every node that may become primary (I9). `synchronous_commit` is read from the configuration files,
 * because every session of ours asks for its own; defaults of roles and databases are rows, and so the same everywhere.
 */
export async function readSettings(local: Local): Promise<Outcome<Settings>> {
  const rows = await local.work.query(SETTINGS, TIMEOUT_MS);
  return done(Object.fromEntries(rows.map((row: Row) => [text(row, 'name'), text(row, 'value')])));
}

const SETTINGS = `
SELECT name, setting AS value FROM pg_settings WHERE name IN ('max_connections', 'max_wal_senders', 'wal_level',
  'max_locks_per_transaction', 'max_prepared_transactions', 'max_worker_processes', 'fsync', 'full_page_writes',
  'shared_preload_libraries', 'server_version')
UNION ALL SELECT 'synchronous_commit', coalesce((SELECT setting FROM pg_file_settings
  WHERE name = 'synchronous_commit' AND applied ORDER BY seqno DESC LIMIT 1), 'on')
UNION ALL SELECT 'encoding', pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
UNION ALL SELECT 'collation', concat_ws(' ', datcollate, pg_database_collation_actual_version(oid))
  FROM pg_database WHERE datname = current_database()
UNION ALL SELECT 'libc', coalesce((SELECT max(pg_collation_actual_version(oid)) FROM pg_collation WHERE collprovider = 'c'), '')
UNION ALL SELECT 'missing_extensions', coalesce((SELECT string_agg(extname, ', ' ORDER BY extname) FROM pg_extension
  WHERE extname NOT IN (SELECT name FROM pg_available_extensions)), '')`;
