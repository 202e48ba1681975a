import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import { compareLsn, type Lsn } from '../base/lsn.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import type { Order } from '../ports/agent.ts';
import type { GroupPolicy } from '../ports/config.ts';
import type { DatabaseStatus, Position, RegionDatabase, SyncList } from '../ports/database.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { tableOfReign } from '../decide/routing/next-table.ts';
import { type GroupStore, put } from './group-store.ts';
import type { Permit } from './order-desk.ts';

/** A reign of this node: the epoch under which its database was promoted, and where that began in the WAL. */
export interface Reign {
  readonly epoch: number;
  readonly epochModRevision: number;
  readonly beganAtLsn: Lsn;
}

const SHOWN_TIMEOUT_MS = 2_000;
/** An answer about the epoch that was asked for longer ago says nothing about now: the disk, or this process, stood still meanwhile. */
const LOOK_AGE_MS_MAX = 250;

/**
 * P5 on the target: list of the new reign, epoch again, promote, check, epoch again. The gateway is opened by the caller,
 * under the same permit. Anything that does not match the store ends it; a database that was promoted for nothing is
 * demoted by the next look at the role.
 *
 * `barrierTimeoutMs`: null when PostgreSQL was shown before, or need not be, to have noted that somebody must confirm.
 * `prepared`: the list was shown to be in force before. Then nothing is changed before the promotion, and one look at the store is enough.
 */
export async function promoteSelf(
  me: NodeId,
  database: RegionDatabase,
  group: GroupStore,
  order: Extract<Order, { do: 'promote' }>,
  permit: Permit,
  {
    clock,
    barrierTimeoutMs,
    prepared,
  }: {
    readonly clock: Pick<Clock, 'nowMs'>;
    readonly barrierTimeoutMs: number | null;
    readonly prepared: boolean;
  },
): Promise<Outcome<Position>> {
  const status = await database.status();
  if (status.state !== 'standby') return refused('not-standby', `PostgreSQL is ${status.state}`);
  const before = prepared && status.upstream === null ? null : await whyNotMine(me, group, order);
  if (before !== null) return before;
  if (status.upstream !== null) {
    const detached = await database.detach();
    if (detached.kind !== 'done') return detached;
  }
  const list = { epoch: order.epoch, w: order.w, names: order.names };
  const listed = await database.setSyncList(list);
  if (listed.kind !== 'done') return listed;
  const shown = await shownBefore(database, list, barrierTimeoutMs);
  if (shown.kind !== 'done') return shown;
  const again = await whyNotMine(me, group, order);
  if (again !== null) return again;
  if (!permit.valid()) return refused('overtaken', 'newer work was accepted before the promotion');
  // The last look at the epoch is on its way while the database stores it; nobody can write before both are done.
  const looks: { readonly sentMs: number; readonly answer: ReturnType<typeof whyNotMine> }[] = [];
  const onPromoted = (): void => {
    const answer = whyNotMine(me, group, order);
    // Whether it is asked for depends on how the promotion ends.
    answer.catch(() => undefined);
    looks.push({ sentMs: clock.nowMs(), answer });
  };
  // Who acknowledges alone may leave something behind (P8.3).
  const promoted = await database.promote(order.epoch, { salvageSlot: order.w === 0, onPromoted });
  if (promoted.kind !== 'done') return promoted;
  const fresh = looks.find(({ sentMs }) => clock.nowMs() - sentMs <= LOOK_AGE_MS_MAX);
  const after = await (fresh?.answer ?? whyNotMine(me, group, order));
  if (after !== null) return after;
  return permit.valid() ? promoted : refused('overtaken', 'newer work was accepted during the promotion');
}

/**
 * Every process that starts from here on has the list; nobody streams from a standby, so no older walsender is left. An empty
 * list need not be waited for: until it is read an older one asks for more, and the record says solo.
 */
function shownBefore(
  database: RegionDatabase,
  list: SyncList,
  barrierTimeoutMs: number | null,
): Promise<Outcome<void>> {
  if (barrierTimeoutMs !== null) return database.settleSyncList(list, ['in-force'], barrierTimeoutMs);
  return list.w === 0 ? Promise.resolve(done(undefined)) : database.settleSyncList(list, [], SHOWN_TIMEOUT_MS);
}

/** Reads the store: does the epoch still stand as the driver wrote it, and does the record name this node alone? */
async function whyNotMine(me: NodeId, group: GroupStore, order: Order): Promise<Outcome<never> | null> {
  const now = await group.readReign();
  if (now.kind !== 'done') return now;
  const { epoch, sync } = now.value;
  if (epoch?.modRevision !== order.epochModRevision)
    return refused('overtaken', `the store is at epoch ${epoch?.value.n ?? 0}, the order is of epoch ${order.epoch}`);
  if (sync?.value.epoch !== order.epoch || sync.value.primary !== me || sync.value.w !== 0)
    return refused('not-recorded', 'the sync record does not name this node as the new primary');
  return null;
}

/** A person may drain or release regions while a primary opens; more often than this in one moment nobody does. */
const ROUTES_TRIES = 5;

/**
 * Writes the route table of a reign that has just opened. Compares the epoch, so a reign that is over writes nothing, and the
 * table it was made from, so what a person wrote in between (`traffic drain`) is read again and kept.
 */
export async function publishRoutes(
  group: GroupStore,
  policy: GroupPolicy,
  me: NodeId,
  reign: Reign,
  why: string,
): Promise<Outcome<void>> {
  const { epoch } = reign;
  const by = group.journal.find((operation) => operation.epoch === epoch)?.kind ?? null;
  const seen = group.seenRoutes;
  let before = seen;
  for (let tries = 1; ; tries += 1) {
    const routes = tableOfReign(before?.value ?? null, policy, { epoch, node: me, by }, why);
    const { keys } = group;
    const compare = [
      { key: keys.epoch, modRevision: reign.epochModRevision },
      { key: keys.routes, modRevision: before?.modRevision ?? 0 },
    ];
    const wrote = await group.write(compare, [put(keys.routes, routes)], 'the route table');
    if (wrote.kind === 'done') return done(undefined);
    if (wrote.kind === 'unknown' || wrote.code !== 'record-changed' || tries === ROUTES_TRIES) return wrote;
    if (!(await group.epochStands(reign.epochModRevision))) return wrote;
    const now = await group.readRoutes();
    if (now.kind !== 'done') return now;
    before = now.value;
    // Written by this reign meanwhile, and perhaps changed by a person since: that one stands.
    if ((before?.value.epoch ?? 0) >= epoch && (seen?.value.epoch ?? 0) < epoch) return done(undefined);
  }
}

/** I5 asks this of a reign that its own restarted primary began, until it opened for the first time. */
export function hasCaughtUp(o: Observation, local: DatabaseStatus, reign: Reign): boolean {
  const list = local.syncList;
  const wasOpen = o.store.routesEpoch === reign.epoch;
  if (wasOpen || o.store.fence?.kind !== 'self' || list === null || list.w === 0) return true;
  const caught = local.standbys.filter(
    (s) => list.names.includes(s.node) && s.flushLsn !== null && compareLsn(s.flushLsn, reign.beganAtLsn) >= 0,
  );
  return caught.length >= list.w;
}
