import type pg from 'pg';
import type { Lsn } from '../../base/lsn.ts';
import { APP_DATABASE, type Local, withFresh } from './connections.ts';
import { SCHEMA } from './schema.ts';
import { scramVerifier } from './scram.ts';
import { literal } from './settings.ts';

const TIMEOUT_MS = 30_000;
const LOCK_TIMEOUT_MS = 1_000;

/**
 * Roles, database and schema of a new group, once, on its first primary; clones inherit them. May be repeated.
 * Nothing here waits for standbys: there are none yet, and when it is repeated the list may be in force already.
 */
export async function makeRolesAndSchema(local: Local, epoch: number): Promise<void> {
  const secrets = await local.secrets();
  // New databases copy template1, functions' rights included.
  for (const database of ['template1', 'postgres']) {
    await withFresh(
      local,
      TIMEOUT_MS,
      async (client) => {
        await client.query('SET synchronous_commit = local');
        await client.query(NO_SIGNALS);
      },
      { database },
    );
  }
  await withFresh(
    local,
    TIMEOUT_MS,
    async (client) => {
      await client.query('SET synchronous_commit = local');
      await makeRole(client, 'farshore_replication', 'REPLICATION', secrets.replicationPassword);
      await makeRole(client, 'app', '', secrets.appPassword);
      await client.query(MAY_REWIND);
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [APP_DATABASE]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${APP_DATABASE} OWNER app`);
    },
    { database: 'postgres' },
  );
  await makeSchema(local);
  await storeEpoch(local, epoch, null);
}

/** A table that somebody reads for hours must not hold a takeover up: then it is an error, and tried again. */
export async function makeSchema(local: Local): Promise<void> {
  await withFresh(local, TIMEOUT_MS, async (client) => {
    await client.query(
      `BEGIN; SET LOCAL synchronous_commit = local; SET LOCAL lock_timeout = '${LOCK_TIMEOUT_MS}ms'; ${SCHEMA}; COMMIT`,
    );
  });
}

/**
 * Stores the epoch (I1) with the timeline it began on, and where the branch of the epoch before was left for it (P9). Does not wait for
 * standbys: they learn it by following.
 */
export async function storeEpoch(local: Local, epoch: number, fork: Lsn | null): Promise<void> {
  await local.work.query({ text: STORE_EPOCH, values: [epoch, local.config.node, fork] }, TIMEOUT_MS);
}

async function makeRole(client: pg.Client, role: string, attributes: string, password: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  if (rowCount === 0)
    await client.query(`CREATE ROLE ${role} LOGIN ${attributes} PASSWORD ${literal(scramVerifier(password))}`);
}

/** Cancelling a wait for standbys turns an unconfirmed commit into a success (P7.3): not for applications. */
const NO_SIGNALS = `
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_cancel_backend(int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(int, bigint) FROM PUBLIC`;

/** What pg_rewind needs on its source; the functions' rights are those of the database `postgres`. */
const MAY_REWIND = `
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean), pg_catalog.pg_stat_file(text, boolean),
  pg_catalog.pg_read_binary_file(text), pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO farshore_replication;
GRANT pg_checkpoint TO farshore_replication`;

/** `set_config` as SET LOCAL: it is asked at the commit of this one statement, and forgotten after it. */
const STORE_EPOCH = `
INSERT INTO farshore.epoch (n, node, timeline, at, fork)
SELECT $1, $2, ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int, clock_timestamp(), $3::pg_lsn
FROM set_config('synchronous_commit', 'local', true)
ON CONFLICT (n) DO NOTHING`;
