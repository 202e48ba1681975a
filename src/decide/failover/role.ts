import type { NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { DatabaseStatus } from '../../ports/database.ts';
import { ownOtherBranch } from './branch.ts';
import type { Observation } from './observation.ts';
import { isHeard } from './suspicion.ts';

/** What a data node should do with its own PostgreSQL, apart from a takeover. At most one thing at a time. */
export type RoleAction =
  | { readonly do: 'bootstrap'; readonly resume: boolean }
  | { readonly do: 'start-isolated' }
  /** Its reign is over: kill, then start as an isolated standby. */
  | { readonly do: 'demote' }
  | { readonly do: 'clone'; readonly from: NodeId; readonly epoch: number }
  | { readonly do: 'join'; readonly primary: NodeId; readonly epoch: number }
  /** It follows and gets nothing: perhaps the primary has no longer what it needs. */
  | { readonly do: 'join-again'; readonly primary: NodeId; readonly epoch: number }
  /** Promoted under the store's epoch and named in the record, gateway closed: finish (P5). */
  | { readonly do: 'finish'; readonly epoch: number };

export interface RoleDecision {
  readonly action: RoleAction | null;
  readonly why: Reason;
}

/** A standby whose WAL receiver is gone for this long is compared with its primary again. */
const RECEIVER_GONE_MS = 3_000;

/**
 * `open`: this node's gateway is open under the present epoch. `silentSinceMs`: null while WAL comes.
 */
export function decideRole(
  o: Observation,
  local: DatabaseStatus,
  open: boolean,
  silentSinceMs: number | null,
): RoleDecision {
  const { epoch } = o.store;
  if (o.store.state === 'unread') return beforeStore(local);
  if (epoch === null) return beforeFirstEpoch(o, local);
  const bootstrapping =
    o.store.operation?.kind === 'bootstrap' &&
    o.store.operation.state === 'running' &&
    o.store.sync?.value.primary === o.me;
  if (bootstrapping)
    return act({ do: 'bootstrap', resume: true }, 'bootstrap-resumed', 'the first start was interrupted; it goes on');
  const quarantine = whyQuarantined(o, local);
  if (quarantine !== null) return { action: null, why: quarantine };
  if (local.state === 'stopped')
    return act(
      { do: 'start-isolated' },
      'start-isolated',
      'starting as a standby that follows nobody; what it may be is decided after (P8.1)',
    );
  if (local.state === 'starting') return wait('starting', 'PostgreSQL does not answer yet');
  if (local.state === 'primary') return asPrimary(o, local, open);
  return asStandby(o, local, silentSinceMs);
}

/** Nothing is known of the reign: a start as an isolated standby is always safe, anything more is not. */
function beforeStore(local: DatabaseStatus): RoleDecision {
  if (local.state === 'stopped')
    return act(
      { do: 'start-isolated' },
      'start-isolated',
      'the store was not read yet; a start as an isolated standby is safe (P8.1)',
    );
  return wait('store-unread', 'the store was not read yet');
}

function beforeFirstEpoch(o: Observation, local: DatabaseStatus): RoleDecision {
  if (local.storedEpoch !== null)
    return wait(
      'store-behind',
      `this database has seen epoch ${local.storedEpoch}, the store knows none: refused until the store is restored (I1)`,
    );
  const first = o.policy.dataNodes[0];
  // Only the first node makes a cluster: what another one has was copied or opened, and is read for `recover store`.
  if (first !== o.me && local.state === 'stopped')
    return act(
      { do: 'start-isolated' },
      'start-isolated',
      'the store knows no epoch; its data is read as a standby (P8.1)',
    );
  if (first !== o.me) return wait('no-primary-yet', `${first} makes the first database`);
  const others = o.policy.dataNodes.filter((node) => node !== o.me);
  const withData = others.find((node) => o.peers.get(node)?.pulse?.hasData ?? false);
  if (withData !== undefined && local.state === 'stopped')
    return act({ do: 'start-isolated' }, 'start-isolated', `${withData} has data too; it is read as a standby (P8.1)`);
  if (withData !== undefined)
    return wait(
      'store-behind',
      `${withData} has data, the store knows no epoch: refused until the store is restored (I1)`,
    );
  const unheard = others.find((node) => o.peers.get(node)?.pulse == null);
  if (unheard !== undefined)
    return wait('others-first', `${unheard} was not heard yet: it might have data that the store has forgotten (I1)`);
  if (local.state !== 'empty' && local.state !== 'stopped')
    return wait('data-without-epoch', 'this database runs, and the store knows no epoch');
  return act(
    { do: 'bootstrap', resume: false },
    'bootstrap',
    'no epoch was ever written: this node makes the first database',
  );
}

function whyQuarantined(o: Observation, local: DatabaseStatus): Reason | null {
  const epoch = o.store.epoch?.value;
  if (epoch === undefined) return null;
  if (local.systemId !== null && epoch.systemId !== '' && local.systemId !== epoch.systemId) {
    return because(
      'data-foreign',
      `this data has system id ${local.systemId}, the group's is ${epoch.systemId}; it is left as it is`,
    );
  }
  if (local.storedEpoch !== null && local.storedEpoch > epoch.n) {
    return because(
      'store-behind',
      `this database has seen epoch ${local.storedEpoch}, the store is at ${epoch.n}: refused until the store is restored (I1)`,
    );
  }
  return null;
}

function asPrimary(o: Observation, local: DatabaseStatus, open: boolean): RoleDecision {
  const { epoch, sync } = o.store;
  const mine =
    sync?.value.primary === o.me && sync.value.epoch === epoch?.value.n && local.storedEpoch === epoch?.value.n;
  if (!mine)
    return act(
      { do: 'demote' },
      'reign-over',
      `epoch ${epoch?.value.n} belongs to ${sync?.value.primary ?? 'nobody yet'}; this database was promoted under ${local.storedEpoch ?? 'an unknown epoch'}`,
    );
  if (!open)
    return act(
      { do: 'finish', epoch: local.storedEpoch ?? 0 },
      'finish',
      'promoted under the present epoch and named in the record (P5)',
    );
  return wait('serving', `primary of epoch ${local.storedEpoch}`);
}

function asStandby(o: Observation, local: DatabaseStatus, silentSinceMs: number | null): RoleDecision {
  const { epoch, sync } = o.store;
  if (epoch === null || sync === null) return wait('no-record', 'no sync record yet');
  const n = epoch.value.n;
  if (sync.value.epoch !== n) return wait('takeover-runs', `epoch ${n} has no primary yet`);
  const primary = sync.value.primary;
  if (primary === o.me)
    return wait('promotion-expected', `this node is recorded as primary of epoch ${n}; a takeover promotes it`);
  const branch = ownOtherBranch(o, local);
  const pulse = o.peers.get(primary)?.pulse;
  if (!isHeard(o, primary) || pulse?.role !== 'primary' || pulse.storedEpoch !== n)
    return wait(
      branch?.code ?? 'primary-not-heard',
      `${branch === null ? '' : `${branch.text}; `}${primary} is not heard as primary of epoch ${n}`,
    );
  if (local.state === 'empty')
    return act(
      { do: 'clone', from: primary, epoch: n },
      'clone',
      `the data directory is empty: it is copied from ${primary}`,
    );
  const follows = local.upstream?.node === primary && local.upstream.epoch === n;
  // R6, I10: nothing is waited for; it takes part in nothing until it was compared, saved and made again.
  if (branch !== null) return act({ do: 'join', primary, epoch: n }, branch.code, branch.text);
  if (!follows)
    return act(
      { do: 'join', primary, epoch: n },
      'join',
      `${primary} is primary of epoch ${n}; this standby follows ${local.upstream?.node ?? 'nobody'}`,
    );
  if (silentSinceMs !== null && o.nowMs - silentSinceMs > RECEIVER_GONE_MS) {
    return act(
      { do: 'join-again', primary, epoch: n },
      'join-again',
      `no WAL has come from ${primary} for ${Math.round(o.nowMs - silentSinceMs)} ms although it is heard`,
    );
  }
  return wait('following', `standby of ${primary}, epoch ${n}`);
}

const act = (action: RoleAction, code: string, text: string): RoleDecision => ({ action, why: because(code, text) });
const wait = (code: string, text: string): RoleDecision => ({ action: null, why: because(code, text) });
