import type { NodeId } from '../../base/ids.ts';
import { compareLsn, type Lsn } from '../../base/lsn.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { EpochRecord, SyncRecord } from '../../ports/records.ts';

/** What a data node says of its data while the store is lost. */
export interface NodeFound {
  readonly node: NodeId;
  /** False: its agent does not answer, and its data may know anything. */
  readonly answered: boolean;
  readonly hasData: boolean;
  readonly systemId: string | null;
  readonly storedEpoch: number | null;
  /** Who began that epoch, by the row in the database. */
  readonly storedBy: NodeId | null;
  readonly timeline: number | null;
  readonly lsn: Lsn | null;
  readonly open: boolean;
}

export interface StoreFound {
  readonly epoch: EpochRecord | null;
  readonly sync: SyncRecord | null;
}

export type RecoveryPlan =
  | {
      readonly kind: 'recover';
      readonly epoch: number;
      readonly systemId: string;
      /** Who the record names as primary. */
      readonly primary: NodeId;
      /** Not empty: the primary may still acknowledge; one of these has each of its writes, so all are detached, then read (P3.2). */
      readonly names: readonly NodeId[];
      readonly why: string;
      /** What may be lost; null when nothing that was acknowledged can be. */
      readonly loss: string | null;
    }
  | {
      readonly kind: 'refused';
      readonly code: 'store-whole' | 'no-data' | 'data-foreign' | 'may-lose-writes' | 'no-permitted-candidate';
      readonly why: string;
    };

/** An epoch that a node nobody could ask may have stored is passed over: epochs never repeat (I1). */
const UNREAD_EPOCHS = 100;

/**
 * P1.1: new records for a store that is empty, foreign or behind, made from what the databases know. The record will name one
 * node alone, the one that surely has every acknowledged write, or the last primary with everybody who confirmed for it. `lossAllowed`: somebody may be chosen who only may have them.
 */
export function planRecovery(
  policy: GroupPolicy,
  nodes: readonly NodeFound[],
  store: StoreFound,
  lossAllowed: boolean,
): RecoveryPlan {
  const withData = nodes.filter((node) => node.answered && node.hasData);
  const ids = [...new Set(withData.flatMap((node) => node.systemId ?? []))];
  const [systemId] = ids;
  if (ids.length > 1) return refused('data-foreign', `${listIds(withData)}: these are different clusters`);
  const unread = nodes.filter((node) => !node.answered || (node.hasData && node.storedEpoch === null));
  const known = withData.filter((node) => node.storedEpoch !== null && node.lsn !== null && node.timeline !== null);
  const newest = Math.max(0, ...known.map((node) => node.storedEpoch ?? 0));
  if (systemId === undefined || newest === 0)
    return refused(
      'no-data',
      `no node says that it has data: ${unread.map((node) => node.node).join(', ')} can't be read`,
    );
  if (isWhole(store, systemId, newest) && unread.length === 0)
    return refused(
      'store-whole',
      `the store is at epoch ${store.epoch?.n}, no database is beyond it: nothing to recover`,
    );
  const choice = choose(policy, known, unread, newest, lossAllowed);
  if (choice.kind === 'refused') return choice;
  const highest = Math.max(newest, store.epoch?.systemId === systemId ? store.epoch.n : 0);
  return { ...choice, systemId, epoch: highest + 1 + (unread.length > 0 ? UNREAD_EPOCHS : 0) };
}

const isWhole = ({ epoch, sync }: StoreFound, systemId: string, newest: number): boolean =>
  epoch !== null && sync !== null && epoch.systemId === systemId && epoch.n >= newest;

type Choice =
  | Omit<Extract<RecoveryPlan, { kind: 'recover' }>, 'epoch' | 'systemId'>
  | Extract<RecoveryPlan, { kind: 'refused' }>;

function choose(
  policy: GroupPolicy,
  known: readonly NodeFound[],
  unread: readonly NodeFound[],
  newest: number,
  lossAllowed: boolean,
): Choice {
  const last = known.find((node) => node.storedEpoch === newest && node.storedBy !== null)?.storedBy ?? null;
  const lastRead = known.find((node) => node.node === last && node.storedEpoch === newest);
  const names = unread.map((node) => node.node).join(', ');
  const behind = unread.length === 0 ? null : `${names} can't be read and may know a newer epoch`;
  // Whoever else confirmed: the primary of the newest reign has every write of it.
  if (lastRead !== undefined && behind === null && policy.promotable.includes(lastRead.node))
    return {
      kind: 'recover',
      primary: lastRead.node,
      names: [],
      why: `${lastRead.node} was primary of epoch ${newest}, the newest of all`,
      loss: null,
    };
  const best = furthest(known.filter((node) => policy.promotable.includes(node.node)));
  if (best === null) return refused('no-permitted-candidate', 'no node that may become primary can be read');
  const others = policy.dataNodes.filter((node) => node !== last);
  const allOthers = others.every((node) => known.some((it) => it.node === node));
  const ahead = furthest(known);
  const isFurthest = ahead !== null && !isFurther(ahead, best);
  const confirmed = policy.mode !== 'async' && policy.whenAlone === 'block';
  const why = `${best.node} ends at ${best.lsn} on timeline ${best.timeline}, the furthest that may become primary`;
  // Under `block` nobody acknowledged alone: each write is on one of the others, and the furthest of all of them has it.
  // It may do so until they are taken from it: what was read just now is not the end, the takeover's own reading is.
  if (last !== null && allOthers && isFurthest && confirmed && unread.every((node) => node.node === last))
    return {
      kind: 'recover',
      primary: last,
      names: others,
      why: `${why}; ${last} never acknowledged alone, so the furthest of all others, once detached, has everything`,
      loss: null,
    };
  const loss =
    behind ??
    `${last ?? 'the last primary'} of epoch ${newest} has no data here, and may have acknowledged what ${best.node} lacks`;
  if (!lossAllowed) return refused('may-lose-writes', `${why}; but ${loss}`);
  return { kind: 'recover', primary: best.node, names: [], why, loss };
}

const isFurther = (a: NodeFound, b: NodeFound): boolean =>
  (a.timeline ?? 0) > (b.timeline ?? 0) ||
  ((a.timeline ?? 0) === (b.timeline ?? 0) && compareLsn(a.lsn ?? '0/0', b.lsn ?? '0/0') > 0);

const furthest = (nodes: readonly NodeFound[]): NodeFound | null =>
  nodes.reduce<NodeFound | null>((best, node) => (best === null || isFurther(node, best) ? node : best), null);

const listIds = (nodes: readonly NodeFound[]): string =>
  nodes.map((node) => `${node.node} has system id ${node.systemId ?? 'unknown'}`).join(', ');

const refused = (code: Extract<RecoveryPlan, { kind: 'refused' }>['code'], why: string) =>
  ({ kind: 'refused', code, why }) as const;
