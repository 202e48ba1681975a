import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import type { PostgresConfig } from '../../ports/config.ts';
import { exists, writeWhole } from './files.ts';
import { memberSlot } from './member-slots.ts';
import type { RunAs } from './run-as.ts';
import { majorOf } from './run-tool.ts';

/** Written anew before every start; the same on every node but for addresses (I9). */
const MANAGED_FILE = 'farshore.conf';

const CONNECTIONS_MAX = 100;
/** For agents, replication, heartbeats and a person with psql, also while every client logs in at once. */
const KEPT_FOR_FARSHORE = 15;
export const CLIENT_CONNECTIONS_MAX = CONNECTIONS_MAX - KEPT_FOR_FARSHORE;

/**
 * Settings that differ from PostgreSQL's defaults, each because a promise or the size of a small machine needs it.
 * Those that a standby must not have lower than its primary (max_connections, max_wal_senders, …) are not below the defaults:
 * the control file of a fresh cluster holds the defaults, and a standby below them refuses to start.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  hot_standby: 'on',
  synchronous_commit: 'on',
  fsync: 'on',
  full_page_writes: 'on',
  wal_log_hints: 'on',
  // A crash of one backend must not restart PostgreSQL as a primary by itself: every start is isolated (P8.1).
  restart_after_crash: 'off',
  max_connections: String(CONNECTIONS_MAX),
  // One for each other member, a second for one that is copied (its WAL comes beside the copy), the agent's own.
  max_wal_senders: '20',
  // One for each other member (at most five regions of two nodes), the one for salvage, those of clones.
  max_replication_slots: '20',
  wal_keep_size: '256MB',
  max_slot_wal_keep_size: '512MB',
  max_wal_size: '512MB',
  // initdb's own is five segments: too few are used again then.
  min_wal_size: '80MB',
  wal_sender_timeout: '2s',
  wal_receiver_timeout: '2s',
  wal_retrieve_retry_interval: '200ms',
  wal_receiver_status_interval: '1s',
  shared_buffers: '16MB',
  password_encryption: 'scram-sha-256',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] %q%u@%d %a ',
  log_timezone: 'UTC',
  // Cancelled waits for a standby are warnings; drills count them (P7.3).
  log_min_messages: 'warning',
  log_checkpoints: 'off',
  lc_messages: 'C',
};

/** Linux reports what syncfs could not write since 5.8 only. */
export const SYNCS_WHOLE = process.platform === 'linux' && isAtLeast(release(), 5, 8);

function isAtLeast(kernel: string, major: number, minor: number): boolean {
  const [has = 0, hasMinor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return has > major || (has === major && hasMinor >= minor);
}

/** Brings the files of a data directory in order: managed settings, HBA, passfile, nothing inherited. PostgreSQL is stopped. */
export async function writeSettings(config: PostgresConfig, version: string, passwords: Passwords): Promise<void> {
  const { dataDir, runAs } = config;
  await writeChanged(join(dataDir, MANAGED_FILE), renderSettings(config, version), runAs);
  const rewinds = await exists(join(config.binDir, 'pg_rewind'));
  await writeChanged(join(dataDir, 'pg_hba.conf'), rewinds ? HBA + HBA_REWIND : HBA, runAs);
  await writeChanged(passfilePath(config), renderPassfile(passwords), runAs);
  const main = join(dataDir, 'postgresql.conf');
  const text = await readFile(main, 'utf8');
  const line = `include '${MANAGED_FILE}'`;
  if (!text.split('\n').includes(line)) await writeChanged(main, `${text.trimEnd()}\n${line}\n`, runAs);
  await resetInherited(config);
}

export interface Passwords {
  readonly replicationPassword: string;
}

/** Before most starts nothing differs, and each file that is written waits for the disk twice. */
async function writeChanged(path: string, text: string, runAs: RunAs | null): Promise<void> {
  const present = await readFile(path, 'utf8').catch(() => null);
  if (present !== text) await writeWhole(path, text, runAs);
}

function renderSettings(config: PostgresConfig, version: string): string {
  const settings: Record<string, string> = {
    ...SETTINGS,
    // Fewer processes: the workers of asynchronous reads are for larger machines.
    ...(majorOf(version) >= 18 ? { io_method: 'sync' } : {}),
    // After a kill: one order to the file system instead of an fsync of each file, each of which may wait for its journal.
    ...(SYNCS_WHOLE ? { recovery_init_sync_method: 'syncfs' } : {}),
    listen_addresses: config.host,
    port: String(config.port),
    unix_socket_directories: quoteListItem(config.runDir),
    unix_socket_permissions: '0700',
    cluster_name: 'farshore',
    primary_slot_name: memberSlot(config.node),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${literal(value)}`);
  return `# Written by Farshore before every start. Put your own settings in postgresql.conf above the include.\n${lines.join('\n')}\n`;
}

/** Clients come over the socket (P10.2); the network listener takes replication from members only. */
const HBA = `# Written by Farshore before every start.
local all         all                                scram-sha-256
local replication farshore_admin                     scram-sha-256
host  replication farshore_replication 127.0.0.0/8   scram-sha-256
`;

/** pg_rewind asks in SQL; its role may read files, as a base backup does, and write nothing. */
const HBA_REWIND = `host  postgres    farshore_replication 127.0.0.0/8   scram-sha-256
`;

/** Settings that belong to one reign and one place; a clone or an old primary must not start with them (P8.4). */
const INHERITED = ['synchronous_standby_names', 'primary_conninfo', 'primary_slot_name', 'synchronized_standby_slots'];

async function resetInherited(config: PostgresConfig): Promise<void> {
  const path = join(config.dataDir, 'postgresql.auto.conf');
  const text = await readFile(path, 'utf8').catch(() => '');
  await writeChanged(path, withoutInherited(text), config.runAs);
}

/** postgresql.auto.conf without the settings of a reign. Other values that a person set with ALTER SYSTEM stay. */
export function withoutInherited(autoConf: string): string {
  const kept = autoConf
    .split('\n')
    .filter((line) => !INHERITED.includes((line.trim().split(/[\s=]/, 1)[0] ?? '').toLowerCase()));
  return `${kept.join('\n').trimEnd()}\n`;
}

export const passfilePath = (config: PostgresConfig): string => join(config.runDir, 'replication.pgpass');

function renderPassfile(passwords: Passwords): string {
  return `*:*:*:farshore_replication:${passwords.replicationPassword.replace(/([\\:])/g, '\\$1')}\n`;
}

/** A quoted value of PostgreSQL's configuration file, and of SQL when it holds no backslash. */
export const literal = (value: string): string => `'${value.replace(/'/g, "''")}'`;

/** One item of a list setting: a path with a space or comma needs quotes of its own. */
const quoteListItem = (item: string): string => `"${item.replace(/"/g, '""')}"`;
