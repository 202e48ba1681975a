import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { Progress, Upstream } from '../../ports/database.ts';
import { copyBeside } from './clone.ts';
import type { Local } from './connections.ts';
import type { Making } from './files.ts';
import { hasRewind } from './rewind.ts';

const TIMEOUT_MS = 5_000;
/** Room for the copy, for the data beside it, and for what is saved of that. */
const TIMES_THE_DATA = 3;

/** A copy of the upstream that is made beside a data directory which is still being saved, and is put in its place later. */
export class CopyAhead {
  readonly #local: Local;
  #underway: {
    readonly from: Upstream;
    readonly stop: AbortController;
    readonly making: Promise<Making | null>;
  } | null = null;

  constructor(local: Local) {
    this.#local = local;
  }

  /** Does not wait for the end. Refused where a rewind is shorter, or the disk might not hold both. */
  async begin(from: Upstream, signal: AbortSignal): Promise<Outcome<void>> {
    const { config } = this.#local;
    if (await hasRewind(config)) return refused('rewinds', 'pg_rewind is there');
    const [row] = await this.#local.work.query(SIZE, TIMEOUT_MS);
    const { bavail, bsize } = await statfs(dirname(config.dataDir));
    if (bavail * bsize < TIMES_THE_DATA * Number(row?.['bytes']))
      return refused('no-room', 'the disk might not hold the data and a copy beside it');
    await this.#drop();
    const stop = new AbortController();
    abortWith(stop, signal);
    const making = copyBeside(this.#local, from, () => undefined, stop.signal);
    this.#underway = { from, stop, making: making.catch(() => null) };
    return done(undefined);
  }

  /** The copy of this very reign, once it is whole; null when there is none. Whoever takes it finishes it. */
  async take({ node, epoch }: Upstream, progress: Progress, signal: AbortSignal): Promise<Making | null> {
    const underway = this.#underway;
    if (underway?.from.node !== node || underway.from.epoch !== epoch) {
      await this.#drop();
      return null;
    }
    this.#underway = null;
    progress('copying');
    abortWith(underway.stop, signal);
    return underway.making;
  }

  async #drop(): Promise<void> {
    const underway = this.#underway;
    this.#underway = null;
    underway?.stop.abort(new Error('the copy is of no use any more'));
    await (await underway?.making)?.discard();
  }
}

function abortWith(stop: AbortController, signal: AbortSignal): void {
  if (signal.aborted) stop.abort(signal.reason);
  else signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true });
}

const SIZE = 'SELECT sum(pg_database_size(oid))::float8 AS bytes FROM pg_database';
