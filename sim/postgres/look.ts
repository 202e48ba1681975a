import type { DatabaseStatus, Fork, StandbySeen } from '../../src/ports/database.ts';
import type { PgServer } from './server.ts';
import { lsnOf, timelineOf } from './wal.ts';

/** One consistent look, as the product's one statement gives it. */
export function lookAt(server: PgServer, atMs: number, wallMs: number): DatabaseStatus {
  const standby = server.state === 'standby';
  const { beat } = server;
  return {
    state: standby ? 'standby' : 'primary',
    systemId: server.dir.systemId,
    timeline: server.timeline,
    history: standby ? null : historyOf(server),
    storedEpoch: server.storedEpoch,
    storedBy: server.storedBy,
    endLsn: lsnOf(server.end),
    replayLsn: standby ? lsnOf(server.replayed) : null,
    upstream: standby ? server.shown.upstream : null,
    receiving: server.receiver?.streaming ?? false,
    localWalReplayed: standby && ((server.receiver?.streaming ?? false) || server.replayed === server.end),
    syncList: standby ? null : server.shown.syncList,
    standbys: standby ? [] : standbysOf(server),
    heartbeatAgeMs: beat === null ? null : Math.max(0, wallMs - beat.wallMs),
    heartbeatSeq: beat?.seq ?? null,
    atMs,
  };
}

function standbysOf(server: PgServer): StandbySeen[] {
  return [...server.walSenders].map((sender) => ({
    node: sender.node,
    epoch: sender.epoch,
    state: sender.streaming ? 'streaming' : 'catchup',
    flushLsn: lsnOf(sender.flushed),
    replayLsn: lsnOf(sender.replayed),
    syncState: sender.hasPriority ? 'quorum' : 'async',
  }));
}

export const historyOf = (server: PgServer): readonly Fork[] =>
  server.dir.history.map(({ timeline, count }) => ({ timeline, lsn: lsnOf(count) }));

export const positionOf = (server: PgServer) => ({
  systemId: server.dir.systemId ?? '',
  timeline: timelineOf(server.dir),
  lsn: lsnOf(server.end),
  storedEpoch: server.storedEpoch,
});
