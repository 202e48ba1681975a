import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { Change } from '../engine/engine.ts';
import { decodeLine, encodeLine } from './record-line.ts';

/** One batch of changes that was synced at once. `seq` grows by one with every batch over the life of the store. */
interface LogRecord {
  readonly seq: number;
  readonly changes: readonly Change[];
}

/** What an append came to. After `lost` nobody knows what the disk holds: the process must end and read it again. */
export type Appended = 'synced' | { readonly refused: string } | { readonly lost: string };

export interface LogContents {
  readonly records: readonly LogRecord[];
  /** Bytes of whole records; what follows is a torn tail. */
  readonly length: number;
  readonly tornBytes: number;
}

/**
 * Reads a log. A record is written only after the one before it was synced. So a bad record with no good one after it
 * is a write that was cut off and never answered: dropped. A bad record with a good one after it is a damaged disk.
 */
export function parseLog(bytes: Buffer, path: string): LogContents {
  const records: LogRecord[] = [];
  let length = 0;
  for (;;) {
    const newline = bytes.indexOf(0x0a, length);
    const record = newline === -1 ? undefined : recordOf(bytes.subarray(length, newline));
    if (record === undefined) break;
    const last = records.at(-1);
    if (last !== undefined && record.seq !== last.seq + 1) {
      throw corrupt(path, length, `record ${record.seq} follows record ${last.seq}`);
    }
    records.push(record);
    length = newline + 1;
  }
  const later = wholeRecordIn(bytes.subarray(length));
  if (later !== undefined) throw corrupt(path, length, `record ${later.seq} after it is whole`);
  return { records, length, tornBytes: bytes.length - length };
}

/** A whole record anywhere in the bytes, also when the newline before it is the damaged byte. */
function wholeRecordIn(bytes: Buffer): LogRecord | undefined {
  for (let at = bytes.indexOf(RECORD_MARK); at !== -1; at = bytes.indexOf(RECORD_MARK, at + 1)) {
    const newline = bytes.indexOf(0x0a, at);
    const record = newline === -1 || at < 8 ? undefined : recordOf(bytes.subarray(at - 8, newline));
    if (record !== undefined) return record;
  }
  return undefined;
}

/** What follows the checksum of every record. Inside a record it cannot occur: JSON escapes the quotes. */
const RECORD_MARK = ' {"seq":';

const corrupt = (path: string, offset: number, why: string): FarshoreError =>
  new FarshoreError(
    'FSH_DATA_CORRUPT',
    `the log of the store is damaged: ${path} at byte ${offset}: ${why}. Nothing was changed or deleted`,
  );

/** The checksum matched, so this program wrote it. */
const recordOf = (line: Buffer): LogRecord | undefined => decodeLine(line) as LogRecord | undefined;

/** The append-only log of one store. One append at a time. */
export class Log {
  readonly #path: string;
  #file: FileHandle;
  #length: number;
  #seq: number;
  #lost: string | null = null;

  private constructor(path: string, file: FileHandle, length: number, seq: number) {
    this.#path = path;
    this.#file = file;
    this.#length = length;
    this.#seq = seq;
  }

  /** Opens an existing log at the end of its whole records and cuts a torn tail off. */
  static async open(path: string, contents: LogContents, seq: number): Promise<Log> {
    const file = await open(path, 'r+');
    if (contents.tornBytes > 0) {
      await file.truncate(contents.length);
      await file.datasync();
    }
    return new Log(path, file, contents.length, seq);
  }

  /** Puts a new log in the place of `path`, atomically: it begins with an empty record after `seq`. */
  static async create(path: string, seq: number): Promise<Log> {
    const first = encodeLine({ seq: seq + 1, changes: [] } satisfies LogRecord);
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await writeAt(file, first, 0);
      await file.sync();
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
    return new Log(path, file, first.length, seq + 1);
  }

  get length(): number {
    return this.#length;
  }

  get seq(): number {
    return this.#seq;
  }

  /** Writes and syncs one batch. `refused` = it is certainly not in the log. */
  async append(changes: readonly Change[]): Promise<Appended> {
    if (this.#lost !== null) return { lost: this.#lost };
    const line = encodeLine({ seq: this.#seq + 1, changes } satisfies LogRecord);
    try {
      await writeAt(this.#file, line, this.#length);
    } catch (error) {
      return this.#takeBack(messageOf(error));
    }
    try {
      await this.#file.datasync();
    } catch (error) {
      // After a failed sync the kernel may have dropped the pages and call them clean: no second try can be trusted.
      this.#lost = `cannot sync ${this.#path}: ${messageOf(error)}`;
      return { lost: this.#lost };
    }
    this.#length += line.length;
    this.#seq += 1;
    return 'synced';
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Removes what a failed write left. */
  async #takeBack(why: string): Promise<Appended> {
    try {
      await this.#file.truncate(this.#length);
      await this.#file.datasync();
      return { refused: why };
    } catch (error) {
      this.#lost = `cannot cut ${this.#path} back after a failed write: ${messageOf(error)}`;
      return { lost: this.#lost };
    }
  }
}

async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes a rename in `path` durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
