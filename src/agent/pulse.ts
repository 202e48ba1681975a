import type { NodeId } from '../base/ids.ts';
import type { Pulse } from '../ports/agent.ts';
import type { DatabaseStatus } from '../ports/database.ts';
import type { DataNode } from './data-node.ts';

/** A commit that waits longer than this is waiting for standbys. */
const WAITS_AFTER_MS = 300;

/** What this node says of itself to whoever listens. */
export function pulseOf(
  node: NodeId,
  epoch: number,
  local: DatabaseStatus | null,
  data: DataNode | null,
  nowMs: number,
): Pulse {
  if (data === null || local === null) return silent(node, epoch, data === null ? 'observer' : 'none', nowMs);
  const waitingSinceMs = data.heartbeat.waitingSinceMs;
  return {
    node,
    atMs: local.atMs,
    epoch,
    // An open primary that is too busy for a look is still one; how old its last commit is says whether it serves.
    role: data.open ? 'primary' : local.state === 'primary' || local.state === 'standby' ? local.state : 'none',
    open: data.open,
    committed: data.heartbeat.committed,
    commitAgeMs: data.open ? data.heartbeat.ageMs() : 0,
    waitsForSync: data.open && waitingSinceMs !== null && nowMs - waitingSinceMs > WAITS_AFTER_MS,
    timeline: local.timeline,
    history: local.history,
    settings: data.settings,
    endLsn: local.endLsn,
    heartbeatAgeMs: local.heartbeatAgeMs,
    storedEpoch: data.reign?.epoch ?? local.storedEpoch,
    systemId: local.systemId,
    hasData: local.state !== 'empty',
    detachable: local.state === 'standby' && data.otherBranch === null,
  };
}

/** Of a site, or before the first look. Written out in the order of the other one: each look of a decision finds one shape. */
const silent = (node: NodeId, epoch: number, role: Pulse['role'], atMs: number): Pulse => ({
  node,
  atMs,
  epoch,
  role,
  open: false,
  committed: 0,
  commitAgeMs: 0,
  waitsForSync: false,
  timeline: null,
  history: null,
  settings: null,
  endLsn: null,
  heartbeatAgeMs: null,
  storedEpoch: null,
  systemId: null,
  hasData: false,
  detachable: false,
});
