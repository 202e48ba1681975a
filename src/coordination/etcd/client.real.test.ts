import { rm } from 'node:fs/promises';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Coordination } from '../../ports/coordination.ts';
import { must } from '../must.contract.ts';
import { TOKEN, type StoreProcess, clock, startStoreProcess, tempDir } from '../rigs.contract.ts';
import { freePort } from '../../world/free-ports.ts';
import { connectStore } from './client.ts';

/** A network between client and store: passes, swallows without closing, or hands bytes on one at a time. */
class Network {
  mode: 'pass' | 'swallow' | 'byte-by-byte' = 'pass';
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  connections = 0;

  constructor(target: number) {
    this.#server = createServer((near) => {
      this.connections++;
      const far = connect(target, '127.0.0.1');
      for (const socket of [near, far]) {
        socket.setNoDelay(true);
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => [near, far].forEach((one) => one.destroy()));
      }
      // What a connection swallowed once never comes back: it stays dead when the network is whole again.
      let dead = false;
      const carry = (from: Socket, to: Socket) =>
        from.on('data', (chunk) => {
          dead ||= this.mode === 'swallow';
          if (dead) return;
          if (this.mode === 'pass') to.write(chunk);
          else for (const byte of chunk) to.write(Buffer.of(byte));
        });
      carry(near, far);
      carry(far, near);
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

let dir = '';
let store: StoreProcess;
let cleanup: (() => unknown)[] = [];
beforeEach(async () => {
  dir = await tempDir();
  cleanup = [() => rm(dir, { recursive: true })];
  store = await startStoreProcess(dir);
  cleanup.push(() => store.end('SIGKILL'));
});
afterEach(async () => {
  for (const step of cleanup.toReversed()) await step();
});

const client = (ports: readonly number[], timeoutMs = 5_000, watchIdleMs = 5_000): Coordination => {
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const made = connectStore({ urls, auth: { kind: 'token', token: TOKEN }, timeoutMs, watchIdleMs, clock });
  cleanup.push(() => made.close());
  return made;
};
const network = async (): Promise<{ net: Network; port: number }> => {
  const net = new Network(store.port);
  cleanup.push(() => net.close());
  return { net, port: await net.listen() };
};
const until = async (fact: () => boolean): Promise<void> => {
  for (let tries = 0; !fact(); tries++) {
    expect(tries).toBeLessThan(1_000);
    await delay(10);
  }
};
const watching = (on: Coordination, from: number) => {
  const seen: { revisions: number[]; ends: string[]; progress: number[] } = { revisions: [], ends: [], progress: [] };
  on.watch('/', from, {
    onEvents: (_, revision) => void seen.revisions.push(revision),
    onEnd: (why) => void seen.ends.push(why),
    onProgress: (revision) => void seen.progress.push(revision),
  });
  return seen;
};
const putA = (on: Coordination, value = 'x') => on.txn([], [{ put: '/a', value }]);

describe('outcomes', () => {
  test('nobody listens: refused, because nothing was sent', async () => {
    const nobody = client([await freePort(), await freePort()]);
    expect(await putA(nobody)).toMatchObject({ kind: 'refused', code: 'store-unreachable' });
    expect(await nobody.txn([], [])).toMatchObject({ kind: 'refused', code: 'store-unreachable' });
  });

  test('an endpoint that takes no connection is passed over, for writes too, and not tried first again', async () => {
    const two = client([await freePort(), store.port]);
    expect(must(await putA(two)).revision).toBe(2);
    expect(must(await two.grant(5_000)).ttlMs).toBe(5_000);
  });

  test('a write that may have arrived is unknown within its time, and is not sent twice', async () => {
    const { net, port } = await network();
    const one = client([port, store.port], 700);
    net.mode = 'swallow';
    const startMs = performance.now();
    expect(await putA(one)).toMatchObject({ kind: 'unknown' });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(650);
    expect(must(await client([store.port]).txn([], [])).revision).toBe(1);
  });

  test('a read and a keepalive go on to the next endpoint', async () => {
    const direct = client([store.port]);
    const lease = must(await direct.grant(60_000));
    const { net, port } = await network();
    net.mode = 'swallow';
    expect(must(await client([port, store.port], 2_000).txn([], [{ get: '/a' }])).succeeded).toBe(true);
    expect(must(await client([port, store.port], 2_000).keepAlive(lease.id))).toEqual(lease);
    expect(await client([port], 300).txn([], [{ get: '/a' }])).toMatchObject({ kind: 'unknown' });
  });

  test('a store killed in the middle of a write: unknown; and what it did is read back after', async () => {
    const one = client([store.port]);
    must(await putA(one, 'before'));
    process.kill(store.pid, 'SIGSTOP');
    const cut = putA(one, 'cut');
    await delay(100);
    await store.end('SIGKILL');
    expect(await cut).toMatchObject({ kind: 'unknown' });
    store = await startStoreProcess(dir, { port: store.port });
    const found = must(await one.txn([], [{ get: '/a' }])).responses[0]?.[0]?.value;
    expect(['before', 'cut']).toContain(found);
  });

  test('another store under the same address is refused, also by a watch', async () => {
    const one = client([store.port]);
    must(await putA(one));
    const { port } = store;
    await store.end('SIGKILL');
    await rm(join(dir, 'data'), { recursive: true });
    store = await startStoreProcess(dir, { port });
    expect(await one.txn([], [])).toMatchObject({ kind: 'refused', code: 'store-foreign' });
    const seen = watching(one, 1);
    await until(() => seen.ends.length === 1);
    expect(seen.ends[0]).toContain('another store');
    expect(must(await client([port]).txn([], [])).revision).toBe(1);
  });

  test('something that is no store is refused or unknown, never done', async () => {
    const answers = [
      'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}',
      'nonsense\r\n\r\n',
    ];
    const kinds: unknown[] = [];
    for (const answer of answers) {
      const server = createServer((socket) => void socket.on('error', () => {}).once('data', () => socket.end(answer)));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      const outcome = await putA(client([port], 1_000));
      kinds.push(outcome.kind === 'refused' ? outcome.code : outcome.kind);
      server.close();
    }
    expect(kinds).toEqual(['not-a-store', 'unknown', 'unknown']);
  });
});

describe('watches', () => {
  test('lines cut into single bytes, and many at once, give the same events', async () => {
    const { net, port } = await network();
    net.mode = 'byte-by-byte';
    const seen = watching(client([port]), 2);
    const writer = client([store.port]);
    for (let at = 0; at < 30; at++) must(await putA(writer, `ü${at}`));
    await until(() => seen.revisions.length === 30);
    expect(seen.revisions).toEqual(Array.from({ length: 30 }, (_, at) => at + 2));
  });

  test('progress is told while nothing happens, up to the last revision', async () => {
    const one = client([store.port]);
    const { revision } = must(await putA(one));
    const seen = watching(one, revision + 1);
    await until(() => seen.progress.length >= 2);
    expect(new Set(seen.progress)).toEqual(new Set([revision]));
  });

  test('a stream that died in silence is replaced: nothing missed, nothing twice, no end', async () => {
    const { net, port } = await network();
    const seen = watching(client([port], 2_000, 1_500), 2);
    const writer = client([store.port]);
    must(await putA(writer));
    await until(() => seen.revisions.length === 1);
    net.mode = 'swallow';
    for (let at = 0; at < 3; at++) must(await putA(writer));
    // Progress is swallowed too, within a second: from then on the old stream is dead for good.
    await delay(1_200);
    net.mode = 'pass';
    await until(() => seen.revisions.length === 4);
    expect(seen.revisions).toEqual([2, 3, 4, 5]);
    expect(seen.ends).toEqual([]);
    expect(net.connections).toBe(2);
  });

  test('a store out of reach ends the watch in bounded time', async () => {
    const { net, port } = await network();
    const seen = watching(client([port], 500, 1_500), 1);
    await until(() => seen.progress.length > 0);
    net.mode = 'swallow';
    await until(() => seen.ends.length === 1);
    expect(seen.ends[0]).toContain('within 500 ms');
  });

  test('a killed store ends the watch at once', async () => {
    const seen = watching(client([store.port], 5_000, 60_000), 1);
    await until(() => seen.progress.length > 0);
    await store.end('SIGKILL');
    await until(() => seen.ends.length === 1);
  });
});
