import { FarshoreError } from '../base/errors.ts';
import { planRecovery, type NodeFound, type RecoveryPlan } from '../decide/failover/recovery.ts';
import type { Compare, KeyValue, Op } from '../ports/coordination.ts';
import { type EpochRecord, type OperationRecord, type SyncRecord, keysOf } from '../ports/records.ts';
import type { World } from '../world/open.ts';
import { readArguments } from './arguments.ts';
import { table } from './text.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore recover store [--apply] [--allow-data-loss] [--json] [--state DIR]

New records for a store that is empty, foreign or behind the databases. Without --apply it shows what every node has and what would
be written. The newest primary found is recorded as the only one who has everything; it is promoted under a new epoch, and the
others follow. When it can't be shown that nothing acknowledged is lost, it refuses; --allow-data-loss goes on all the same.
`;

type Recovery = Extract<RecoveryPlan, { kind: 'recover' }>;

/** `farshore recover`: `argv` is what follows the verb. Resolves to the exit code. */
export async function recover(argv: readonly string[]): Promise<number> {
  const flags = {
    apply: { type: 'boolean' },
    'allow-data-loss': { type: 'boolean' },
    json: { type: 'boolean' },
  } as const;
  const { values, positionals } = readArguments(argv, { ...flags, state: { type: 'string' } }, 1);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals[0] !== 'store') throw new FarshoreError('FSH_USAGE', `recover store, not "${positionals[0] ?? ''}"`);
  const world = selectWorld(values.state);
  try {
    const nodes = await nodesOf(world);
    const found = await recordsOf(world);
    const plan = planRecovery(world.layout.policy, nodes, found, values['allow-data-loss'] === true);
    const applied = plan.kind === 'recover' && values.apply === true;
    if (applied) await write(world, plan, found);
    if (values.json === true)
      process.stdout.write(`${JSON.stringify({ schema: 'farshore.recover/v1', nodes, plan, applied }, null, 2)}\n`);
    else process.stdout.write(`${linesOf(nodes, plan, applied).join('\n')}\n`);
    if (plan.kind === 'refused') {
      const more = plan.code === 'may-lose-writes' ? '; bring that node back, or give --allow-data-loss' : '';
      throw new FarshoreError('FSH_REFUSED', `${plan.why}${more}; nothing was written`);
    }
    return 0;
  } finally {
    await world.close();
  }
}

async function nodesOf(world: World): Promise<readonly NodeFound[]> {
  const answers = await world.statuses();
  return world.layout.policy.dataNodes.map((node) => {
    const answer = answers.find((it) => it.node === node);
    const said = answer?.answered === true ? answer.last?.value : undefined;
    return {
      node,
      answered: said !== undefined,
      hasData: said?.hasData ?? false,
      systemId: said?.systemId ?? null,
      storedEpoch: said?.storedEpoch ?? null,
      storedBy: said?.storedBy ?? null,
      timeline: said?.timeline ?? null,
      lsn: said?.lsn ?? null,
      open: said?.open ?? false,
    };
  });
}

interface Found {
  readonly epoch: EpochRecord | null;
  readonly sync: SyncRecord | null;
  readonly compare: readonly Compare[];
}

async function recordsOf(world: World): Promise<Found> {
  const keys = keysOf(world.layout.deployment, world.layout.group);
  const read = await world.store().txn([], [{ get: keys.epoch }, { get: keys.sync }]);
  if (read.kind !== 'done')
    throw new FarshoreError('FSH_STORE_UNREACHABLE', `the store can't be read: ${read.why}; nothing was written`);
  const [epoch, sync] = read.value.responses.map((kvs) => kvs[0]);
  const revision = (kv: KeyValue | undefined): number => kv?.modRevision ?? 0;
  return {
    epoch: epoch === undefined ? null : (JSON.parse(epoch.value) as EpochRecord),
    sync: sync === undefined ? null : (JSON.parse(sync.value) as SyncRecord),
    compare: [
      { key: keys.epoch, modRevision: revision(epoch) },
      { key: keys.sync, modRevision: revision(sync) },
    ],
  };
}

/** One transaction on what was read: a takeover in between, or a second operator, makes it land nowhere. */
async function write(world: World, plan: Recovery, found: Found): Promise<void> {
  const { deployment, group, policy } = world.layout;
  const keys = keysOf(deployment, group);
  const operation = `recover-store-${plan.epoch}`;
  // The node is named as the one who writes, and promoted by a takeover of the epoch after this one.
  const epoch: EpochRecord = { n: plan.epoch, holder: plan.primary, systemId: plan.systemId, operation };
  const version = (found.sync?.version ?? 0) + 1;
  const { primary, names } = plan;
  const w = names.length > 0 ? 1 : 0;
  const sync: SyncRecord = { version, epoch: plan.epoch, primary, mode: policy.mode, w, names };
  const puts: Op[] = [
    { put: keys.epoch, value: JSON.stringify(epoch) },
    { put: keys.sync, value: JSON.stringify(sync) },
    { put: keys.journal(operation), value: JSON.stringify(journalOf(operation, plan)) },
    // Of another life of the store: a position would only disqualify, an operation would be carried out again.
    ...[keys.position, keys.slot, keys.paused, keys.lease].map((key) => ({ delete: key })),
  ];
  const wrote = await world.store().txn(found.compare, puts);
  if (wrote.kind === 'unknown')
    throw new FarshoreError('FSH_OUTCOME_UNKNOWN', `the store did not say whether it wrote: ${wrote.why}`);
  if (wrote.kind === 'refused') throw new FarshoreError('FSH_FAILED', `nothing was written: ${wrote.why}`);
  if (!wrote.value.succeeded)
    throw new FarshoreError('FSH_REFUSED', 'the records changed while they were looked at; nothing was written');
}

const journalOf = (id: string, plan: Recovery): OperationRecord => ({
  id,
  kind: 'recover-store',
  epoch: plan.epoch,
  actor: plan.primary,
  reason: {
    code: plan.loss === null ? 'recovered' : 'recovered-with-loss',
    text: [plan.why, plan.loss].filter(Boolean).join('; '),
  },
  state: 'done',
  request: null,
  driver: null,
  steps: [],
});

function linesOf(nodes: readonly NodeFound[], plan: RecoveryPlan, applied: boolean): readonly string[] {
  const rows = nodes.map((it) => [
    it.node,
    !it.answered ? 'does not answer' : !it.hasData ? 'no data' : it.open ? 'open' : 'data',
    String(it.storedEpoch ?? '-'),
    it.storedBy ?? '-',
    String(it.timeline ?? '-'),
    it.lsn ?? '-',
    it.systemId ?? '-',
  ]);
  const lines = [...table([['NODE', 'STATE', 'EPOCH', 'BEGUN BY', 'TL', 'LSN', 'SYSTEM ID'], ...rows]), ''];
  if (plan.kind === 'refused') return lines;
  return [
    ...lines,
    `${applied ? 'written' : 'would write'}: epoch ${plan.epoch}, ${plan.primary} alone has everything`,
    `  ${plan.why}`,
    plan.loss === null ? '  nothing that was acknowledged can be lost' : `  may lose: ${plan.loss}`,
    ...(applied
      ? ['it is promoted within seconds: `farshore status --watch`']
      : ['nothing was written; --apply writes it']),
  ];
}
