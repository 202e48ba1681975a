import type { Coordination } from '../../ports/coordination.ts';
import { type FenceRecord, keysOf, type LossBound, type OperationRecord } from '../../ports/records.ts';
import { authOf, connectStore } from '../../coordination/etcd/client.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { HOST } from '../../world/layout.ts';
import type { World } from '../../world/open.ts';

const TIMEOUT_MS = 3_000;
const MOVES: ReadonlySet<OperationRecord['kind']> = new Set(['takeover', 'switchover', 'failback', 'failover']);

/**
 * The takeover that made the newest epoch above `epochBefore`; null when there is none. Reads the store itself: what the agents
 * say about themselves is not evidence.
 */
export async function readTakeover(world: World, epochBefore: number): Promise<OperationRecord | null> {
  const { deployment, group } = world.layout;
  return withStore(world, async (store) => {
    const read = await store.txn([], [{ getPrefix: keysOf(deployment, group).journal('') }]);
    if (read.kind !== 'done') return null;
    const found = (read.value.responses[0] ?? []).map((kv) => JSON.parse(kv.value) as OperationRecord);
    const takeovers = found.filter(({ kind, epoch }) => MOVES.has(kind) && epoch > epochBefore);
    return takeovers.toSorted((a, b) => b.epoch - a.epoch)[0] ?? null;
  });
}

/** What the fence of `epoch` says that may be lost; null when it says that nothing is. */
export async function readLossBound(world: World, epoch: number): Promise<LossBound | null> {
  const { deployment, group } = world.layout;
  return withStore(world, async (store) => {
    const read = await store.txn([], [{ get: keysOf(deployment, group).fence(epoch) }]);
    const found = read.kind === 'done' ? read.value.responses[0]?.[0] : undefined;
    return found === undefined ? null : ((JSON.parse(found.value) as FenceRecord).loss ?? null);
  });
}

async function withStore<T>(world: World, read: (store: Coordination) => Promise<T>): Promise<T> {
  const store = openStore(world);
  try {
    return await read(store);
  } finally {
    await store.close();
  }
}

function openStore(world: World): Coordination {
  const ports = world.layout.places.flatMap((place) => place.ports.store ?? []);
  return connectStore({
    urls: ports.map((port) => `http://${HOST}:${port}`),
    auth: authOf(world.layout.store.kind, world.secrets),
    timeoutMs: TIMEOUT_MS,
    clock: nodeClock,
  });
}
