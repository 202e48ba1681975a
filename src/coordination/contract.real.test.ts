import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { coordinationContract } from './coordination.contract.ts';
import { startStore } from './embedded/start.ts';
import {
  ETCD,
  clock,
  compactAt,
  connectTo,
  etcdRig,
  hasEtcd,
  startStoreProcess,
  storeFiles,
  tempDir,
} from './rigs.contract.ts';

coordinationContract('embedded server, in this process', async () => {
  const dir = await tempDir();
  await storeFiles(dir);
  const listen = { host: '127.0.0.1', port: 0 };
  const config = { listen, dataDir: join(dir, 'data'), secretsPath: join(dir, 'secrets.json') };
  const store = await startStore(config, { clock });
  return {
    connect: () => connectTo(store.port),
    sleep: (ms) => delay(ms),
    nowMs: () => clock.nowMs(),
    compact: (revision) => compactAt(store.port, revision),
    expiryLateMs: 3_000,
    close: async () => {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
});

coordinationContract('embedded server, its own process', async () => {
  const dir = await tempDir();
  const store = await startStoreProcess(dir);
  return {
    connect: () => connectTo(store.port),
    sleep: (ms) => delay(ms),
    nowMs: () => clock.nowMs(),
    compact: (revision) => compactAt(store.port, revision),
    expiryLateMs: 3_000,
    close: async () => {
      expect(await store.end('SIGTERM')).toBe(0);
      await rm(dir, { recursive: true });
    },
  };
});

// Where it matters, a missing etcd is a failure and not a silent gap.
if (hasEtcd() || process.env['CI'] === 'true') coordinationContract("Debian's etcd", etcdRig);
else test.skip(`Coordination: Debian's etcd (${ETCD} is missing: apt-get install etcd-server)`, () => {});
