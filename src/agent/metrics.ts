import { STATE_GAUGE } from '../decide/failover/decide.ts';
import type { Agent } from './agent.ts';

/** `GET /metrics`, in Prometheus' text format. Names and numbers never change meaning. */
export function metricsOf(agent: Agent): string {
  const { failover, local, observation } = agent.state;
  const { data } = agent;
  const gateway = agent.gatewayFeed?.status?.counters;
  const rows: readonly (readonly [string, string, number | null])[] = [
    ['farshore_epoch', 'Newest epoch this agent knows.', observation?.store.epoch?.value.n ?? null],
    [
      'farshore_failover_state',
      'steady 0, suspecting 1, fencing 2, positioning 3, promoting 4.',
      STATE_GAUGE[failover.kind],
    ],
    ['farshore_store_current', '1 while the store answers.', observation?.store.state === 'current' ? 1 : 0],
    ['farshore_primary_open', '1 while this node is open to writers.', data === null ? null : data.open ? 1 : 0],
    [
      'farshore_commit_age_seconds',
      'Since the last heartbeat committed here.',
      data?.open ? data.heartbeat.ageMs() / 1_000 : null,
    ],
    [
      'farshore_replica_age_seconds',
      'Age of the newest heartbeat replayed here.',
      local?.heartbeatAgeMs == null ? null : local.heartbeatAgeMs / 1_000,
    ],
    [
      'farshore_rpo_suspended',
      '1 while the primary acknowledges alone.',
      observation?.store.sync == null ? null : observation.store.sync.value.w === 0 ? 1 : 0,
    ],
    ['farshore_gateway_fenced_total', 'Connections closed because epoch or deadline passed.', gateway?.fenced ?? null],
    [
      'farshore_gateway_cancelled_sync_waits_total',
      'Cancelled waits turned into errors.',
      gateway?.cancelledSyncWaits ?? null,
    ],
  ];
  return rows
    .flatMap(([name, help, value]) =>
      value === null
        ? []
        : [
            `# HELP ${name} ${help}`,
            `# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}`,
            `${name} ${value}`,
          ],
    )
    .join('\n')
    .concat('\n');
}
