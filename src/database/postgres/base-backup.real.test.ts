import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BackupSink, baseBackup } from './base-backup.ts';
import { connectTo, hangUp } from './connections.ts';
import { type SilentPath, silentPath } from './testing-path.ts';
import { type TestGroup, must, realClock, startTestGroup } from './testing.ts';

let group: TestGroup;
let path: SilentPath;
beforeAll(async () => {
  group = await startTestGroup({ names: ['eu-west-1'] });
  const [a] = group.nodes;
  if (a === undefined) throw new Error('one node');
  must(await a.db.init(() => undefined));
  must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
  path = await silentPath(a.upstream(1));
});
afterAll(async () => {
  await path.end();
  await group.end();
});

const PASSWORD = 'replication:pass\\word';

async function backup(sink: BackupSink): Promise<void> {
  const { host, port } = path.upstream;
  const user = 'farshore_replication';
  const client = await connectTo({ host, port, user, password: PASSWORD, replication: true, timeoutMs: 5_000 });
  try {
    await baseBackup(client, 'test', sink, realClock, { firstMs: 60_000, silentMs: 1_000 });
  } finally {
    hangUp(client);
  }
}

const sink: BackupSink = {
  from: () => undefined,
  begin: async () => undefined,
  data: async () => undefined,
  progress: () => undefined,
};

test('a copy whose upstream falls silent in the middle is given up; a disk that is slow is waited for', async () => {
  let bytes = 0;
  const count = async (chunk: Buffer): Promise<void> => void (bytes += chunk.length);
  path.hold(2_000_000);
  await expect(backup({ ...sink, data: count })).rejects.toMatchObject({ code: 'FSH_TIMEOUT' });
  expect(bytes).toBeGreaterThan(1_000_000);
  path.release();

  let waited = false;
  const slow = async (): Promise<void> => {
    if (!waited) await realClock.sleep(3_000);
    waited = true;
  };
  await backup({ ...sink, data: slow });
  expect(waited).toBe(true);
});

test('whoever has no room for what will come ends it before the first byte', async () => {
  let bytes = 0;
  let told: number | null = null;
  const begin = async (totalBytes: number | null): Promise<void> => {
    told = totalBytes;
    throw new Error('no room');
  };
  const data = async (chunk: Buffer): Promise<void> => void (bytes += chunk.length);
  await expect(backup({ ...sink, begin, data })).rejects.toThrow('no room');
  expect(told).toBeGreaterThan(10_000_000);
  expect(bytes).toBe(0);
});
