import type pg from 'pg';
import type { Connection, Submittable } from 'pg';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { Lsn } from '../../base/lsn.ts';
import { streamOf } from './connections.ts';

/** A place in the WAL: where a copy begins, or where it is whole. */
export interface BackupPoint {
  readonly lsn: Lsn;
  readonly timeline: number;
}

export interface BackupSink {
  /** Whoever uses the copy needs the WAL from here on. It is called before anything else. */
  from(point: BackupPoint): void;
  /** Before the first bytes: what the upstream estimates that will come, without WAL. Rejects when that is too much. */
  begin(totalBytes: number | null): Promise<void>;
  /** Tar bytes of the main data directory. The next chunk comes after the promise resolved. */
  data(chunk: Buffer): Promise<void>;
  progress(doneBytes: number, totalBytes: number | null): void;
}

/** Waiting chunks above which the socket is paused, and below which it goes on. */
const PAUSE_ABOVE_BYTES = 4 * 1024 * 1024;
const RESUME_BELOW_BYTES = 1024 * 1024;

/** How long the server may say nothing: before the first word its checkpoint has to end, after it bytes or progress come all the time. */
export interface Patience {
  readonly firstMs: number;
  readonly silentMs: number;
}
const PATIENCE: Patience = { firstMs: 300_000, silentMs: 30_000 };

/**
 * Runs BASE_BACKUP on a replication connection and hands the tar stream to `sink` with backpressure. The WAL that makes the copy
 * consistent is not in it: the answer says up to where it goes. PostgreSQL 15 or newer. Rejects when the server or the sink fails, or the server falls
 * silent: a path that swallows packets ends no connection.
 */
export async function baseBackup(
  client: pg.Client,
  label: string,
  sink: BackupSink,
  clock: Clock,
  patience: Patience = PATIENCE,
): Promise<BackupPoint> {
  // `WAIT` is for an archive of the upstream's, which is not where our WAL comes from.
  const sql = `BASE_BACKUP (LABEL '${label}', CHECKPOINT 'fast', WAL false, WAIT false, PROGRESS true, MANIFEST 'no')`;
  const stream = new BackupStream(sql, sink, {
    pause: () => streamOf(client).pause(),
    resume: () => streamOf(client).resume(),
    hangUp: (error) => streamOf(client).destroy(error),
  });
  // A connection that is lost while nothing is read from it would otherwise not be noticed.
  client.once('end', () => stream.fail(new FarshoreError('FSH_FAILED', 'the connection ended during the copy')));
  client.query(stream);
  const over = new AbortController();
  const watching = failWhenSilent(stream, clock, patience, over.signal);
  try {
    return await stream.finished;
  } finally {
    over.abort();
    await watching;
  }
}

/** Counts its own looks, not the clock: while this process is frozen nobody is silent. */
async function failWhenSilent(
  stream: BackupStream,
  clock: Clock,
  patience: Patience,
  over: AbortSignal,
): Promise<void> {
  const everyMs = patience.silentMs / 10;
  let silentMs = 0;
  for (let heard = stream.heard; !over.aborted; ) {
    await clock.sleep(everyMs, over).catch(() => undefined);
    // Nothing is read while the disk here is slower than the path.
    silentMs = heard === stream.heard && !stream.isWriting ? silentMs + everyMs : 0;
    heard = stream.heard;
    if (silentMs < (heard === 0 ? patience.firstMs : patience.silentMs)) continue;
    stream.fail(new FarshoreError('FSH_TIMEOUT', `the upstream sent nothing of the copy for ${silentMs / 1000} s`));
    return;
  }
}

interface Flow {
  pause(): void;
  resume(): void;
  hangUp(error: Error): void;
}

/** Fields as node-postgres hands them over; not in its types. */
interface DataRow {
  readonly fields: readonly (Buffer | string | null)[];
}

const pointIn = ([lsn, timeline]: DataRow['fields']): BackupPoint => ({
  lsn: String(lsn),
  timeline: Number(String(timeline)),
});

/**
 * A query for node-postgres that takes COPY OUT. One CopyData message starts with a byte that says what follows:
 * `n` a new archive (name, location), `d` tar bytes, `m` a manifest, `p` progress.
 */
class BackupStream implements Submittable {
  readonly finished: Promise<BackupPoint>;
  readonly #sql: string;
  readonly #sink: BackupSink;
  readonly #flow: Flow;
  #resolve: (end: BackupPoint) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Messages of the copy that came: archives, bytes, progress. */
  heard = 0;
  #waitingBytes = 0;
  #doneBytes = 0;
  #totalBytes: number | null = null;
  #resultSets = 0;
  #end: BackupPoint | null = null;
  #failed = false;

  constructor(sql: string, sink: BackupSink, flow: Flow) {
    this.#sql = sql;
    this.#sink = sink;
    this.#flow = flow;
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.finished.catch(() => undefined);
  }

  get isWriting(): boolean {
    return this.#waitingBytes > 0;
  }

  submit(connection: Connection): void {
    connection.query(this.#sql);
  }

  handleRowDescription(): void {
    this.#resultSets += 1;
  }

  /** The first result set is where the copy begins, the second lists tablespaces, the one after the bytes is where it is whole. */
  handleDataRow({ fields }: DataRow): void {
    if (this.#resultSets === 1) this.#sink.from(pointIn(fields));
    else if (this.#resultSets === 2) this.#takeTablespace(fields);
    else this.#end = pointIn(fields);
  }

  /** (oid, location, size in kilobytes); the main one has no location. */
  #takeTablespace([, location, size]: DataRow['fields']): void {
    if (location !== null && location !== undefined) {
      this.fail(
        new FarshoreError('FSH_FAILED', `the upstream has a tablespace at ${location.toString()}; not supported`),
      );
    } else if (size !== null && size !== undefined) {
      this.#totalBytes = Number(size.toString()) * 1024;
    }
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    this.heard += 1;
    if (this.#failed || message.chunk[0] !== 0x64) return;
    // The parser uses its buffer again for what arrives next.
    const chunk = Buffer.from(message.chunk.subarray(1));
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > PAUSE_ABOVE_BYTES) this.#flow.pause();
    this.#writing = this.#writing.then(() => this.#write(chunk));
  }

  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}

  handleError(error: Error): void {
    this.fail(error);
  }

  handleReadyForQuery(): void {
    void this.#writing.then(() => {
      if (this.#failed) return;
      if (this.#end !== null) this.#resolve(this.#end);
      else this.fail(new FarshoreError('FSH_FAILED', 'the upstream did not say where the copy ends'));
    });
  }

  fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#flow.hangUp(error);
    // What is being written now must be over before the caller removes the folder.
    void this.#writing.then(() => this.#reject(error));
  }

  async #write(chunk: Buffer): Promise<void> {
    if (this.#failed) return;
    try {
      if (this.#doneBytes === 0) await this.#sink.begin(this.#totalBytes);
      await this.#sink.data(chunk);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#doneBytes += chunk.length;
    this.#waitingBytes -= chunk.length;
    if (this.#waitingBytes < RESUME_BELOW_BYTES) this.#flow.resume();
    this.#sink.progress(this.#doneBytes, this.#totalBytes);
  }
}
