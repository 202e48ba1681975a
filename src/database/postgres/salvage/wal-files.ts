import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lsnToBigInt } from '../../../base/lsn.ts';
import type { Fork } from '../../../ports/database.ts';
import { parseHistory } from '../identify.ts';
import type { ReadWal } from './wal-commits.ts';

/** The ancestors of a timeline, from the data directory itself. */
export async function localHistory(dataDir: string, timeline: number): Promise<Fork[]> {
  if (timeline === 1) return [];
  return parseHistory(await readFile(join(dataDir, 'pg_wal', `${hex(timeline)}.history`), 'utf8'));
}

/** Where two branches part: on the last timeline that both have, where the first of them left it. */
export function forkBetween(
  here: { readonly timeline: number; readonly lsn: string; readonly history: readonly Fork[] },
  there: { readonly timeline: number; readonly lsn: string; readonly history: readonly Fork[] },
): string | null {
  const mine = [...here.history, { timeline: here.timeline, lsn: here.lsn }];
  const theirs = [...there.history, { timeline: there.timeline, lsn: there.lsn }];
  let fork: string | null = null;
  for (const [i, ancestor] of mine.entries()) {
    const other = theirs[i];
    if (other?.timeline !== ancestor.timeline) break;
    fork = lsnToBigInt(ancestor.lsn) <= lsnToBigInt(other.lsn) ? ancestor.lsn : other.lsn;
    if (ancestor.lsn !== other.lsn) break;
  }
  return fork;
}

const HEADER_BYTES = 40;
const SEGMENT_SIZE_AT = 32;
const WINDOW = 1024 * 1024;

/** Reads the WAL of a data directory up to `timeline`, window by window. Close it. */
export function openWal(dataDir: string, timeline: number): { readonly read: ReadWal; close(): void } {
  const folder = join(dataDir, 'pg_wal');
  let segmentBytes: bigint | null = null;
  let open: { readonly segment: bigint; readonly fd: number } | null = null;
  let window: { readonly at: bigint; readonly bytes: Buffer } | null = null;

  const fileOf = (segment: bigint, size: bigint): string | null => {
    const perId = 0x1_0000_0000n / size;
    const name = hex(Number(segment / perId)) + hex(Number(segment % perId));
    // The segment in which a timeline was left is there under both; the newer one goes on.
    for (let tli = timeline; tli > 0; tli--) {
      const path = join(folder, hex(tli) + name);
      if (existsSync(path)) return path;
    }
    return null;
  };
  const segmentAt = (position: bigint): { readonly fd: number; readonly size: bigint } | null => {
    // Every power of two from 1 MB is possible; 16 MB nearly always.
    const sizes =
      segmentBytes === null ? [24n, 20n, 21n, 22n, 23n, 25n, 26n].map((bits) => 1n << bits) : [segmentBytes];
    for (const size of sizes) {
      const segment = position / size;
      if (open?.segment === segment && segmentBytes === size) return { fd: open.fd, size };
      const path = fileOf(segment, size);
      if (path === null) continue;
      if (open !== null) closeSync(open.fd);
      const fd = openSync(path, 'r');
      open = { segment, fd };
      const head = Buffer.alloc(HEADER_BYTES);
      readSync(fd, head, 0, HEADER_BYTES, 0);
      segmentBytes = BigInt(head.readUInt32LE(SEGMENT_SIZE_AT));
      if (segmentBytes === size) return { fd, size };
    }
    return null;
  };
  return {
    read(position, length) {
      if (
        window === null ||
        position < window.at ||
        position + BigInt(length) > window.at + BigInt(window.bytes.length)
      ) {
        const found = segmentAt(position);
        if (found === null) return null;
        const offset = position % found.size;
        const from = offset - (offset % BigInt(WINDOW));
        const bytes = Buffer.alloc(WINDOW);
        const got = readSync(found.fd, bytes, 0, WINDOW, Number(from));
        window = { at: position - offset + from, bytes: bytes.subarray(0, got) };
      }
      const at = Number(position - window.at);
      return at + length > window.bytes.length ? null : window.bytes.subarray(at, at + length);
    },
    close() {
      if (open !== null) closeSync(open.fd);
    },
  };
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
