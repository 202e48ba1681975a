/** Looks at real servers: well, gone, silent, lying; certificates by openssl. */
import { createServer as createHttp } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { listen, until } from '../edge/testing.ts';
import { endedCertificate, makeCertificate, newFolder } from '../edge/tls.testing.ts';
import { startChecks } from './checks.ts';
import { type Found, type Look, lookOnce } from './look.ts';
import { freePort } from '../../world/free-ports.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const HTTP: Look = { kind: 'http', path: '/healthz' };
const look = (port: number, what: Look, timeoutMs = 5_000): Promise<Found> =>
  new Promise((onFound) =>
    lookOnce({ target: { host: '127.0.0.1', port }, what, timeoutMs, nowMs: () => nodeClock.nowMs(), onFound }),
  );

async function opened(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  cleanups.push(
    () => server.close(),
    () => sockets.forEach((socket) => socket.destroy()),
  );
  return listen(server);
}

const saying = (text: string): Server =>
  createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(text));
  });

describe('http', () => {
  test('asks for the path by the name of the target, on a connection of its own', async () => {
    const asked: string[] = [];
    const server = createHttp((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers.connection}`);
      response.end('well');
    });
    const port = await opened(server);
    const found = await look(port, HTTP);
    expect(found).toMatchObject({ code: 'ok', certificateEndsAtWallMs: null });
    expect(found.connectMs).toBeGreaterThanOrEqual(0);
    expect(asked).toEqual([`GET /healthz 127.0.0.1:${port} close`]);
  });

  test.each([
    ['another 2xx', 'HTTP/1.0 204 No Content\r\n\r\n', 'ok'],
    ['an error', 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n', 'status-503'],
    ['a redirect', 'HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n', 'status-302'],
    ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n', 'not-http'],
    ['a head without end', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}`, 'not-http'],
    ['half a head', 'HTTP/1.1 200 OK\r\n', 'reset'],
    ['nothing, and hangs up', '', 'reset'],
  ])('%s', async (_, text, code) => {
    expect((await look(await opened(saying(text)), HTTP)).code).toBe(code);
  });

  test('the status line comes in pieces', async () => {
    const server = createServer((socket) => {
      const text = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
      socket.once('data', () => {
        void (async () => {
          for (const piece of [text.slice(0, 5), text.slice(5, 20), text.slice(20)]) {
            socket.write(piece);
            await nodeClock.sleep(5);
          }
        })();
      });
    });
    expect((await look(await opened(server), HTTP)).code).toBe('ok');
  });
});

test.each<[string, Look]>([
  ['http', HTTP],
  ['tcp', { kind: 'tcp' }],
  ['tls', { kind: 'tls', name: 'shop.example', ca: null }],
])('%s: nobody listens', async (_, what) => {
  expect(await look(await freePort(), what)).toMatchObject({ code: 'connect', connectMs: null });
});

test.each<[string, Look, string]>([
  ['http', HTTP, 'timeout'],
  ['tls', { kind: 'tls', name: 'shop.example', ca: null }, 'timeout'],
  ['tcp', { kind: 'tcp' }, 'ok'],
])('%s: it accepts and says nothing', async (_, what, code) => {
  expect((await look(await opened(createServer()), what, 200)).code).toBe(code);
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
