import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import type { LinkFault } from '../../ports/link.ts';
import { takeLock } from '../lock.ts';
import type { World } from '../open.ts';
import type { ProcessIdentity } from '../proc.ts';
import { skewClock } from './clock.ts';
import { crash, type CrashSeen, holdDown } from './crash.ts';
import { disk } from './disk.ts';
import { freeze, pause } from './freeze.ts';
import { whyNotInForce } from './in-force.ts';
import { beat, isOpen, type JournalEntry, LEASE_MS, openEntries, openEntry } from './journal.ts';
import { disturb, setAll } from './links.ts';
import { FAULTS_LOCK_MS, faultsLock, recoverLocked } from './recover.ts';
import { monotonicMs, type Seen } from './seen.ts';
import { type AnySpec, describe, type FaultSpec, keysOf, linksOf, overlap, type PauseSpec } from './spec.ts';
import { act } from './turn.ts';
import { undoEntry, type UndoResult } from './undo.ts';
import { wedge } from './wedge.ts';

const REFRESH_MS = 2_000;

/** A fault in force. `undo` may be called twice; without its holder the world's supervisor undoes it (I13). */
export interface ActiveFault extends Seen {
  readonly id: string;
  readonly spec: AnySpec;
  /**
   * What speaks against it having been in force from its proof until now; null when nothing does. To be asked before the undo: a
   * fault that ended by itself was not tested until then.
   */
  stillInForce(): Promise<string | null>;
  undo(): Promise<UndoResult>;
}

/**
 * Refuses or journals, injects, and proves it. Throws FSH_USAGE for what does not exist, FSH_REFUSED when another fault holds the
 * same links or processes, FSH_FAILED when the canary does not see it; then everything was undone.
 */
export const injectFault = (world: World, spec: FaultSpec, holder: string): Promise<ActiveFault> =>
  underJournal(world, spec, holder, (entry): Promise<Seen> => {
    switch (spec.kind) {
      case 'crash':
        return crash(world, spec.place, holder, entry.id);
      case 'freeze':
        return freeze(world, spec.place, entry.id);
      case 'wedge':
        return wedge(world, spec.place, entry.id);
      case 'slow-disk':
      case 'disk-full':
        return disk(world, spec, entry.id);
      case 'clock-skew':
        return skewClock(world, spec.place, spec.byMs, entry.id);
      default:
        return disturb(world, spec, entry.id);
    }
  });

/** Stops one process or PostgreSQL until `undo`, with everything that `injectFault` promises. */
export const pauseProcesses = (world: World, spec: PauseSpec, holder: string): Promise<ActiveFault> =>
  underJournal(world, spec, holder, (entry) => pause(world, spec, entry.id));

export interface RegionCrash extends ActiveFault {
  /** The first and last SIGKILL of the first round. */
  readonly killedFromMs: number;
  readonly killedUntilMs: number;
  readonly killed: readonly ProcessIdentity[];
}

/** `injectFault` of a crash, with what was killed. */
export async function crashRegion(world: World, place: PlaceId | NodeId, holder: string): Promise<RegionCrash> {
  const fault = await underJournal<CrashSeen>(world, { kind: 'crash', place }, holder, (entry) =>
    crash(world, place, holder, entry.id),
  );
  return { ...fault, killedFromMs: fault.fromMs, killedUntilMs: fault.effectiveMs };
}

/** Cuts, slows or makes lossy one directed link until `undo`. */
export function disturbLink(world: World, from: PlaceId, to: PlaceId, fault: LinkFault): Promise<ActiveFault> {
  const spec: AnySpec = { kind: 'link', from, to, ...fault };
  return underJournal(world, spec, 'drill', (entry) => disturb(world, spec, entry.id));
}

async function underJournal<T extends Seen>(
  world: World,
  spec: AnySpec,
  holder: string,
  inject: (entry: JournalEntry) => Promise<T>,
): Promise<T & ActiveFault> {
  const entry = await claim(world, spec, holder);
  let injected = false;
  const held = new Holding(world, entry);
  const refresh = setInterval(() => void held.keep(injected), REFRESH_MS);
  let undone: Promise<UndoResult> | null = null;
  const undo = (): Promise<UndoResult> => {
    clearInterval(refresh);
    // What was not complete may be by now.
    undone ??= undoEntry(world, entry).then((result) => {
      if (!result.complete) undone = null;
      return result;
    });
    return undone;
  };
  try {
    const seen = await inject(entry);
    injected = true;
    // Not undone since: what nobody holds may not be called in force.
    await act(world, entry.id, () => undefined);
    return { ...seen, id: entry.id, spec, stillInForce: () => held.whyNot(), undo };
  } catch (error) {
    const { complete, left } = await undo();
    if (complete) throw error;
    const what = `${describe(spec)} failed (${messageOf(error)}) and is not undone: ${left.join('; ')}`;
    throw new FarshoreError('FSH_UNDO_INCOMPLETE', what, error);
  }
}

/** In the journal before anything happens; never beside a fault that would undo this one. */
async function claim(world: World, spec: AnySpec, holder: string): Promise<JournalEntry> {
  const keys = keysOf(world.layout, spec);
  const lock = await takeLock(faultsLock(world), FAULTS_LOCK_MS);
  if (lock === null) throw new FarshoreError('FSH_REFUSED', 'another fault is being injected or undone; try again');
  try {
    const list = await world.supervisor.list();
    if (list.kind !== 'done')
      throw new FarshoreError('FSH_NOT_RUNNING', `the supervisor, who would undo it, does not answer: ${list.why}`);
    await recoverLocked(world);
    const other = openEntries(world).find((it) => overlap(keysOf(world.layout, it.spec), keys));
    if (other === undefined) return openEntry(world, spec, holder);
    const undo = `\`farshore fault undo ${other.id}\` ends it`;
    throw new FarshoreError(
      'FSH_REFUSED',
      `${describe(other.spec)} is held by ${other.holder} already, and touches the same; ${undo}`,
    );
  } finally {
    lock.release();
  }
}

/** The holder's part of a fault: refreshes what expires, and remembers when it could not. */
class Holding {
  readonly #world: World;
  readonly #entry: JournalEntry;
  #keptMs = monotonicMs();
  #lapse: string | null = null;

  constructor(world: World, entry: JournalEntry) {
    this.#world = world;
    this.#entry = entry;
  }

  /** Unless somebody else has undone it meanwhile. */
  async keep(injected: boolean): Promise<void> {
    const [world, { id, spec, holder }] = [this.#world, this.#entry];
    if (!isOpen(world, id)) return;
    // Also while an injection takes its turn: the lease is about the holder's life.
    beat(world, id);
    // An injection looks at the links before it touches them, and sets them itself.
    if (injected) {
      try {
        await act(world, id, () =>
          spec.kind === 'crash' ? holdDown(world, spec.place, holder) : setAll(world, linksOf(world.layout, spec)),
        );
      } catch {
        // The next beat tries again; what stays away is undone by its lease.
        return;
      }
    }
    this.#note();
  }

  async whyNot(): Promise<string | null> {
    this.#note();
    // Who can't look has not seen it.
    return this.#lapse ?? (await whyNotInForce(this.#world, this.#entry.id, this.#entry.spec).catch(messageOf));
  }

  /** Longer than its lease without a refresh: it may have ended and begun again. */
  #note(): void {
    const sinceMs = monotonicMs() - this.#keptMs;
    if (sinceMs > LEASE_MS)
      this.#lapse ??= `it was not refreshed for ${(sinceMs / 1000).toFixed(1)} s, and may have lapsed meanwhile`;
    this.#keptMs = monotonicMs();
  }
}
