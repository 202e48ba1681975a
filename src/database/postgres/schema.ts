/**
 * What every database of a group holds of Farshore's own. May be repeated: nothing is replaced but the functions, and they hold no data.
 *
 * P9 is these two functions. `mark` says which write it is; it is read in the transaction that writes, after its first change: epoch,
 * transaction, and a position that is past that change and before the commit. A position alone would not do: the one that can be read after
 * the commit is past it by what others wrote meanwhile, and after a failover nobody could tell on which side of the fork the commit was.
 *
 * `seen` says of a mark, on any node: `yes`, a statement that begins now sees that write; `not-yet`; `lost`, no node of this branch ever
 * will. A position beyond the fork is past what was replicated, so the commit is as well. One before the fork proves that the transaction's
 * first record is here, so its number was not given away again, and what became of it can be asked by that number.
 */
export const SCHEMA = `
CREATE SCHEMA IF NOT EXISTS farshore;
CREATE TABLE IF NOT EXISTS farshore.epoch (
  n bigint PRIMARY KEY, node text NOT NULL, timeline int NOT NULL, at timestamptz NOT NULL);
ALTER TABLE farshore.epoch ADD COLUMN IF NOT EXISTS fork pg_lsn;
CREATE TABLE IF NOT EXISTS farshore.heartbeat (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), seq bigint NOT NULL, node text NOT NULL, at timestamptz NOT NULL);

CREATE OR REPLACE FUNCTION farshore.mark() RETURNS text LANGUAGE sql VOLATILE AS $mark$
  SELECT (SELECT max(n) FROM farshore.epoch) || '.' || pg_current_xact_id() || '.'
    || replace(pg_current_wal_insert_lsn()::text, '/', '-')
$mark$;

CREATE OR REPLACE FUNCTION farshore.seen(mark text) RETURNS text LANGUAGE plpgsql VOLATILE AS $seen$
DECLARE
  epoch bigint := split_part(mark, '.', 1);
  xid xid8 := split_part(mark, '.', 2);
  lsn pg_lsn := replace(split_part(mark, '.', 3), '-', '/');
  newest bigint := (SELECT max(e.n) FROM farshore.epoch e);
  -- A standby may say so of a transaction whose end it has not replayed; the primary of a later epoch knows.
  gone text := CASE WHEN newest > epoch AND NOT pg_is_in_recovery() THEN 'lost' ELSE 'not-yet' END;
BEGIN
  IF newest IS NULL OR newest < epoch THEN RETURN 'not-yet'; END IF;
  IF newest > epoch THEN
    -- Data of a later reign without this one's row never was on its branch.
    IF NOT EXISTS (SELECT FROM farshore.epoch e WHERE e.n = epoch) THEN RETURN 'lost'; END IF;
    IF lsn > (SELECT e.fork FROM farshore.epoch e WHERE e.n > epoch ORDER BY e.n LIMIT 1) THEN RETURN 'lost'; END IF;
  ELSIF pg_is_in_recovery() AND coalesce(pg_last_wal_replay_lsn() < lsn, true) THEN
    RETURN 'not-yet';
  END IF;
  IF xid >= pg_snapshot_xmax(pg_current_snapshot()) THEN RETURN gone; END IF;
  -- Null: so old that PostgreSQL has forgotten how it ended.
  RETURN CASE pg_xact_status(xid) WHEN 'in progress' THEN 'not-yet' WHEN 'aborted' THEN gone ELSE 'yes' END;
END
$seen$;

GRANT USAGE ON SCHEMA farshore TO app;
GRANT SELECT ON ALL TABLES IN SCHEMA farshore TO app`;

/** Whether all of that is there: a database that was made by an older Farshore has less. */
export const SCHEMA_IS_WHOLE = `to_regprocedure('farshore.seen(text)') IS NOT NULL`;
