import type { World } from '../open.ts';
import { isAlive, type ProcessIdentity } from '../proc.ts';
import { setClockRight } from './clock.ts';
import { bringBack } from './crash.ts';
import { endTracers } from './disk.ts';
import { goOn, isStopped } from './freeze.ts';
import { closeEntry, type JournalEntry, noteLeft, openEntries } from './journal.ts';
import { heal } from './links.ts';
import { processesOfRegion } from './processes.ts';
import { linksOf } from './spec.ts';
import { inTurn } from './turn.ts';

export interface UndoResult {
  readonly complete: boolean;
  /** What is left of the fault, for a person; empty when complete. */
  readonly left: readonly string[];
}

/**
 * Takes one fault back, looks whether it is gone, and only then says so in the journal. May be done twice: what the journal calls
 * undone is left alone, since what it touched may be another fault's by now.
 */
export async function undoEntry(world: World, { id }: Pick<JournalEntry, 'id'>): Promise<UndoResult> {
  const result = await inTurn(world, id, async () => {
    // Its holder may have stopped more since the caller read the journal.
    const entry = openEntries(world).find((it) => it.id === id);
    if (entry === undefined) return { complete: true, left: [] };
    const left = await takeBack(world, entry);
    if (left.length === 0) closeEntry(world, id);
    else if (left.join() !== entry.left.join()) noteLeft(world, id, left);
    return { complete: left.length === 0, left };
  });
  return result ?? { complete: false, left: ['who holds it, or undoes it, stands still in the middle of that'] };
}

async function takeBack(world: World, entry: JournalEntry): Promise<readonly string[]> {
  const { spec, stopped } = entry;
  switch (spec.kind) {
    case 'crash':
      return bringBack(world, spec.place);
    case 'pause':
    case 'wedge':
      return goOn(stopped);
    case 'freeze':
      return [...(await goOn(stopped)), ...(await goOn(await stoppedIn(world, spec.place, entry.id)))];
    case 'slow-disk':
    case 'disk-full':
      return endTracers(world, entry.id);
    case 'clock-skew':
      return setClockRight(world, spec.place);
    default:
      return heal(world, linksOf(world.layout, spec));
  }
}

/** Also what was born stopped, or is in no journal: a thaw leaves nobody behind, and nobody of another fault. */
async function stoppedIn(
  world: World,
  place: Parameters<typeof processesOfRegion>[1],
  id: string,
): Promise<readonly ProcessIdentity[]> {
  const others = openEntries(world).flatMap((it) => (it.id === id ? [] : it.stopped));
  const isOthers = ({ pid, startTicks }: ProcessIdentity) =>
    others.some((it) => it.pid === pid && it.startTicks === startTicks);
  try {
    return (await processesOfRegion(world, place)).filter((it) => isAlive(it) && isStopped(it) && !isOthers(it));
  } catch {
    // Without a supervisor the journal's list has to do.
    return [];
  }
}
