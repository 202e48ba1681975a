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
  /** The newest reign in its data; null when it holds none. */
  readonly storedEpoch: number | null;
}

/**
 * I10: why this WAL is on another branch than the recorded primary's; null when it is not, or when nobody can tell.
 * The primary's last pulse is enough, however old: the ancestors of a timeline never change.
 */
export function whyOtherBranch(o: Observation, record: SyncRecord, end: End): Reason | null {
  return whyGivenUp(o, end) ?? whyForked(o, record, end);
}

function whyForked(o: Observation, record: SyncRecord, end: Pick<End, 'timeline' | 'lsn'>): Reason | null {
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

/**
 * R7: a person went on from data that knew nothing of a later reign, and gave that one up (P3.3). PostgreSQL counts timelines by
 * what it finds on its own disk, so both reigns made one of the same number: by timeline and position their branches look the
 * same. The rows of the reigns tell them apart; where the row of the forced reign is missing on a timeline as new as its own, nobody
 * can tell, and the data is taken for the other branch's.
 */
function whyGivenUp(o: Observation, end: Pick<End, 'timeline' | 'storedEpoch'>): Reason | null {
  const stored = end.storedEpoch ?? 0;
  const forced = o.store.forced.find(
    ({ epoch, continues }) => stored < epoch && (stored > continues.epoch || end.timeline > continues.timeline),
  );
  if (forced === undefined) return null;
  const { epoch, continues } = forced;
  const text = `timeline ${end.timeline} with epoch ${stored} was given up when epoch ${epoch} went on from epoch ${continues.epoch} on timeline ${continues.timeline}`;
  return because('given-up', text);
}

function against(primary: Pulse, timeline: number, end: Pick<End, 'timeline' | 'lsn'>): Reason | null {
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
  const { timeline, endLsn: lsn, storedEpoch } = local;
  // What it receives was compared before, and is not replayed yet: the row of its reign may be on its way.
  const replayed = { timeline: local.receiving ? 0 : timeline, storedEpoch };
  return whyGivenUp(o, replayed) ?? whyForked(o, record, { timeline, lsn });
}
