import { type FileHandle, chown, mkdir, open } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import type { RunAs } from './run-as.ts';

const BLOCK = 512;

interface Entry {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  readonly kind: 'file' | 'folder';
}

/**
 * Unpacks the ustar stream of a base backup: files and folders, modes kept, nothing outside `root`. Feed it with
 * `write`, one call at a time; then `end`.
 */
export class TarExtract {
  readonly #root: string;
  readonly #runAs: RunAs | null;
  #pending = Buffer.alloc(0);
  #file: { readonly handle: FileHandle; left: number } | null = null;
  #padding = 0;
  #closing = false;
  bytes = 0;
  files = 0;

  constructor(root: string, runAs: RunAs | null) {
    this.#root = root;
    this.#runAs = runAs;
  }

  async write(chunk: Buffer): Promise<void> {
    this.bytes += chunk.length;
    let data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (data.length > 0) {
      const used = await this.#consume(data);
      if (used === 0) break;
      data = data.subarray(used);
    }
    this.#pending = Buffer.from(data);
  }

  /** Throws when the stream ended inside an entry. */
  async end(): Promise<void> {
    if (this.#file !== null) throw new FarshoreError('FSH_FAILED', 'the copy ended inside a file');
  }

  /** Closes what is open; for an interrupted copy. */
  async abandon(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = null;
  }

  /** Bytes of `data` that were used; 0 when a whole header is not there yet. */
  async #consume(data: Buffer): Promise<number> {
    if (this.#file !== null) return this.#fill(this.#file, data);
    if (this.#padding > 0) {
      const used = Math.min(this.#padding, data.length);
      this.#padding -= used;
      return used;
    }
    if (data.length < BLOCK) return 0;
    await this.#begin(data.subarray(0, BLOCK));
    return BLOCK;
  }

  async #fill(file: { readonly handle: FileHandle; left: number }, data: Buffer): Promise<number> {
    const part = data.subarray(0, file.left);
    for (let at = 0; at < part.length; ) at += (await file.handle.write(part, at)).bytesWritten;
    file.left -= part.length;
    if (file.left === 0) {
      await file.handle.close();
      this.#file = null;
    }
    return part.length;
  }

  async #begin(header: Buffer): Promise<void> {
    // Zero blocks end an archive; PostgreSQL leaves them out, other writers don't.
    if (header.every((byte) => byte === 0)) {
      this.#closing = true;
      return;
    }
    if (this.#closing) throw new FarshoreError('FSH_FAILED', 'the copy goes on after its end');
    const entry = readHeader(header);
    const path = join(this.#root, entry.path);
    if (entry.kind === 'folder') {
      await mkdir(path, { recursive: true, mode: entry.mode });
    } else {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const handle = await open(path, 'w', entry.mode);
      this.files += 1;
      if (entry.size === 0) await handle.close();
      else this.#file = { handle, left: entry.size };
      this.#padding = (BLOCK - (entry.size % BLOCK)) % BLOCK;
    }
    if (this.#runAs !== null) await chown(path, this.#runAs.uid, this.#runAs.gid);
  }
}

/** Reads one ustar header. Throws for a kind of entry that a data directory without tablespaces can't hold. */
export function readHeader(header: Buffer): Entry {
  const field = (from: number, to: number): string => {
    const end = header.subarray(from, to).indexOf(0);
    return header.subarray(from, end < 0 ? to : from + end).toString('utf8');
  };
  const octal = (from: number, to: number): number => Number.parseInt(field(from, to).trim() || '0', 8);
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== octal(148, 156)) throw new FarshoreError('FSH_FAILED', 'a header of the copy has a wrong checksum');
  const prefix = field(257, 262) === 'ustar' ? field(345, 500) : '';
  const path = normalize(prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`);
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new FarshoreError('FSH_FAILED', `the copy holds a path outside its folder: ${path}`);
  const type = field(156, 157);
  const mode = octal(100, 108) & 0o777;
  if (type === '5') return { path, size: 0, mode, kind: 'folder' };
  if (type === '' || type === '0') return { path, size: sizeOf(header, octal(124, 136)), mode, kind: 'file' };
  throw new FarshoreError('FSH_FAILED', `the copy holds ${path}, of a kind that is not supported (${type})`);
}

/** 8 GiB and more are written as a binary number with the highest bit set. */
function sizeOf(header: Buffer, octal: number): number {
  return ((header[124] ?? 0) & 0x80) === 0 ? octal : Number(header.readBigUInt64BE(128));
}
