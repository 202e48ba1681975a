import type { Clock } from '../base/clock.ts';
import { lsnBytes } from '../base/lsn.ts';
import { because, type Reason } from '../base/reason.ts';
import { driftAt } from '../decide/failover/drift.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { confirmersFor } from '../decide/failover/positioning.ts';
import { isAsync } from '../decide/failover/quorum.ts';
import type { AgentConfig } from '../ports/config.ts';
import type { NodeStatus } from '../ports/status.ts';
import type { Agent } from './agent.ts';

/** What the keeper says when it is asked. */
export interface KeeperPids {
  readonly keeperPid: number | null;
  readonly postgresPid: number | null;
}

/** `GET /status`: what this agent knows of its own node, and how old that is. */
export function statusOf(agent: Agent, config: AgentConfig, pids: KeeperPids, clock: Clock): NodeStatus {
  const { failover, why, local, observation } = agent.state;
  const { data } = agent;
  const gateway = agent.gatewayFeed?.status ?? null;
  return {
    node: config.node,
    place: config.place,
    pid: process.pid,
    role: agent.pulse().role,
    sync: data === null || observation === null ? 'none' : syncRole(observation),
    list: local?.syncList == null ? null : { w: local.syncList.w, names: local.syncList.names },
    epoch: observation?.store.epoch?.value.n ?? null,
    storedEpoch: local?.storedEpoch ?? null,
    storedBy: local?.storedBy ?? null,
    systemId: local?.systemId ?? null,
    hasData: local !== null && local.state !== 'empty',
    timeline: local?.timeline ?? null,
    lsn: local?.endLsn ?? null,
    lagBytes:
      local?.state === 'standby' && local.endLsn !== null && local.replayLsn !== null
        ? Math.max(0, lsnBytes(local.replayLsn, local.endLsn))
        : null,
    heartbeatAgeMs: local?.heartbeatAgeMs ?? null,
    salvages: data?.salvages ?? [],
    drift: observation === null ? [] : driftAt(observation, config.node),
    open: data?.open ?? false,
    health: healthOf(agent),
    state: failover.kind,
    why: data?.progress ? because('progress', data.progress) : (data?.roleWhy ?? why),
    ...pids,
    gatewayPid: gateway?.pid ?? null,
    gateway:
      gateway === null
        ? null
        : {
            fenced: gateway.counters.fenced,
            inFlightUnknown: gateway.counters.inFlightUnknown,
            cancelledSyncWaits: gateway.counters.cancelledSyncWaits,
            connections: gateway.connections.rw + gateway.connections.ro + gateway.connections.peer,
          },
    observedAtWallMs: clock.wallMs(),
    ageMs: local === null ? 0 : Math.max(0, clock.nowMs() - local.atMs),
  };
}

function healthOf(agent: Agent): { readonly ok: boolean; readonly why: Reason } {
  const { local, observation, why } = agent.state;
  if (observation?.store.state !== 'current')
    return { ok: false, why: because('store-not-current', 'the store is not reachable from here') };
  if (agent.data === null || local === null) return { ok: true, why };
  if (agent.data.open) return { ok: true, why: agent.data.membershipWhy };
  if (local.state === 'standby' && local.receiving) return { ok: true, why: agent.data.roleWhy };
  return { ok: false, why: agent.data.roleWhy };
}

/** How this node stands in the record. */
function syncRole({ me, policy, store }: Observation): NodeStatus['sync'] {
  const record = store.sync?.value;
  if (record === undefined) return 'none';
  if (record.primary === me) return record.names.length === 0 ? 'solo' : 'primary';
  if (record.names.includes(me)) return isAsync(record) ? 'async' : 'confirms';
  return confirmersFor(policy, record.primary).includes(me) ? 'async' : 'none';
}
