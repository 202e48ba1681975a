import { placeOf, type NodeId } from '../../base/ids.ts';
import { compareLsn } from '../../base/lsn.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { Position } from '../../ports/database.ts';
import type { SyncRecord } from '../../ports/records.ts';

/** The other data nodes of a primary's own region. They confirm nothing (M5), so they are never in its sync record. */
export const neighboursOf = (policy: Pick<GroupPolicy, 'dataNodes'>, primary: NodeId): readonly NodeId[] =>
  policy.dataNodes.filter((node) => node !== primary && placeOf(node) === placeOf(primary));

/** F20: the lost primary's neighbours come first, so that a lost node does not move the region; then the order of preference. */
export function homeFirst(policy: Pick<GroupPolicy, 'dataNodes' | 'promotable'>, primary: NodeId): readonly NodeId[] {
  const neighbours = neighboursOf(policy, primary);
  const home = policy.promotable.filter((node) => neighbours.includes(node));
  return [...home, ...policy.promotable.filter((node) => !home.includes(node))];
}

/**
 * F20 (P3.2, I6): does this node, which no record names, hold every acknowledged write? `read` are the positions of the
 * recorded members, a position quorum among the standbys, each detached before it was read.
 *
 * 1. An acknowledged write was confirmed by W of the N names. R of them were read with R + W > N, so one of those read has it:
 *    the furthest of them ends at or past every acknowledged write. They are detached, so none is acknowledged after.
 * 2. The row of epoch e is written by the primary of e alone, after its promotion. A database whose newest row is that of e
 *    has replayed it, so its WAL is a prefix of what that primary wrote, and so is each member's. Every start is as an isolated
 *    standby and every promotion a new timeline (P8.1), so what it wrote on one timeline is one line: of two prefixes with
 *    the same timeline the longer one holds the shorter one.
 * 3. So a node with the record's epoch, on the timeline of the furthest and at or past its end, holds all of (1). It is detached,
 *    so its end moves no more; whether it was read before or after the members makes no difference.
 *
 * The timeline alone is not enough: two nodes that were promoted apart can both have made timeline n + 1.
 */
export const holdsEverything = (
  candidate: Position,
  read: readonly Position[],
  record: Pick<SyncRecord, 'epoch'>,
): boolean =>
  read.length > 0 &&
  candidate.storedEpoch === record.epoch &&
  read.every(({ timeline, lsn }) => timeline === candidate.timeline && compareLsn(candidate.lsn, lsn) >= 0);
