import type { NodeId } from '../base/ids.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import { reignList } from '../decide/failover/positioning.ts';
import type { GroupPolicy } from '../ports/config.ts';
import type { DatabaseStatus, RegionDatabase } from '../ports/database.ts';
import type { EpochRecord, OperationRecord, SyncRecord } from '../ports/records.ts';
import { type GroupStore, put } from './group-store.ts';
import type { Reign } from './reign.ts';

const BOOTSTRAP = 'bootstrap-1';
const BARRIER_TIMEOUT_MS = 5_000;

/**
 * The first database of the group: cluster, records, first start, in an order in which every step may be repeated after a
 * crash. Null when an earlier try had opened it already: then it starts like any other, as an isolated standby (P8.1).
 */
export async function makeFirstDatabase(
  me: NodeId,
  database: RegionDatabase,
  group: GroupStore,
  policy: GroupPolicy,
  progress: (text: string) => void,
): Promise<Outcome<Reign | null>> {
  const before = await database.status();
  if (before.state === 'standby') return done(null);
  const made = await makeAndRecord(me, before.state, database, group, policy, progress);
  if (made.kind !== 'done') return made;
  // Nobody else has the data yet: whoever may serve alone does so until the first copy is made.
  const list = reignList(policy, me, () => false);
  const started = await database.startFirst(1, { epoch: 1, w: list.w, names: list.names });
  // Opened before, by a try that was cut off after it: one that still runs as the first primary is taken over.
  const opened = started.kind === 'refused' && started.code === 'not-fresh';
  if (opened && before.state !== 'primary') return done(null);
  if (!opened && started.kind !== 'done') return started;
  if (list.w > 0) {
    // A reload is no barrier (P4.1b): until it took effect, the first writes would be acknowledged by this node alone (I4).
    const settled = await database.settleSyncList({ epoch: 1, ...list }, ['in-force'], BARRIER_TIMEOUT_MS);
    if (settled.kind !== 'done') return settled;
  }
  const now = await group.readReign();
  if (now.kind !== 'done') return now;
  if (now.value.epoch?.value.n !== 1) return refused('overtaken', 'another epoch was written meanwhile');
  const { endLsn } = await database.status();
  return done({ epoch: 1, epochModRevision: now.value.epoch.modRevision, beganAtLsn: endLsn ?? '0/0' });
}

/** Records before the first start, so that a crash in between resumes instead of finding data without an epoch (I1). */
async function makeAndRecord(
  me: NodeId,
  before: DatabaseStatus['state'],
  database: RegionDatabase,
  group: GroupStore,
  policy: GroupPolicy,
  progress: (text: string) => void,
): Promise<Outcome<void>> {
  const now = await group.readReign();
  if (now.kind !== 'done') return now;
  const recorded = now.value.epoch?.value;
  if (recorded !== undefined && before === 'empty') {
    return refused('data-missing', 'the store knows this first database, and its data directory is empty');
  }
  const made = await database.init(progress);
  // `init` refuses a cluster that was opened; with its records in the store that is a resumed start, judged by `startFirst`.
  if (made.kind !== 'done') {
    if (recorded?.operation === BOOTSTRAP && made.kind === 'refused') return done(undefined);
    // Opened before, and the store has forgotten it (I1): it starts to be read, and `recover store` says what it has.
    if (recorded === undefined && before === 'stopped') await database.startIsolated();
    return made;
  }
  const { systemId } = made.value;
  if (recorded === undefined) return writeFirstRecords(group, me, policy.mode, systemId);
  if (recorded.systemId === systemId) return done(undefined);
  return refused('data-foreign', `the store knows the first cluster as ${recorded.systemId}, this one is ${systemId}`);
}

async function writeFirstRecords(
  group: GroupStore,
  me: NodeId,
  mode: GroupPolicy['mode'],
  systemId: string,
): Promise<Outcome<void>> {
  const { keys } = group;
  const epoch: EpochRecord = { n: 1, holder: me, systemId, operation: BOOTSTRAP };
  const sync: SyncRecord = { version: 1, epoch: 1, primary: me, mode, w: 0, names: [] };
  const wrote = await group.write(
    [
      { key: keys.epoch, modRevision: 0 },
      { key: keys.sync, modRevision: 0 },
    ],
    [put(keys.journal(BOOTSTRAP), journalOf(me, 'running')), put(keys.epoch, epoch), put(keys.sync, sync)],
    'the first epoch',
  );
  return wrote.kind === 'done' ? done(undefined) : wrote;
}

/** The first start is over: from now on the node is like any other. */
export async function closeBootstrap(me: NodeId, group: GroupStore): Promise<Outcome<void>> {
  const now = await group.readReign();
  if (now.kind !== 'done') return now;
  if (now.value.epoch === null) return refused('no-epoch', 'the first epoch is not in the store');
  const { keys } = group;
  const compare = [{ key: keys.epoch, modRevision: now.value.epoch.modRevision }];
  const wrote = await group.write(compare, [put(keys.journal(BOOTSTRAP), journalOf(me, 'done'))], 'the journal');
  return wrote.kind === 'done' ? done(undefined) : wrote;
}

const journalOf = (me: NodeId, state: OperationRecord['state']): OperationRecord => ({
  id: BOOTSTRAP,
  kind: 'bootstrap',
  epoch: 1,
  actor: me,
  reason: { code: 'bootstrap', text: 'no epoch was ever written: this node makes the first database' },
  state,
  request: null,
  driver: me,
  steps: [],
});
