import { chown, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { messageOf } from '../../base/errors.ts';
import { compareLsn, formatLsn, lsnToBigInt } from '../../base/lsn.ts';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { PostgresConfig } from '../../ports/config.ts';
import type { Upstream } from '../../ports/database.ts';
import { type Local, type Row, connectTo, hangUp, text, within } from './connections.ts';
import { exists, syncPath, writeWhole } from './files.ts';
import { syncDataDirectory } from './init.ts';
import { runTool, versionOf } from './run-tool.ts';
import { passfilePath } from './settings.ts';

const TIMEOUT_MS = 10_000;
const COPY_TIMEOUT_MS = 300_000;
const PIECE_BYTES = 4 * 1024 * 1024;
/** In a data directory that pg_rewind has begun to change: of no use to anybody until it ended well. */
const REWINDING = 'farshore-rewinding';

export const hasRewind = (config: PostgresConfig): Promise<boolean> => exists(join(config.binDir, 'pg_rewind'));

/** True when a rewind of this directory was begun and not finished. */
export const isHalfRewound = (dataDir: string): Promise<boolean> => exists(join(dataDir, REWINDING));

/**
 * Turns a diverged, cleanly stopped data directory back to where it left the upstream's branch, with the program that comes with
 * PostgreSQL. Only what changed crosses the link. Refused with nothing changed when it can't begin; `half-rewound` when the
 * directory is of no use any more.
 */
export async function rewind(local: Local, upstream: Upstream): Promise<Outcome<void>> {
  const { config } = local;
  if (!(await hasRewind(config))) return refused('no-pg-rewind', `there is no pg_rewind in ${config.binDir}`);
  const reply = await local.keeper.call({ do: 'status' });
  if (!reply.ok || reply.status.postgres !== null) return refused('runs', 'stop PostgreSQL before its data is rewound');
  const client = await connectSource(local, upstream);
  try {
    // pg_rewind reads the upstream's timeline from its last checkpoint, which may be from before its promotion.
    await within(local.clock, TIMEOUT_MS, () => client.query('CHECKPOINT'));
    await writeWhole(join(config.dataDir, REWINDING), '', config.runAs);
    const source = `host=${upstream.host} port=${upstream.port} user=farshore_replication dbname=postgres passfile='${quote(passfilePath(config))}' connect_timeout=2 sslmode=disable gssencmode=disable`;
    const args = ['--no-sync', '-D', config.dataDir, `--source-server=${source}`];
    const { ok, output } = await runTool(config, 'pg_rewind', args, config.runAs);
    if (!ok) return refused('half-rewound', output.trim().split('\n').slice(-3).join(' '));
    await writeWhole(join(config.dataDir, 'standby.signal'), '', config.runAs);
    await within(local.clock, COPY_TIMEOUT_MS, () => fetchWal(config, client));
    await syncDataDirectory(config, config.dataDir, await versionOf(config, config.runAs));
    await rm(join(config.dataDir, REWINDING), { force: true });
    await syncPath(config.dataDir);
    return done(undefined);
  } catch (error) {
    if (await isHalfRewound(config.dataDir)) return refused('half-rewound', messageOf(error));
    throw error;
  } finally {
    hangUp(client);
  }
}

const quote = (value: string): string => value.replace(/(['\\])/g, '\\$1');

async function connectSource(local: Local, { host, port }: Upstream): Promise<pg.Client> {
  const password = (await local.secrets()).replicationPassword;
  return connectTo({ host, port, user: 'farshore_replication', password, database: 'postgres', timeoutMs: TIMEOUT_MS });
}

/**
 * A rewound directory is consistent only past the upstream's position at the end of the rewind, and it starts isolated
 * (P8.1): the WAL up to there must be in it. pg_rewind copied the segments a moment too early.
 */
async function fetchWal(config: PostgresConfig, client: pg.Client): Promise<void> {
  const needed = await minimumRecoveryPoint(config);
  const start = await startOfRecovery(config);
  await client.query('CHECKPOINT');
  const [row] = (await client.query<Row>(POSITION)).rows;
  const end = text(row, 'lsn');
  if (compareLsn(end, needed) < 0) throw new Error(`the upstream has flushed ${end}, ${needed} is needed`);
  const size = BigInt(text(row, 'segment_bytes'));
  for (let segment = lsnToBigInt(start) / size; segment <= lsnToBigInt(needed) / size; segment++) {
    const [named] = (
      await client.query<Row>('SELECT pg_walfile_name($1::pg_lsn) AS name', [formatLsn(segment * size + 1n)])
    ).rows;
    await fetchSegment(config, client, text(named, 'name'), Number(size));
  }
}

const POSITION = `
SELECT pg_current_wal_flush_lsn()::text AS lsn,
  (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size') AS segment_bytes`;

async function fetchSegment(config: PostgresConfig, client: pg.Client, name: string, size: number): Promise<void> {
  const path = join(config.dataDir, 'pg_wal', name);
  const handle = await open(`${path}.fetched`, 'w', 0o600);
  try {
    for (let at = 0; at < size; at += PIECE_BYTES) {
      const query = 'SELECT pg_read_binary_file($1, $2, $3, true) AS piece';
      const [row] = (await client.query<Row>(query, [`pg_wal/${name}`, at, PIECE_BYTES])).rows;
      const piece = row?.['piece'];
      // Left out when another timeline's file holds this part.
      if (!Buffer.isBuffer(piece)) {
        await rm(`${path}.fetched`);
        return;
      }
      await handle.write(piece);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (config.runAs !== null) await chown(`${path}.fetched`, config.runAs.uid, config.runAs.gid);
  await rename(`${path}.fetched`, path);
}

async function minimumRecoveryPoint(config: PostgresConfig): Promise<string> {
  const { ok, output } = await runTool(config, 'pg_controldata', ['-D', config.dataDir], config.runAs);
  const found = /Minimum recovery ending location:\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(output)?.[1];
  if (!ok || found === undefined) throw new Error(`pg_controldata: ${output.trim().slice(-200)}`);
  return found;
}

async function startOfRecovery(config: PostgresConfig): Promise<string> {
  const label = await readFile(join(config.dataDir, 'backup_label'), 'utf8');
  const found = /^START WAL LOCATION: ([0-9A-F]+\/[0-9A-F]+)/im.exec(label)?.[1];
  if (found === undefined) throw new Error('pg_rewind left no backup_label');
  return found;
}
