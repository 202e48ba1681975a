import { appendFile, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Coordination } from '../../ports/coordination.ts';
import { must } from '../must.contract.ts';
import { type Call, type Input, isLinearizable } from '../linearizable.contract.ts';
import { carryOut } from '../register.contract.ts';
import { TOKEN, type StoreProcess, connectTo, raw, startStoreProcess, tempDir } from '../rigs.contract.ts';
import { freePort } from '../../world/free-ports.ts';

let dir = '';
let started: StoreProcess[] = [];
beforeEach(async () => {
  dir = await tempDir();
  started = [];
});
afterEach(async () => {
  for (const store of started) await store.end('SIGKILL');
  await rm(dir, { recursive: true });
});
const start = async (options?: Parameters<typeof startStoreProcess>[1]): Promise<StoreProcess> => {
  const store = await startStoreProcess(dir, options);
  started.push(store);
  return store;
};
const revisionAt = async (store: StoreProcess): Promise<number> =>
  must(await connectTo(store.port).txn([], [])).revision;
const values = async (store: StoreProcess): Promise<Map<string, string>> => {
  const client = connectTo(store.port);
  const found = must(await client.txn([], [{ getPrefix: '/' }])).responses[0] ?? [];
  await client.close();
  return new Map(found.map((kv) => [kv.key, kv.value]));
};

describe('durability', () => {
  test('kill -9 in a stream of transactions: every answered one is there, and revisions never fall', async () => {
    const port = await freePort();
    const answered = new Map<string, number>();
    const unknowns = new Set<string>();
    let highest = 0;
    for (let life = 0; life < 4; life++) {
      const store = await start({ port });
      const found = await values(store);
      for (const key of answered.keys()) expect(found.get(key)).toBe(key);
      for (const key of found.keys()) expect(answered.has(key) || unknowns.has(key)).toBe(true);
      expect(await revisionAt(store)).toBeGreaterThanOrEqual(highest);
      const clients = Array.from({ length: 8 }, () => connectTo(store.port));
      const writing = clients.map(async (client, writer) => {
        for (let at = 0; ; at++) {
          const key = `/${life}/${writer}/${at}`;
          const outcome = await client.txn([{ key, modRevision: 0 }], [{ put: key, value: key }]);
          if (outcome.kind === 'unknown') unknowns.add(key);
          if (outcome.kind !== 'done') return outcome.kind;
          // A revision belongs to one transaction.
          expect([...answered.values()].includes(outcome.value.revision)).toBe(false);
          answered.set(key, outcome.value.revision);
          highest = Math.max(highest, outcome.value.revision);
        }
      });
      const before = answered.size;
      while (answered.size < before + 100) await delay(5);
      await store.end('SIGKILL');
      const ends = await Promise.all(writing);
      // The writers were cut in the middle of a request, and say so.
      expect(ends).toContain('unknown');
      for (const client of clients) await client.close();
    }
  });

  test('kill -9 under concurrent calls on one key: what the clients saw is linearizable', async () => {
    const port = await freePort();
    for (let round = 0; round < 5; round++) {
      const store = await start({ port });
      const key = `/register/${round}`;
      const calls: Call[] = [];
      const record = async (client: Coordination, input: Input): Promise<boolean> => {
        const startMs = performance.now();
        const output = await carryOut(client, key, input);
        const endMs = output === undefined ? Number.POSITIVE_INFINITY : performance.now();
        calls.push({ input, startMs, endMs, output });
        return output !== undefined;
      };
      const clients = Array.from({ length: 4 }, () => connectTo(store.port));
      const working = clients.map(async (client, at) => {
        const inputs: Input[] = [
          { do: 'write', value: `w${at}` },
          { do: 'cas', from: `w${(at + 1) % 4}`, to: `c${at}` },
          { do: 'read' },
          { do: 'write', value: `v${at}` },
        ];
        // A connection that the crash closed sends nothing, and is refused: no call then.
        for (const input of inputs) if (!(await record(client, input).catch(() => false))) return;
      });
      while (calls.length < 2 + round) await delay(1);
      await store.end('SIGKILL');
      await Promise.all(working);
      await start({ port });
      const reader = connectTo(port);
      for (let at = 0; at < 2; at++) expect(await record(reader, { do: 'read' })).toBe(true);
      expect(isLinearizable(calls, null), JSON.stringify(calls)).toBe(true);
      for (const client of [...clients, reader]) await client.close();
      for (const one of started) await one.end('SIGKILL');
    }
  });

  test('a torn tail is dropped and said; nothing before it is lost and writing goes on', async () => {
    const first = await start();
    const client = connectTo(first.port);
    for (let at = 0; at < 5; at++) must(await client.txn([], [{ put: `/${at}`, value: 'x' }]));
    await first.end('SIGKILL');
    await appendFile(join(dir, 'data/log'), '0badc0de {"seq":99,"changes":[{"kind":"txn"');
    const second = await start();
    expect(second.output.stdout).toContain('"event":"torn-tail-dropped","bytes":43');
    expect([...(await values(second)).keys()]).toEqual(['/0', '/1', '/2', '/3', '/4']);
    expect(await revisionAt(second)).toBe(6);
    must(await connectTo(second.port).txn([], [{ put: '/5', value: 'x' }]));
    await second.end('SIGKILL');
    const third = await start();
    expect((await values(third)).size).toBe(6);
    expect(third.output.stdout).not.toContain('torn');
  });

  test('damage before the tail, a lost snapshot or a lost log: refused to start, and nothing is touched', async () => {
    const store = await start();
    const client = connectTo(store.port);
    for (let at = 0; at < 5; at++) must(await client.txn([], [{ put: `/${at}`, value: 'x' }]));
    await store.end('SIGKILL');
    const paths = ['log', 'snapshot'].map((name) => join(dir, 'data', name));
    const [logPath = '', snapshotPath = ''] = paths;
    const log = await readFile(logPath);
    const damaged = Buffer.from(log);
    damaged.writeUInt8(0x21, Math.floor(log.length / 2));
    await writeFile(logPath, damaged);
    await expect(start()).rejects.toThrow(/the log of the store is damaged.*FSH_DATA_CORRUPT/s);
    expect(await readFile(logPath)).toEqual(damaged);
    await writeFile(logPath, log);
    for (const path of paths) {
      await rename(path, join(dir, 'aside'));
      await expect(start()).rejects.toThrow(/a file of the store is missing.*FSH_DATA_CORRUPT/s);
      await rename(join(dir, 'aside'), path);
    }
    const snapshot = await readFile(snapshotPath);
    await writeFile(snapshotPath, snapshot.subarray(0, -2));
    await expect(start()).rejects.toThrow(/the snapshot of the store is damaged/);
    await writeFile(snapshotPath, snapshot);
    expect((await values(await start())).size).toBe(5);
  });

  test('the log is bounded by snapshots, and the store survives kill -9 around them', async () => {
    let store = await start();
    const big = 'x'.repeat(60_000);
    for (let round = 0; round < 3; round++) {
      const client = connectTo(store.port);
      for (let at = 0; at < 60; at++)
        must(await client.txn([], [{ put: `/${at % 10}`, value: `${round}/${at}/${big}` }]));
      await client.close();
      await store.end('SIGKILL');
      store = await start();
      const found = await values(store);
      expect(found.get('/9')).toBe(`${round}/59/${big}`);
      expect(found.size).toBe(10);
      expect(await revisionAt(store)).toBe(1 + 60 * (round + 1));
    }
    expect((await stat(join(dir, 'data/log'))).size).toBeLessThan(5_000_000);
    expect(await readdir(join(dir, 'data'))).toEqual(['log', 'snapshot']);
    // What was before the snapshot is compacted for a watcher.
    const why = await new Promise((resolve) =>
      connectTo(store.port).watch('/', 2, { onEvents: () => {}, onEnd: resolve }),
    );
    expect(why).toContain('compacted');
  });

  test('a full disk: writes are refused whole, reads answer, and space makes writes work again', async () => {
    // A bound on the size of files stands in for a full disk: the kernel writes a part, then fails.
    const store = await start({
      command: ['/bin/sh', '-c', `trap '' XFSZ; ulimit -f 40; exec "$0" "$@"`, process.execPath],
    });
    const client = connectTo(store.port);
    const value = 'x'.repeat(3_000);
    const done: string[] = [];
    let refused = 0;
    for (let at = 0; at < 30; at++) {
      const outcome = await client.txn(
        [],
        [
          { put: `/${at}`, value },
          { put: `/twin/${at}`, value: '' },
        ],
      );
      if (outcome.kind === 'done') done.push(`/${at}`);
      else {
        expect(outcome).toMatchObject({ kind: 'refused', code: 'store-full' });
        refused++;
      }
    }
    expect(done.length).toBeGreaterThan(2);
    expect(refused).toBeGreaterThan(2);
    const found = await values(store);
    expect([...found.keys()].filter((key) => !key.startsWith('/twin')).toSorted()).toEqual(done.toSorted());
    expect(found.size).toBe(done.length * 2);
    expect(await revisionAt(store)).toBe(1 + done.length);
    await store.end('SIGKILL');
    const roomy = await start();
    expect(roomy.output.stdout).not.toContain('torn');
    expect(await values(roomy)).toEqual(found);
    must(await connectTo(roomy.port).txn([], [{ put: '/more', value }]));
  });
});

describe('leases (P2.4)', () => {
  test('after a restart every lease has a full TTL, and it expires then', async () => {
    const first = await start();
    const lease = must(await connectTo(first.port).grant(3_000));
    must(await connectTo(first.port).txn([], [{ put: '/a', value: '', lease: lease.id }]));
    await delay(1_500);
    await first.end('SIGKILL');
    await delay(2_000);
    const restartedMs = performance.now();
    const second = await start();
    while ((await values(second)).has('/a')) await delay(50);
    expect(performance.now() - restartedMs).toBeGreaterThanOrEqual(3_000);
  });

  test('a thaw gives every lease a full TTL, and the lease can be renewed', async () => {
    const store = await start();
    const client = connectTo(store.port, TOKEN, 10_000);
    const lease = must(await client.grant(2_000));
    const idle = must(await client.grant(2_000));
    must(
      await client.txn(
        [],
        [
          { put: '/held', value: '', lease: lease.id },
          { put: '/idle', value: '', lease: idle.id },
        ],
      ),
    );
    process.kill(store.pid, 'SIGSTOP');
    await delay(4_000);
    const thawedMs = performance.now();
    process.kill(store.pid, 'SIGCONT');
    expect(must(await client.keepAlive(lease.id))).toEqual(lease);
    for (;;) {
      must(await client.keepAlive(lease.id));
      if (!(await values(store)).has('/idle')) break;
      await delay(50);
    }
    expect(performance.now() - thawedMs).toBeGreaterThanOrEqual(2_000);
    expect((await values(store)).has('/held')).toBe(true);
    expect(store.output.stdout).toContain('"event":"paused"');
  });
});

describe('who may use it', () => {
  test('no call without the right token, and nothing is done', async () => {
    const store = await start();
    const body = { success: [{ request_put: { key: 'YQ==', value: 'YQ==' } }] };
    for (const token of [null, '', 'wrong', `${TOKEN}x`, TOKEN.slice(0, -1)]) {
      for (const path of ['/v3/kv/txn', '/v3/watch', '/v3/maintenance/status', '/nothing']) {
        expect((await raw(store.port, path, body, token)).status).toBe(401);
      }
    }
    const client = connectTo(store.port, 'wrong');
    expect(await client.txn([], [])).toMatchObject({ kind: 'refused', code: 'unauthenticated' });
    expect(await revisionAt(store)).toBe(1);
    expect(store.output.stdout + store.output.stderr).not.toContain(TOKEN);
  });

  test('a second server on the same directory is refused, by another path too; a killed one leaves no lock', async () => {
    const store = await start();
    await expect(start()).rejects.toThrow(/another store server has .* open.*FSH_STATE_BUSY/s);
    const other = join(dir, 'other');
    await mkdir(other);
    await symlink(join(dir, 'data'), join(other, 'data'));
    await expect(startStoreProcess(other)).rejects.toThrow(/FSH_STATE_BUSY/);
    await store.end('SIGKILL');
    await start();
  });

  test('a directory with something else in it is refused', async () => {
    await mkdir(join(dir, 'data'));
    await writeFile(join(dir, 'data/PG_VERSION'), '18\n');
    await expect(start()).rejects.toThrow(/not a store: PG_VERSION.*FSH_STATE_FOREIGN/s);
    expect(await readdir(join(dir, 'data'))).toEqual(['PG_VERSION']);
  });

  test('an address off loopback and a taken port are refused', async () => {
    const store = await start();
    await rename(join(dir, 'data'), join(dir, 'first'));
    await expect(start({ port: store.port })).rejects.toThrow(/FSH_PORT_IN_USE/);
    await expect(start({ host: '0.0.0.0' })).rejects.toThrow(/loopback only.*FSH_REFUSED/s);
  });
});

describe('bad requests', () => {
  test('what it does not understand is refused and changes nothing', async () => {
    const store = await start();
    const put = { request_put: { key: 'YQ==', value: 'YQ==' } };
    const bodies: unknown[] = [
      '{',
      '[]',
      { success: [put], compare: [{ key: 'YQ==', target: 'VERSION', result: 'EQUAL', version: '1' }] },
      { success: [put], compare: [{ key: 'YQ==', target: 'MOD', result: 'GREATER', mod_revision: '1' }] },
      // etcd's own gateway takes this for "mod revision 0" and writes.
      { success: [put], compare: [{ key: 'YQ==', target: 'MOD', result: 'EQUAL', value: 'Mw==' }] },
      {
        success: [put],
        compare: [{ key: 'YQ==', target: 'MOD', result: 'EQUAL', mod_revision: '1', range_end: 'Yg==' }],
      },
      { success: [put, { request_txn: {} }] },
      { success: [{ request_put: { key: 'YQ==', value: 'not base64!' } }] },
      { success: [{ request_put: { ...put.request_put, prev_kv: true } }] },
    ];
    for (const body of bodies) {
      const response = await raw(store.port, '/v3/kv/txn', body);
      expect([response.status, JSON.stringify(body)]).toEqual([400, JSON.stringify(body)]);
      expect(await response.json()).toMatchObject({ code: 3 });
    }
    const large = JSON.stringify({ success: [{ request_put: { key: 'YQ==', value: 'A'.repeat(2_000_000) } }] });
    expect((await raw(store.port, '/v3/kv/txn', large)).status).toBe(400);
    expect((await raw(store.port, '/v3/kv/other', {})).status).toBe(404);
    expect(await revisionAt(store)).toBe(1);
  });

  test('a client that leaves in the middle of a request harms nobody', async () => {
    const store = await start();
    for (let at = 0; at < 20; at++) {
      const headers = { authorization: TOKEN, 'content-length': 1_000 };
      const half = request({ host: '127.0.0.1', port: store.port, path: '/v3/kv/txn', method: 'POST', headers });
      half.on('error', () => {});
      half.write('{"success":');
      await new Promise((resolve) => half.once('socket', (socket) => socket.once('connect', resolve)));
      half.destroy();
    }
    expect(await revisionAt(store)).toBe(1);
    expect(await store.end('SIGTERM')).toBe(0);
  });
});
