import { chown, type FileHandle, open, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import { syncPath } from './files.ts';
import type { RunAs } from './run-as.ts';

/** Left for others on the disk: PostgreSQL beside the copy, or the primary on a machine that has both. */
const SEGMENTS_LEFT_MIN = 4;

/** Where the WAL of one timeline goes: `folder` is a `pg_wal`. */
export interface WalPlace {
  readonly folder: string;
  readonly timeline: number;
  readonly segmentBytes: number;
  readonly runAs: RunAs | null;
}

/** WAL that came over the wire, as the segment files that PostgreSQL reads. Written from the beginning of a segment on, without gaps. */
export class WalSegments {
  readonly #place: WalPlace;
  readonly #names: string[] = [];
  #open: { readonly segment: bigint; readonly handle: FileHandle } | null = null;

  constructor(place: WalPlace) {
    this.#place = place;
  }

  async write(at: bigint, bytes: Buffer): Promise<void> {
    const size = BigInt(this.#place.segmentBytes);
    for (let done = 0; done < bytes.length; ) {
      const position = at + BigInt(done);
      const offset = Number(position % size);
      const part = bytes.subarray(done, done + this.#place.segmentBytes - offset);
      const handle = await this.#handleOf(position / size);
      done += (await handle.write(part, 0, part.length, offset)).bytesWritten;
    }
  }

  /** Everything is on disk after it, and ready to be used. */
  async end(): Promise<void> {
    await this.close();
    const { folder, runAs } = this.#place;
    // As a WAL receiver: whoever is promoted later must not archive what the upstream did.
    for (const name of this.#names) await writeFor(join(folder, 'archive_status', `${name}.done`), '', runAs);
    await syncPath(folder);
  }

  async #handleOf(segment: bigint): Promise<FileHandle> {
    if (this.#open?.segment === segment) return this.#open.handle;
    await this.close();
    const { folder, timeline, segmentBytes, runAs } = this.#place;
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < SEGMENTS_LEFT_MIN * segmentBytes)
      throw new FarshoreError(
        'FSH_DISK_FULL',
        `WAL of the copy has no room: ${folder} has ${((bavail * bsize) / 1e6).toFixed(0)} MB left`,
      );
    const name = segmentName(timeline, segment, segmentBytes);
    const handle = await open(join(folder, name), 'w', 0o600);
    this.#open = { segment, handle };
    this.#names.push(name);
    if (runAs !== null) await handle.chown(runAs.uid, runAs.gid);
    // PostgreSQL takes a segment that is not whole for a broken one.
    await handle.truncate(segmentBytes);
    return handle;
  }

  /** What was written is on disk. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    try {
      await open.handle.sync();
    } finally {
      await open.handle.close();
    }
  }
}

/** `000000010000000000000003`: timeline, and the segment in two halves. */
export function segmentName(timeline: number, segment: bigint, segmentBytes: number): string {
  const perId = 0x1_0000_0000n / BigInt(segmentBytes);
  return [BigInt(timeline), segment / perId, segment % perId].map(hex).join('');
}

export const historyName = (timeline: number): string => `${hex(BigInt(timeline))}.history`;

const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, '0');

export async function writeFor(path: string, content: string | Buffer, runAs: RunAs | null): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  if (runAs !== null) await chown(path, runAs.uid, runAs.gid);
}
