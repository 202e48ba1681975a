import { FarshoreError } from '../../base/errors.ts';
import { type Lock, takeLock } from '../lock.ts';
import type { World } from '../open.ts';
import { isOpen } from './journal.ts';

/** Acts of a holder are short. One that keeps its turn for longer stands still in the middle of one. */
const TURN_WITHIN_MS = 3_000;

/**
 * One at a time acts on a fault: its holder while it stops, attaches, writes or refreshes, or whoever undoes it. Otherwise a process
 * could be stopped a moment after it was let go on, with the journal closed: for ever, when the holder dies then (I13). The kernel ends
 * the turn of who dies. Null when somebody stands still in his.
 */
export async function inTurn<T>(world: World, id: string, work: () => Promise<T> | T): Promise<T | null> {
  const lock: Lock | null = await takeLock(`fault-${world.layout.id}-${id}`, TURN_WITHIN_MS);
  if (lock === null) return null;
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/** What a holder does to the world, while the fault is still its own. Throws FSH_FAILED when somebody has undone it. */
export async function act<T>(world: World, id: string, work: () => Promise<T> | T): Promise<T> {
  const did = await inTurn(world, id, async () => {
    if (!isOpen(world, id)) throw new FarshoreError('FSH_FAILED', 'somebody undid it while it was being injected');
    return { value: await work() };
  });
  if (did === null) throw new FarshoreError('FSH_FAILED', 'somebody undoes it while it is being injected');
  return did.value;
}
