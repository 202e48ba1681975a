import { compareLsn, lsnBytes, type Lsn } from '../../base/lsn.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { Pulse } from '../../ports/agent.ts';
import type { DatabaseStatus } from '../../ports/database.ts';
import type { SyncRecord } from '../../ports/records.ts';
import type { Observation } from './observation.ts';

/** The end of a member's WAL, exact or a lower bound: what is beyond a fork stays beyond it. */
interface End {
  readonly timeline: number;
  readonly lsn: Lsn;
}

/**
 * I10: why this WAL is on another branch than the recorded primary's; null when it is not, or when nobody can tell.
 * The primary's last pulse is enough, however old: the ancestors of a timeline never change.
 */
export function whyOtherBranch(o: Observation, record: SyncRecord, end: End): Reason | null {
  const primary = record.primary === o.me ? null : (o.peers.get(record.primary)?.pulse ?? null);
  if (primary?.role === 'primary' && primary.storedEpoch === record.epoch && primary.timeline !== null)
    return against(primary, primary.timeline, end);
  // Only a takeover makes a timeline, so one beyond the reign's was made by somebody else.
  const last = o.store.position;
  if (last === null || last.epoch !== record.epoch || end.timeline <= last.timeline) return null;
  return because(
    'other-branch',
    `timeline ${end.timeline} is newer than timeline ${last.timeline} of epoch ${record.epoch}`,
  );
}

function against(primary: Pulse, timeline: number, end: End): Reason | null {
  if (primary.history === null || end.timeline === timeline) return null;
  const fork = primary.history.find((ancestor) => ancestor.timeline === end.timeline);
  const mine = `timeline ${end.timeline} at ${end.lsn}`;
  if (fork === undefined)
    return because('other-branch', `${mine} is no ancestor of timeline ${timeline} of ${primary.node}`);
  if (compareLsn(end.lsn, fork.lsn) <= 0) return null;
  const beyond = lsnBytes(fork.lsn, end.lsn);
  return because('other-branch', `${mine}, ${beyond} bytes beyond where ${primary.node} left it (${fork.lsn})`);
}

/** The same of this node's own standby. Its timeline is exact only while it receives, or when all its WAL is replayed. */
export function ownOtherBranch(o: Observation, local: DatabaseStatus): Reason | null {
  const record = o.store.sync?.value;
  if (record === undefined || record.primary === o.me || local.state !== 'standby') return null;
  if (local.timeline === null || local.endLsn === null || !(local.receiving || local.localWalReplayed)) return null;
  return whyOtherBranch(o, record, { timeline: local.timeline, lsn: local.endLsn });
}
