import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { type Outcome, done, refused } from '../../base/result.ts';
import type { Progress, Upstream } from '../../ports/database.ts';
import { copyBeside } from './clone.ts';
import type { Local } from './connections.ts';
import { type Making, asFarshoreError, clearMaking } from './files.ts';
import { clearDiscarded } from './remove-data.ts';
import { hasRewind } from './rewind.ts';

const TIMEOUT_MS = 5_000;
const OVERTAKEN = refused('aborted', 'newer work was accepted before the copy began');
/** Room for the copy, for what is saved of the data meanwhile, and for what PostgreSQL still writes. */
const TIMES_WHILE_SAVED = 3;
/** Room for the copy of an upstream that has grown since, and for its WAL. */
const TIMES_ALONE = 1.25;

/** A copy that is being made, or is whole. */
interface Underway {
  readonly from: Upstream;
  readonly stop: AbortController;
  readonly making: Promise<Making>;
  /** The last report, and whom the next ones go to. */
  last: Parameters<Progress>;
  tell: Progress;
}

/** A copy of the upstream that is made beside a data directory which still holds something, and is put in its place later. */
export class CopyAhead {
  readonly #local: Local;
  #underway: Underway | null = null;

  constructor(local: Local) {
    this.#local = local;
  }

  /** Does not wait for the end. Refused where a rewind is shorter, or the disk might not hold both. */
  async begin(from: Upstream, signal: AbortSignal): Promise<Outcome<void>> {
    if (await hasRewind(this.#local.config)) return refused('rewinds', 'pg_rewind is there');
    if (this.holds(from)) return done(undefined);
    const room = await this.#room(TIMES_WHILE_SAVED);
    if (signal.aborted) return OVERTAKEN;
    if (room.kind === 'done') this.#start(from, signal);
    return room;
  }

  /** Waits until a copy of this reign is whole; begins one where none is under way. */
  async whole(from: Upstream, progress: Progress, signal: AbortSignal): Promise<Outcome<void>> {
    if (!this.holds(from)) {
      const room = await this.#room(TIMES_ALONE);
      // A newer copy may have begun meanwhile.
      if (signal.aborted) return OVERTAKEN;
      if (room.kind !== 'done') return room;
      this.#start(from, signal);
    }
    const underway = this.#underway;
    if (underway === null) return refused('overtaken', 'another copy was begun meanwhile');
    listen(underway, progress, signal);
    try {
      await underway.making;
      return done(undefined);
    } catch (error) {
      if (this.#underway === underway) this.#underway = null;
      if (signal.aborted) return refused('aborted', messageOf(error));
      const { code } = asFarshoreError(error);
      return refused(code === 'FSH_DISK_FULL' ? 'no-room' : code, `the copy ended: ${messageOf(error)}`);
    }
  }

  /** The copy of this very reign, once it is whole; null when there is none. Whoever takes it finishes it. */
  async take(from: Upstream, progress: Progress, signal: AbortSignal): Promise<Making | null> {
    const underway = this.#underway;
    if (underway === null || !this.holds(from)) {
      await this.#drop();
      return null;
    }
    this.#underway = null;
    listen(underway, progress, signal);
    return underway.making.catch(() => null);
  }

  /** Is the copy that is under way, or whole, one of this very reign? */
  holds({ node, epoch }: Upstream): boolean {
    return this.#underway?.from.node === node && this.#underway.from.epoch === epoch;
  }

  /** This process is done with the database. What was copied is removed by the next one. */
  close(): void {
    this.#underway?.stop.abort(new Error('the database was closed'));
  }

  #start(from: Upstream, signal: AbortSignal): void {
    const stop = new AbortController();
    abortWith(stop, signal);
    const report: Progress = (...told) => {
      underway.last = told;
      underway.tell(...told);
    };
    const making = copyBeside(this.#local, from, (...told) => report(...told), stop.signal);
    // Whoever waits for it hears why; nobody has to.
    making.catch(() => undefined);
    const underway: Underway = { from, stop, making, last: ['copying'], tell: () => undefined };
    this.#underway = underway;
  }

  async #drop(): Promise<void> {
    const underway = this.#underway;
    this.#underway = null;
    underway?.stop.abort(new Error('the copy is of no use any more'));
    await (await underway?.making.catch(() => null))?.discard();
  }

  async #room(times: number): Promise<Outcome<void>> {
    const { dataDir } = this.#local.config;
    const folder = dirname(dataDir);
    await this.#drop();
    await clearMaking(dataDir);
    await clearDiscarded(dataDir);
    const [row] = await this.#local.work.query(SIZE, TIMEOUT_MS);
    const { bavail, bsize } = await statfs(folder);
    const needed = times * Number(row?.['bytes']);
    if (bavail * bsize >= needed) return done(undefined);
    const why = `a copy beside the data needs about ${gigabytes(needed)}, ${folder} has ${gigabytes(bavail * bsize)} left`;
    return refused('no-room', why);
  }
}

function listen(underway: Underway, progress: Progress, signal: AbortSignal): void {
  underway.tell = progress;
  progress(...underway.last);
  abortWith(underway.stop, signal);
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

function abortWith(stop: AbortController, signal: AbortSignal): void {
  if (signal.aborted) stop.abort(signal.reason);
  else signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true });
}

const SIZE = `
SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database)::float8 + (SELECT sum(size) FROM pg_ls_waldir())::float8 AS bytes`;
