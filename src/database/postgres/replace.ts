import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { Local } from './connections.ts';
import { type Making, exists, isEmpty, syncPath } from './files.ts';
import { clearDiscarded, throwAway } from './remove-data.ts';

/**
 * Puts a whole copy in the place of the data that a node has. At every moment one of the two is there: whoever is interrupted between
 * the two renames finds the old data under a name of its own, and puts it back.
 */
export class Replacement {
  readonly #local: Local;
  #running: Promise<unknown> | null = null;
  #looked = false;

  constructor(local: Local) {
    this.#local = local;
  }

  async put(copy: Making): Promise<Outcome<void>> {
    const reply = await this.#local.keeper.call({ do: 'status' });
    if (!reply.ok || reply.status.postgres !== null)
      return refused('runs', 'stop PostgreSQL before its data is replaced');
    const swapping = this.#swap(copy);
    this.#running = swapping.catch(() => undefined);
    try {
      await swapping;
      return done(undefined);
    } finally {
      this.#running = null;
    }
  }

  async #swap(copy: Making): Promise<void> {
    const { dataDir } = this.#local.config;
    const old = replacedOf(dataDir);
    await rm(old, { recursive: true, force: true });
    await rename(dataDir, old);
    await syncPath(dirname(dataDir));
    try {
      await copy.finish();
    } finally {
      await settle(dataDir);
    }
  }

  /**
   * Ends what an interrupted replacement left, once after a start of this process and whenever the data seems to be gone. Waits for
   * one that runs, whose data directory is away for a moment.
   */
  async settle(seemsEmpty: boolean): Promise<void> {
    if (this.#running !== null) await this.#running;
    if (this.#looked && !seemsEmpty) return;
    const { dataDir } = this.#local.config;
    await settle(dataDir);
    if (!this.#looked) void clearDiscarded(dataDir).catch(() => undefined);
    this.#looked = true;
  }
}

const replacedOf = (dataDir: string): string => `${dataDir}.replaced`;

/** The old data goes back when nothing is in its place yet, and goes when something is. */
async function settle(dataDir: string): Promise<void> {
  const old = replacedOf(dataDir);
  if (!(await exists(old))) return;
  if (await isEmpty(dataDir)) {
    await rename(old, dataDir);
    await syncPath(dirname(dataDir));
    return;
  }
  await throwAway(old, dataDir);
}
