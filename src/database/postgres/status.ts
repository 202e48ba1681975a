import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type NodeId, parseNodeId } from '../../base/ids.ts';
import type { PostgresConfig } from '../../ports/config.ts';
import { type DatabaseStatus, type Fork, type StandbySeen, NOTHING } from '../../ports/database.ts';
import { type Local, type Row, type Statement, textOrNull } from './connections.ts';
import { parseConninfo } from './conninfo.ts';
import { type Identity, identifyLocal, localHistory } from './identify.ts';
import { parseApplicationName, parseSyncList } from './names.ts';

const TIMEOUT_MS = 500;

/** Everything in one statement: one round trip, one moment. A CASE keeps each function to the state that allows it. */
const LOOK: Statement = {
  name: 'farshore_status',
  text: `
SELECT r.recovery,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
  newest.n::float8 AS stored_epoch, newest.node AS stored_by,
  CASE WHEN r.recovery THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
       ELSE pg_current_wal_flush_lsn() END::text AS end_lsn,
  CASE WHEN r.recovery THEN pg_last_wal_replay_lsn() END::text AS replay_lsn,
  CASE WHEN NOT r.recovery
       THEN ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END AS primary_timeline,
  receiver.received_tli AS receiver_timeline,
  coalesce(receiver.status = 'streaming', false) AS streaming,
  -- One that asks for WAL that is gone is streaming too, until it is refused, and is started again and again. Its written_lsn
  -- is NULL until WAL came; nothing comes to one that begins at the end of all WAL, so it is believed for having stayed.
  coalesce(receiver.written_lsn IS NOT NULL
           OR clock_timestamp() - (SELECT backend_start FROM pg_stat_activity WHERE pid = receiver.pid)
              > interval '4 seconds', false) AS fed,
  current_setting('primary_conninfo') AS conninfo,
  CASE WHEN r.recovery
       THEN (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup') END AS startup_waits_for,
  current_setting('synchronous_standby_names') AS sync_names,
  CASE WHEN NOT r.recovery THEN (
    SELECT json_agg(json_build_object('name', application_name, 'state', state, 'flush', flush_lsn::text,
                                      'replay', replay_lsn::text, 'sync', sync_state)) FROM pg_stat_replication) END AS standbys,
  beat.seq::float8 AS beat_seq,
  (extract(epoch FROM clock_timestamp() - beat.at) * 1000)::float8 AS beat_age_ms
FROM (SELECT pg_is_in_recovery() AS recovery) r
LEFT JOIN pg_stat_wal_receiver receiver ON true
LEFT JOIN farshore.heartbeat beat ON true
LEFT JOIN (SELECT n, node FROM farshore.epoch ORDER BY n DESC LIMIT 1) newest ON true`,
};

/** The startup process has read all local WAL and waits for more, from a stream or for its next try. */
const WAITS_FOR_MORE_WAL = ['RecoveryRetrieveRetryInterval', 'RecoveryWalStream'];

/** Reads the local PostgreSQL. Never rejects: what can't be read is `starting` or `stopped`, as the keeper says. */
export class StatusReader {
  readonly #local: Local;
  /** A standby that is not receiving stands still: its exact timeline is asked for once per position. */
  #still: { readonly replayLsn: string; readonly identity: Identity } | null = null;

  /** A timeline's ancestors never change: read once for each timeline. */
  #history: { readonly timeline: number; readonly forks: readonly Fork[] } | null = null;

  constructor(local: Local) {
    this.#local = local;
  }

  async read(): Promise<DatabaseStatus> {
    const { config, clock, watch } = this.#local;
    const atMs = clock.nowMs();
    if (!(await hasCluster(config.dataDir))) return { ...NOTHING, state: 'empty', atMs };
    try {
      const row = (await watch.query(LOOK, TIMEOUT_MS))[0];
      if (row === undefined) return { ...NOTHING, state: 'starting', atMs };
      const seen = toStatus(config, row, atMs);
      return seen.state === 'standby'
        ? { ...seen, timeline: await this.#standbyTimeline(row, seen) }
        : { ...seen, history: await this.#historyOf(seen.timeline) };
    } catch {
      return { ...NOTHING, state: await this.#withoutAnswer(), atMs };
    }
  }

  async #withoutAnswer(): Promise<'starting' | 'stopped'> {
    try {
      const reply = await this.#local.keeper.call({ do: 'status' }, TIMEOUT_MS);
      return reply.ok && reply.status.postgres !== null ? 'starting' : 'stopped';
    } catch {
      // PostgreSQL dies with its keeper.
      return 'stopped';
    }
  }

  async #historyOf(timeline: number | null): Promise<readonly Fork[] | null> {
    if (timeline === null) return null;
    if (this.#history?.timeline !== timeline) {
      const forks = await localHistory(this.#local, timeline, TIMEOUT_MS).catch(() => null);
      if (forks === null) return null;
      this.#history = { timeline, forks };
    }
    return this.#history.forks;
  }

  async #standbyTimeline(row: Row, seen: DatabaseStatus): Promise<number | null> {
    if (seen.receiving && typeof row['receiver_timeline'] === 'number') return row['receiver_timeline'];
    const { replayLsn } = seen;
    if (replayLsn === null || !seen.localWalReplayed) return this.#still?.identity.timeline ?? null;
    if (this.#still?.replayLsn !== replayLsn) {
      this.#still = { replayLsn, identity: await identifyLocal(this.#local, TIMEOUT_MS) };
    }
    return this.#still.identity.timeline;
  }
}

function toStatus(config: PostgresConfig, row: Row, atMs: number): DatabaseStatus {
  const standby = row['recovery'] === true;
  const storedEpoch = numberOrNull(row['stored_epoch']);
  const streaming = row['streaming'] === true;
  const waitsFor = textOrNull(row, 'startup_waits_for');
  const names = textOrNull(row, 'sync_names') ?? '';
  const age = numberOrNull(row['beat_age_ms']);
  return {
    state: standby ? 'standby' : 'primary',
    systemId: textOrNull(row, 'system_id'),
    timeline: numberOrNull(row['primary_timeline']),
    history: null,
    storedEpoch,
    storedBy: nodeOrNull(textOrNull(row, 'stored_by')),
    endLsn: textOrNull(row, 'end_lsn'),
    replayLsn: textOrNull(row, 'replay_lsn'),
    upstream: standby ? parseConninfo(textOrNull(row, 'conninfo') ?? '') : null,
    receiving: streaming && row['fed'] === true,
    // Streaming begins only where the local WAL ended, and from then on the received end is the end.
    localWalReplayed: standby && (streaming || (waitsFor !== null && WAITS_FOR_MORE_WAL.includes(waitsFor))),
    syncList: standby ? null : parseSyncList(config.group, config.members, names, storedEpoch ?? 0),
    standbys: standby ? [] : parseStandbys(config.group, config.members, row['standbys']),
    // Written by the primary's wall clock: two machines differ by what their clocks differ.
    heartbeatAgeMs: age === null ? null : Math.max(0, age),
    heartbeatSeq: numberOrNull(row['beat_seq']),
    atMs,
  };
}

interface StandbyRow {
  readonly name: string;
  readonly state: StandbySeen['state'];
  readonly flush: string | null;
  readonly replay: string | null;
  readonly sync: StandbySeen['syncState'];
}

function parseStandbys(group: string, members: readonly NodeId[], value: unknown): StandbySeen[] {
  const rows = (value ?? []) as readonly StandbyRow[];
  return rows.flatMap((row) => {
    const member = parseApplicationName(group, members, row.name);
    // A base backup and a person's tool stream under other names.
    if (member === null) return [];
    return [{ ...member, state: row.state, flushLsn: row.flush, replayLsn: row.replay, syncState: row.sync }];
  });
}

const nodeOrNull = (value: string | null): NodeId | null => (value === null ? null : parseNodeId(value));
const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null);

const hasCluster = (dataDir: string): Promise<boolean> =>
  access(join(dataDir, 'PG_VERSION'), constants.F_OK).then(
    () => true,
    () => false,
  );
