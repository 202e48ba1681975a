/** Looks at real servers: well, gone, silent, lying; certificates by openssl. */
import { createServer as createHttp } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { libc } from '../../system/libc.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { listen, until } from '../edge/testing.ts';
import { endedCertificate, makeCertificate, newFolder } from '../edge/tls.testing.ts';
import { startChecks } from './checks.ts';
import type { Found, Look, LookOnce } from './look.ts';
import { lookByNode } from './look-by-node.ts';
import { lookOnce } from './look-once.ts';
import { OwnLooks } from './own-looks.ts';
import { freePort } from '../../world/free-ports.ts';

/** By the system's own calls, where there are any, and by Node's sockets, which do what the others can't: the same is found. */
const own = libc === null ? null : new OwnLooks(libc);
if (own === null) process.stderr.write('looks by own calls are left out: not on this system\n');
const byOwnCalls: LookOnce = (options) => {
  const giveUp = own?.look(options);
  if (giveUp === null || giveUp === undefined) throw new Error('not one for own calls');
  return giveUp;
};
const WAYS: readonly (readonly [string, LookOnce])[] = [
  ...(own === null ? [] : [['by own calls', byOwnCalls] as const]),
  ['by Node', lookByNode],
];

const HTTP: Look = { kind: 'http', path: '/healthz' };
const TCP: Look = { kind: 'tcp' };
const nowMs = () => nodeClock.nowMs();
const look = (port: number, what: Look, way: LookOnce = lookByNode, timeoutMs = 10_000, host = '127.0.0.1') =>
  new Promise<Found>((onFound) => way({ target: { host, port }, what, timeoutMs, nowMs, onFound }));

async function opened(server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return listen(server, host);
}

const saying = (text: string): Server =>
  createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(text));
  });

/** Says it in pieces that end at `ends`, each after a pause; the last one stays away when the connection does. */
const dribbling = (text: string, ends: readonly number[]): Server =>
  createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      void (async () => {
        for (const [i, end] of [...ends, text.length].entries()) {
          socket.write(text.slice(ends[i - 1] ?? 0, end));
          await nodeClock.sleep(5);
        }
      })();
    });
  });

const descriptors = () => readdirSync('/proc/self/fd').length;

describe.each(WAYS)('%s', (_, way) => {
  test('http: asks for the path by the name of the target, on a connection of its own', async () => {
    const asked: string[] = [];
    const server = createHttp((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers.connection}`);
      response.end('well');
    });
    const port = await opened(server);
    const found = await look(port, HTTP, way);
    expect(found).toMatchObject({ code: 'ok', certificateEndsAtWallMs: null });
    expect(found.connectMs).toBeGreaterThanOrEqual(0);
    expect(asked).toEqual([`GET /healthz 127.0.0.1:${port} close`]);
  });

  test.each([
    ['another 2xx', 'HTTP/1.0 204 No Content\r\n\r\n', 'ok'],
    ['an error', 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n', 'status-503'],
    ['a redirect', 'HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n', 'status-302'],
    ['a large page', `HTTP/1.1 200 OK\r\n\r\n${'a'.repeat(400_000)}`, 'ok'],
    ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n', 'not-http'],
    ['a head without end', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}`, 'not-http'],
    ['half a head', 'HTTP/1.1 200 OK\r\n', 'reset'],
    ['nothing, and hangs up', '', 'reset'],
  ])('http: %s', async (_name, text, code) => {
    expect((await look(await opened(saying(text)), HTTP, way)).code).toBe(code);
  });

  test('http: a page whose body never ends is judged by its head', async () => {
    const server = createHttp((_request, response) => void response.write('for ever'));
    expect((await look(await opened(server), HTTP, way)).code).toBe('ok');
  });

  test('http: a connection that breaks under the question', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect((await look(await opened(server), HTTP, way)).code).toBe('reset');
  });

  test('http: the status line comes in pieces', async () => {
    const server = dribbling('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', [5, 20]);
    expect((await look(await opened(server), HTTP, way)).code).toBe('ok');
  });

  test('http: a head that dribbles past the time', async () => {
    const server = dribbling('HTTP/1.1 200 OK\r\nx: y\r\n', [3, 6, 9, 12]);
    expect((await look(await opened(server), HTTP, way, 200)).code).toBe('timeout');
  });

  test('http: at an address of IPv6', async () => {
    const asked: string[] = [];
    const server = createHttp((request, response) => {
      asked.push(request.headers.host ?? '');
      response.end();
    });
    const port = await opened(server, '::1');
    expect((await look(port, HTTP, way, 10_000, '::1')).code).toBe('ok');
    expect(asked).toEqual([`[::1]:${port}`]);
    expect((await look(await freePort(), TCP, way, 10_000, '::1')).code).toBe('connect');
  });

  test.each<[string, Look]>([
    ['http', HTTP],
    ['tcp', TCP],
  ])('%s: nobody listens', async (_name, what) => {
    expect(await look(await freePort(), what, way)).toMatchObject({ code: 'connect', connectMs: null });
  });

  test.each<[string, Look, string]>([
    ['http', HTTP, 'timeout'],
    ['tcp', TCP, 'ok'],
  ])('%s: it accepts and says nothing', async (_name, what, code) => {
    expect((await look(await opened(createServer()), what, way, 200)).code).toBe(code);
  });

  test('many at once, of which some are given up by others: each tells once or never, and no descriptor is left', async () => {
    const port = await opened(saying('HTTP/1.1 200 OK\r\n\r\n'));
    const before = descriptors();
    const told = Array.from({ length: 400 }, () => 0);
    const giveUps: (() => void)[] = [];
    const onFound = (i: number) => {
      told[i] = (told[i] ?? 0) + 1;
      if (i % 2 === 0) giveUps[i + 1]?.();
    };
    for (const i of told.keys())
      giveUps.push(
        way({ target: { host: '127.0.0.1', port }, what: HTTP, timeoutMs: 20_000, nowMs, onFound: () => onFound(i) }),
      );
    await until('all that were not given up', () =>
      told.filter((_times, i) => i % 2 === 0).every((times) => times === 1),
    );
    expect(Math.max(...told)).toBe(1);
    for (const giveUp of giveUps) giveUp();
    await until('the descriptors are gone', () => descriptors() <= before);
  });
});

test('a name, TLS and a path that is too long are left to Node', async () => {
  const target = { host: 'localhost', port: await freePort() };
  const onFound = () => undefined;
  for (const what of [HTTP, { kind: 'tls', name: 'a', ca: null } as const])
    expect(own?.look({ target, what, timeoutMs: 1, nowMs, onFound }) ?? null).toBeNull();
  const path = `/${'a'.repeat(5_000)}`;
  const here = { ...target, host: '127.0.0.1' };
  expect(own?.look({ target: here, what: { kind: 'http', path }, timeoutMs: 1, nowMs, onFound }) ?? null).toBeNull();
  const server = createHttp((_request, response) => response.end());
  const port = await opened(server);
  expect((await look(port, { kind: 'http', path }, lookOnce)).code).toBe('ok');
});

test('tls: nobody listens; it accepts and says nothing', async () => {
  const what: Look = { kind: 'tls', name: 'shop.example', ca: null };
  expect(await look(await freePort(), what)).toMatchObject({ code: 'connect', connectMs: null });
  expect((await look(await opened(createServer()), what, lookOnce, 200)).code).toBe('timeout');
});

describe('tls', () => {
  const dir = newFolder();
  const good = makeCertificate(dir, 'good', ['shop.example']);
  const strange = makeCertificate(dir, 'strange', ['shop.example']);
  const ended = endedCertificate(dir, good);
  const serve = ({ pem, key }: typeof good): Promise<number> =>
    opened(createTls({ cert: pem, key: readFileSync(key) }, (socket) => socket.on('error', () => undefined)));
  const what = (name: string, ca: string | null): Look => ({ kind: 'tls', name, ca });

  test('a certificate that is right, and when it ends', async () => {
    const found = await look(await serve(good), what('shop.example', good.pem));
    expect(found.code).toBe('ok');
    const daysLeft = ((found.certificateEndsAtWallMs ?? 0) - Date.now()) / 86_400_000;
    expect(Math.round(daysLeft)).toBe(30);
  });

  test('one for another name, one of a stranger, one that has ended', async () => {
    expect((await look(await serve(good), what('other.example', good.pem))).code).toBe('certificate-name');
    expect((await look(await serve(strange), what('shop.example', good.pem))).code).toBe('certificate-untrusted');
    expect((await look(await serve(good), what('shop.example', null))).code).toBe('certificate-untrusted');
    const found = await look(await serve(ended), what('shop.example', ended.pem));
    expect(found.code).toBe('certificate-expired');
    expect(found.certificateEndsAtWallMs).toBeLessThan(Date.now());
  });

  test('a server that speaks no TLS', async () => {
    expect((await look(await opened(saying('HTTP/1.1 400 No\r\n\r\n')), what('shop.example', null))).code).toBe('tls');
  });
});

test('checks go on at their pace, tell each thing once, and stop', async () => {
  let answers = true;
  const server = createHttp((_, response) => {
    response.statusCode = answers ? 200 : 500;
    response.end();
  });
  const port = await opened(server);
  const found: string[] = [];
  const stop = startChecks({
    question: () => ({ target: { host: '127.0.0.1', port }, look: HTTP }),
    pace: () => ({ everyMs: 10, timeoutMs: 1_000 }),
    offsetMs: 0,
    clock: nodeClock,
    onFound: ({ code }) => found.push(code),
  });
  await until('three good ones', () => found.filter((code) => code === 'ok').length >= 3);
  answers = false;
  await until('a bad one', () => found.includes('status-500'));
  stop();
  const before = found.length;
  await nodeClock.sleep(50);
  expect(found).toHaveLength(before);
});
