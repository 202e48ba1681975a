import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TarExtract, readHeader } from './tar-extract.ts';

function header(path: string, size: number, type = '0', mode = 0o600): Buffer {
  const block = Buffer.alloc(512);
  block.write(path, 0);
  block.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write(type, 156);
  block.write('ustar\0', 257);
  block.fill(' ', 148, 156);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0`,
    148,
  );
  return block;
}

function tar(files: readonly (readonly [string, Buffer])[]): Buffer {
  const parts = files.flatMap(([path, data]) => [
    header(path, data.length),
    data,
    Buffer.alloc((512 - (data.length % 512)) % 512),
  ]);
  return Buffer.concat([header('base', 0, '5', 0o700), ...parts]);
}

describe('unpacking a base backup', () => {
  test('files arrive whole, however the stream is cut', async () => {
    const files = fc.array(fc.uint8Array({ maxLength: 1_600 }), { minLength: 1, maxLength: 4 });
    const cuts = fc.array(fc.integer({ min: 1, max: 1_300 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(files, cuts, async (contents, lengths) => {
        const root = await mkdtemp(join(tmpdir(), 'farshore-tar-'));
        try {
          const archive = tar(contents.map((data, i) => [`base/${i}`, Buffer.from(data)]));
          const extract = new TarExtract(root, null);
          for (let at = 0, i = 0; at < archive.length; i++) {
            const length = lengths[i % lengths.length] ?? 1;
            await extract.write(archive.subarray(at, at + length));
            at += length;
          }
          await extract.end();
          for (const [i, data] of contents.entries())
            expect((await readFile(join(root, `base/${i}`))).equals(Buffer.from(data))).toBe(true);
          expect(await readdir(join(root, 'base'))).toHaveLength(contents.length);
        } finally {
          await rm(root, { recursive: true, force: true });
        }
      }),
      { numRuns: 30 },
    );
  });

  test('modes are kept, and a stream that ends inside a file is an error', async () => {
    const root = await mkdtemp(join(tmpdir(), 'farshore-tar-'));
    const extract = new TarExtract(root, null);
    await extract.write(tar([['base/x', Buffer.alloc(10, 1)]]).subarray(0, 1_030));
    await expect(extract.end()).rejects.toThrow('ended inside a file');
    await extract.abandon();
    expect((await stat(join(root, 'base'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(root, 'base/x'))).mode & 0o777).toBe(0o600);
    await rm(root, { recursive: true, force: true });
  });

  test.each(['../up', '/etc/passwd', 'a/../../up'])('a path outside the folder is refused: %s', (path) => {
    expect(() => readHeader(header(path, 0))).toThrow('outside its folder');
  });

  test('a damaged header and a link are refused', () => {
    const damaged = header('base/x', 10);
    damaged[0] = 0x7a;
    expect(() => readHeader(damaged)).toThrow('wrong checksum');
    expect(() => readHeader(header('pg_tblspc/1', 0, '2'))).toThrow('not supported');
  });

  test('8 GiB and more', () => {
    const big = header('base/big', 0);
    big.fill(0, 124, 136);
    big[124] = 0x80;
    big.writeBigUInt64BE(10_000_000_000n, 128);
    big.fill(' ', 148, 156);
    big.write(
      `${big
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0`,
      148,
    );
    expect(readHeader(big).size).toBe(10_000_000_000);
  });
});
