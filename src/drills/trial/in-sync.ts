import { placeOf, parseNodeId } from '../../base/ids.ts';
import type { World } from '../../world/open.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { Start } from './preflight.ts';

const LOOK_EVERY_MS = 50;

type Records = Awaited<ReturnType<World['records']>>;

/** Everybody who confirmed or was the primary at the start is named again, in the record of the newest epoch. Null: not known now. */
export function isNamedAgain(records: Records, start: Pick<Start, 'primary' | 'confirms'>): boolean | null {
  if (records.kind !== 'done') return null;
  const { epoch, sync } = records.value;
  if (sync === null || epoch === null || sync.epoch !== epoch.n) return false;
  const named = new Set<string>([sync.primary, ...sync.names].map(placeOf));
  return [start.primary.node, ...start.confirms].every((node) => named.has(placeOf(parseNodeId(node))));
}

/**
 * Since when everybody is named again without a break. Looked at by the store's records alone: a look at the whole world waits for
 * every process of a region that has just come back. One that is evicted only after its return begins anew.
 */
export class SyncWatch {
  #sinceMs: number | null = null;
  #over = false;
  readonly #done: Promise<void>;

  constructor(world: World, start: Start) {
    this.#done = this.#look(world, start);
  }

  async stop(): Promise<number | null> {
    this.#over = true;
    await this.#done;
    return this.#sinceMs;
  }

  async #look(world: World, start: Start): Promise<void> {
    while (!this.#over) {
      const named = isNamedAgain(await world.records(), start);
      if (named === false) this.#sinceMs = null;
      if (named === true) this.#sinceMs ??= monotonicMs();
      await pause(LOOK_EVERY_MS);
    }
  }
}
