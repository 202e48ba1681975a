import type { NodeId } from '../src/base/ids.ts';
import { reignList } from '../src/decide/failover/positioning.ts';
import { keysOf } from '../src/ports/records.ts';
import { emptyDir, type Entry } from './postgres/wal.ts';
import type { World } from './world.ts';

const SYSTEM_IDS = { main: '7100000000000000001', second: '7100000000000000002' } as const;

/** Begins in the middle of a reign: records in the store, the first node primary of epoch 1, the others streaming. */
export function beginInReign(world: World): void {
  const { policy } = world;
  const [first, ...others] = policy.dataNodes;
  if (first === undefined) throw new Error('no data node');
  const list = reignList(policy, first, () => true);
  const wal: Entry[] = [
    { timeline: 1, what: { kind: 'mark', text: 'initdb' } },
    { timeline: 1, what: { kind: 'epoch', n: 1, by: first } },
  ];
  for (const node of world.dataNodes) {
    node.host.dir = {
      ...emptyDir(),
      systemId: SYSTEM_IDS[world.parts.group],
      wal: [...wal],
      standbySignal: others.includes(node.id),
      // A standby has the list of its own possible reign.
      syncList: { epoch: 1, ...reignList(policy, node.id, () => true) },
      upstream: others.includes(node.id) ? { node: first, epoch: 1 } : null,
    };
    // It has run for a while: the checkpointer has read its settings long ago.
    node.host.start()?.ranBefore();
  }
  void writeRecords(world, first, list);
}

async function writeRecords(
  world: World,
  first: NodeId,
  list: { readonly w: number; readonly names: readonly NodeId[] },
): Promise<void> {
  const { policy, store } = world;
  const keys = keysOf(policy.deployment, policy.group);
  const operation = 'bootstrap-1';
  const put = (key: string, value: unknown) => ({ put: key, value: JSON.stringify(value) });
  const reason = { code: 'bootstrap', text: 'the first database' };
  await store.direct().txn(
    [],
    [
      put(keys.epoch, { n: 1, holder: first, systemId: SYSTEM_IDS[world.parts.group], operation }),
      put(keys.sync, { version: 3, epoch: 1, primary: first, mode: policy.mode, ...list }),
      put(keys.journal(operation), {
        id: operation,
        kind: 'bootstrap',
        epoch: 1,
        actor: first,
        reason,
        state: 'done',
        steps: [],
      }),
      put(keys.routes, {
        generation: 1,
        epoch: 1,
        primary: { node: first, region: first.slice(0, first.lastIndexOf('/')) },
        regions: policy.regions.map((region) => ({ ...region, state: 'serving' })),
        reason,
      }),
    ],
  );
}
