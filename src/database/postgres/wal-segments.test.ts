import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WalQuery, segmentStart } from './wal-query.ts';
import { WalSegments, historyName, segmentName } from './wal-segments.ts';

const SEGMENT_BYTES = 1024 * 1024;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'farshore-wal-'));
  await mkdir(join(folder, 'archive_status'));
});
afterEach(() => rm(folder, { recursive: true }));

it('names segments as PostgreSQL does', () => {
  expect(segmentName(1, 3n, 16 * SEGMENT_BYTES)).toBe('000000010000000000000003');
  expect(segmentName(18, 0x1_05n, 16 * SEGMENT_BYTES)).toBe('000000120000000100000005');
  expect(segmentName(1, 0x1_00_00n, SEGMENT_BYTES)).toBe('000000010000001000000000');
  expect(historyName(10)).toBe('0000000A.history');
  expect(segmentStart('1/5000A28', 16 * SEGMENT_BYTES)).toBe(0x1_05_00_00_00n);
});

it('what crosses the end of a segment goes into both, each whole for PostgreSQL and not to be archived again', async () => {
  const segments = new WalSegments({ folder, timeline: 2, segmentBytes: SEGMENT_BYTES, runAs: null });
  const begins = 7n * BigInt(SEGMENT_BYTES);
  await segments.write(begins, Buffer.alloc(SEGMENT_BYTES - 10, 1));
  await segments.write(begins + BigInt(SEGMENT_BYTES - 10), Buffer.alloc(30, 2));
  await segments.end();
  const names = ['000000020000000000000007', '000000020000000000000008'];
  expect((await readdir(folder)).sort()).toEqual([...names, 'archive_status']);
  expect(await readdir(join(folder, 'archive_status'))).toEqual(names.map((name) => `${name}.done`));
  const [seven, eight] = await Promise.all(names.map((name) => readFile(join(folder, name))));
  expect(seven?.equals(Buffer.concat([Buffer.alloc(SEGMENT_BYTES - 10, 1), Buffer.alloc(10, 2)]))).toBe(true);
  expect(eight?.equals(Buffer.concat([Buffer.alloc(20, 2), Buffer.alloc(SEGMENT_BYTES - 20)]))).toBe(true);
});

it('a stream hands on WAL with its position, answers when it is asked to, and says that no more than what is written may go', async () => {
  let written = 100n;
  const wrote: (readonly [bigint, string])[] = [];
  const sent: Buffer[] = [];
  const query = new WalQuery('slot', '0/64', 1, {
    write: async (at, bytes) => {
      wrote.push([at, bytes.toString()]);
      written += BigInt(bytes.length);
    },
    written: () => written,
    pause: () => undefined,
    resume: () => undefined,
  });
  const queries: string[] = [];
  const connection = {
    query: (sql: string) => void queries.push(sql),
    sendCopyFromChunk: (it: Buffer) => void sent.push(it),
  };
  query.submit(connection as unknown as Connection);
  expect(queries).toEqual(['START_REPLICATION SLOT slot PHYSICAL 0/64 TIMELINE 1']);

  const wal = Buffer.concat([Buffer.from('w'), Buffer.alloc(24), Buffer.from('bytes')]);
  wal.writeBigUInt64BE(100n, 1);
  query.handleCopyData({ chunk: wal });
  const alive = (asks: number): Buffer => Buffer.concat([Buffer.from('k'), Buffer.alloc(16), Buffer.from([asks])]);
  query.handleCopyData({ chunk: alive(0) });
  await new Promise((resolve) => setImmediate(resolve));
  expect(wrote).toEqual([[100n, 'bytes']]);
  expect(sent).toEqual([]);
  query.handleCopyData({ chunk: alive(1) });
  expect(sent).toHaveLength(1);
  expect([sent[0]?.toString('latin1', 0, 1), sent[0]?.readBigUInt64BE(1), sent[0]?.readBigUInt64BE(9)]).toEqual([
    'r',
    105n,
    105n,
  ]);
  query.handleError(Object.assign(new Error('gone'), { code: '58P01' }));
  expect(await query.ended).toBe('58P01');
  query.handleCopyData({ chunk: wal });
  await new Promise((resolve) => setImmediate(resolve));
  expect(wrote).toHaveLength(1);
});
