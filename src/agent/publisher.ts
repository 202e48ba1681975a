import type { NodeId } from '../base/ids.ts';
import { compareLsn, type Lsn } from '../base/lsn.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { isAsync } from '../decide/failover/quorum.ts';
import type { GroupPolicy } from '../ports/config.ts';
import type { DatabaseStatus } from '../ports/database.ts';
import type { SyncRecord } from '../ports/records.ts';
import type { GroupStore } from './group-store.ts';
import { publishPosition } from './lease.ts';
import { publishRoutes, type Reign } from './reign.ts';

const EVERY_MS = 1_000;

/** What an open primary writes once a second: the route table if the store lacks it, and the position (P1.4). */
export class Publisher {
  readonly #me: NodeId;
  readonly #group: GroupStore;
  readonly #policy: GroupPolicy;
  #publishedAtMs = 0;

  constructor(me: NodeId, group: GroupStore, policy: GroupPolicy) {
    this.#me = me;
    this.#group = group;
    this.#policy = policy;
  }

  publish(o: Observation, local: DatabaseStatus, reign: Reign): void {
    if (o.nowMs - this.#publishedAtMs < EVERY_MS || local.timeline === null || o.store.sync === null) return;
    this.#publishedAtMs = o.nowMs;
    // Everybody tells by it that the reign began.
    if (o.store.routesEpoch < reign.epoch) {
      void publishRoutes(this.#group, this.#policy, this.#me, reign, 'written again');
    }
    const lsn = replicatedUpTo(o.store.sync.value, local);
    if (lsn === null) return;
    const compare = { epoch: reign.epochModRevision, sync: o.store.sync.modRevision };
    void publishPosition(this.#group, compare, { epoch: reign.epoch, timeline: local.timeline, lsn });
  }
}

/** P1.4: what as many of the names have as must confirm; async: what the furthest candidate has. Null when that is not known. */
export function replicatedUpTo(record: SyncRecord, local: DatabaseStatus): Lsn | null {
  const { w, names } = record;
  const flushed = local.standbys.flatMap((s) => (names.includes(s.node) && s.flushLsn !== null ? [s.flushLsn] : []));
  const needed = isAsync(record) ? 1 : w;
  if (needed === 0 || flushed.length < needed) return null;
  return flushed.toSorted(compareLsn).at(-needed) ?? null;
}
