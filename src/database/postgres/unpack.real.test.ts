import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Unpacker } from './unpack.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farshore-unpack-'));
  mkdirSync(join(folder, 'to'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with a small file, one of many blocks and an empty one. PostgreSQL's streams have no blocks of zeros at their end. */
function archive(): Buffer {
  const from = join(folder, 'from');
  mkdirSync(join(from, 'base'), { recursive: true, mode: 0o700 });
  writeFileSync(join(from, 'base/small'), 'ten bytes.', { mode: 0o600 });
  writeFileSync(join(from, 'base/large'), Buffer.alloc(300_001, 7), { mode: 0o640 });
  writeFileSync(join(from, 'base/none'), '');
  const { stdout } = spawnSync('tar', ['-c', '--format=ustar', '--sort=name', '-C', from, '-f', '-', 'base']);
  let end = stdout.length;
  while (end >= 512 && stdout.subarray(end - 512, end).every((byte) => byte === 0)) end -= 512;
  return stdout.subarray(0, end);
}

const unpack = async (bytes: Buffer, step: number): Promise<void> => {
  const unpacker = new Unpacker(join(folder, 'to'), null);
  for (let at = 0; at < bytes.length; at += step) await unpacker.write(bytes.subarray(at, at + step));
  await unpacker.end();
};

describe('unpacking a base backup', () => {
  test.each([700, 65_536, 1_000_000])('files arrive whole with their modes, cut every %i bytes', async (step) => {
    await unpack(archive(), step);
    const to = join(folder, 'to/base');
    expect(readFileSync(join(to, 'small'), 'utf8')).toBe('ten bytes.');
    expect(readFileSync(join(to, 'large')).equals(Buffer.alloc(300_001, 7))).toBe(true);
    expect(readFileSync(join(to, 'none'))).toHaveLength(0);
    const modes = ['.', 'small', 'large'].map((path) => statSync(join(to, path)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o600, 0o640]);
  });

  test('a stream that ends inside a file is an error', async () => {
    await expect(unpack(archive().subarray(0, 100_000), 65_536)).rejects.toThrow(/not unpacked: .*EOF/);
  });

  test('a folder that is not there ends it: what comes after is not taken', async () => {
    const unpacker = new Unpacker(join(folder, 'missing'), null);
    const bytes = archive();
    const feed = async (): Promise<never> => {
      for (;;) await unpacker.write(bytes);
    };
    await expect(feed()).rejects.toThrow(/not unpacked: .*No such file/);
  });

  test('an interrupted one is over when it was abandoned', async () => {
    const unpacker = new Unpacker(join(folder, 'to'), null);
    await unpacker.write(archive().subarray(0, 100_000));
    await unpacker.abandon();
    await expect(unpacker.write(Buffer.alloc(512))).rejects.toMatchObject({ code: 'FSH_FAILED' });
  });
});
