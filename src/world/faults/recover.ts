import { takeLock } from '../lock.ts';
import type { World } from '../open.ts';
import { isAbandoned, openEntries } from './journal.ts';
import { describe } from './spec.ts';
import { undoEntry } from './undo.ts';

/** Two who undo at once, or one who undoes while another injects, would take each other's faults. */
export const FAULTS_LOCK_MS = 10_000;
export const faultsLock = (world: Pick<World, 'layout'>): string => `faults-${world.layout.id}`;

/** One try to undo what nobody holds. */
export interface Recovery {
  readonly id: string;
  readonly what: string;
  /** Empty: undone. */
  readonly left: readonly string[];
  /** Undone, or something else is left than after the try before. */
  readonly isNews: boolean;
}

/**
 * Undoes what a killed or hung holder left in the journal (I13). The world's supervisor does it all the time; a drill does it before
 * it begins. Faults of a holder that still lives are left alone. Returns what it tried.
 */
export async function recoverFaults(world: World): Promise<readonly Recovery[]> {
  if (abandoned(world).length === 0) return [];
  const lock = await takeLock(faultsLock(world), FAULTS_LOCK_MS);
  if (lock === null) return [];
  try {
    return await recoverLocked(world);
  } finally {
    lock.release();
  }
}

/** The same for one who holds the lock. */
export async function recoverLocked(world: World): Promise<readonly Recovery[]> {
  const tried: Recovery[] = [];
  for (const entry of abandoned(world)) {
    const { left } = await undoEntry(world, entry);
    tried.push({
      id: entry.id,
      what: describe(entry.spec),
      left,
      isNews: left.length === 0 || left.join() !== entry.left.join(),
    });
  }
  return tried;
}

const abandoned = (world: World) => openEntries(world).filter((entry) => isAbandoned(world, entry, Date.now()));
