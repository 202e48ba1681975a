import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Coordination } from '../../ports/coordination.ts';
import { must } from '../must.contract.ts';
import { clock, connectTo, storeFiles, tempDir } from '../rigs.contract.ts';
import { type StoreHandle, startStore } from './start.ts';

/** kill -9 cannot show a missing sync, because the kernel keeps the bytes. So these tests hold the sync itself. */
let dir = '';
let store: StoreHandle;
let client: Coordination;
let syncs = 0;
let hold: Promise<void> = Promise.resolve();
let lost: string[] = [];
let restore = (): void => {};

beforeEach(async () => {
  dir = await tempDir();
  await storeFiles(dir);
  [syncs, hold, lost] = [0, Promise.resolve(), []];
  const config = {
    listen: { host: '127.0.0.1', port: 0 },
    dataDir: join(dir, 'data'),
    secretsPath: join(dir, 'secrets.json'),
  };
  store = await startStore(config, { clock, lost: (why) => void lost.push(why) });
  client = connectTo(store.port);
  restore = await holdSyncs();
});
afterEach(async () => {
  restore();
  await client.close();
  await store.close();
  await rm(dir, { recursive: true });
});

/** Makes every sync of a file's data wait for `hold`, and counts them. */
async function holdSyncs(): Promise<() => void> {
  const probe = await open(join(dir, 'secrets.json'));
  const prototype: FileHandle = Object.getPrototypeOf(probe);
  await probe.close();
  const real: () => Promise<void> = Reflect.get(prototype, 'datasync');
  prototype.datasync = async function held(this: FileHandle) {
    syncs++;
    await hold;
    await Reflect.apply(real, this, []);
  };
  return () => (prototype.datasync = real);
}
function gate() {
  let [release, fail] = [(): void => {}, (error: Error): void => void error];
  hold = new Promise((resolve, reject) => ([release, fail] = [resolve, reject]));
  hold.catch(() => {});
  return { open: () => release(), fail: (error: Error) => fail(error) };
}

test('no write is answered, read or told to a watcher before it is synced', async () => {
  const seen: number[] = [];
  client.watch('/', 1, { onEvents: (_, revision) => void seen.push(revision), onEnd: () => {} });
  const { open: release } = gate();
  const answers: string[] = [];
  const write = client.txn([], [{ put: '/a', value: 'new' }]).then(() => answers.push('write'));
  while (syncs === 0) await delay(5);
  const read = client
    .txn([], [{ get: '/a' }])
    .then((outcome) => answers.push(`read ${must(outcome).responses[0]?.[0]?.value}`));
  await delay(300);
  expect([answers, seen]).toEqual([[], []]);
  release();
  await Promise.all([write, read]);
  expect(answers.toSorted()).toEqual(['read new', 'write']);
  while (seen.length === 0) await delay(5);
});

test('writes that wait for one sync share the next', async () => {
  const { open: release } = gate();
  const first = client.txn([], [{ put: '/first', value: '' }]);
  while (syncs === 0) await delay(5);
  const others = Array.from({ length: 40 }, (_, at) => client.txn([], [{ put: `/${at}`, value: '' }]));
  await delay(300);
  expect(syncs).toBe(1);
  release();
  for (const outcome of await Promise.all([first, ...others])) must(outcome);
  // One each would be 41. A slow machine hands the requests over in several turns.
  expect(syncs).toBeLessThan(30);
});

test('a keepalive does not wait for the disk', async () => {
  const lease = must(await client.grant(60_000));
  const { open: release } = gate();
  const write = client.txn([], [{ put: '/a', value: '' }]);
  while (syncs < 2) await delay(5);
  expect(must(await client.keepAlive(lease.id))).toEqual(lease);
  release();
  must(await write);
});

test('after a failed sync nobody gets an answer any more, and the owner is told to end the process', async () => {
  const { fail } = gate();
  const write = client.txn([], [{ put: '/a', value: '' }]);
  while (syncs === 0) await delay(5);
  const read = client.txn([], [{ get: '/a' }]);
  await delay(50);
  fail(new Error('EIO: i/o error, fdatasync'));
  expect(await write).toMatchObject({ kind: 'unknown' });
  expect(await read).toMatchObject({ kind: 'unknown' });
  expect(lost).toEqual([expect.stringContaining('EIO')]);
  expect(await client.txn([], [{ put: '/b', value: '' }])).toMatchObject({
    kind: 'refused',
    code: 'store-unreachable',
  });
});
