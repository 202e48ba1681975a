import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { PlaceId } from '../../base/ids.ts';
import { aStore, anEdge, NEVER_MS, untilHealthy } from '../rig.testing.ts';
import type { EdgeLimits } from './limits.ts';
import { A, ask, B, listen, publish, startRegion, tableOf, until } from './testing.ts';
import { freePort } from '../../world/free-ports.ts';

/** A region that says its name over a WebSocket and echoes short texts. `paths` are the requests it saw. */
async function socketRegion(region: PlaceId) {
  const paths: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    if (request.url !== '/healthz') paths.push(request.url ?? '');
    response.end('ok');
  });
  const text = (words: string) => Buffer.concat([Buffer.from([0x81, words.length]), Buffer.from(words)]);
  server.on('upgrade', (request, socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const accept = createHash('sha1').update(
      `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
    );
    const head = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade'];
    socket.write(`${head.join('\r\n')}\r\nsec-websocket-accept: ${accept.digest('base64')}\r\n\r\n`);
    socket.write(text(region));
    socket.on('data', (frame: Buffer) => {
      if (frame[0] === 0x88) return void socket.end(Buffer.from([0x88, 0]));
      if (frame[0] !== 0x81) return;
      const length = (frame[1] ?? 0) & 0x7f;
      const mask = frame.subarray(2, 6);
      const words = Buffer.from(frame.subarray(6, 6 + length)).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
      socket.write(text(Buffer.from(words).toString()));
    });
  });
  const port = await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { region, port, paths };
}

async function edgeFor(upstreams: readonly { region: PlaceId; port: number }[], limits: Partial<EdgeLimits> = {}) {
  const client = aStore().connect();
  const regions = upstreams.map(({ region }) => [region, 'active'] as const);
  await publish(client, tableOf({ primary: upstreams[0]?.region ?? null, regions }));
  const edge = await anEdge(upstreams, client, { limits });
  await until('it has a table', () => edge.status().table !== null);
  return edge;
}

function webSocket(port: number) {
  const heard: string[] = [];
  const socket = new WebSocket(`ws://127.0.0.1:${port}/live`);
  const closed = new Promise<number>((resolve) => socket.addEventListener('close', (event) => resolve(event.code)));
  socket.addEventListener('message', (event) => heard.push(String(event.data)));
  socket.addEventListener('error', () => undefined);
  return { socket, heard, closed };
}

describe('WebSockets', () => {
  test('go to the nearest region, both ways; when it cannot be reached, to the next one', async () => {
    const [a, b] = await Promise.all([socketRegion(A), socketRegion(B)]);
    const edge = await edgeFor([a, b]);
    await untilHealthy(edge);
    const one = webSocket(edge.port);
    await until('the region speaks', () => one.heard.includes(A));
    one.socket.send('hello');
    await until('it echoes', () => one.heard.includes('hello'));
    expect(edge.status().tunnels).toBe(1);
    one.socket.close();
    await until('it is over', () => edge.status().tunnels === 0);

    const other = await edgeFor([{ region: A, port: await freePort() }, b]);
    const two = webSocket(other.port);
    await until('the next region speaks', () => two.heard.includes(B));
    two.socket.close();
  });

  test('when the edge stops: 1012 between two frames, so that clients come back elsewhere', async () => {
    const edge = await edgeFor([await socketRegion(A)], { drainMs: NEVER_MS });
    const { socket, heard, closed } = webSocket(edge.port);
    await until('the region speaks', () => heard.includes(A));
    await edge.close();
    expect(await closed).toBe(1012);
    expect(socket.readyState).toBe(WebSocket.CLOSED);
  });

  test('an upgrade to anything else is refused, and nobody is left hanging', async () => {
    const region = await socketRegion(A);
    const edge = await edgeFor([region]);
    const said = await raw(edge.port, 'GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n');
    expect(said).toMatch(/^HTTP\/1\.1 501 /);
    expect(region.paths).toEqual([]);
  });
});

/** Writes bytes as they are; resolves with everything that came until the connection ended. */
function raw(port: number, ...parts: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ port, host: '127.0.0.1' });
    socket.setEncoding('latin1').on('data', (text: string) => (said += text));
    socket.on('close', () => resolve(said)).on('error', () => undefined);
    for (const part of parts) socket.write(part, 'latin1');
  });
}

describe('bad clients', () => {
  const POST = 'POST /orders HTTP/1.1\r\nhost: x\r\n';
  test.each([
    [
      'content-length beside transfer-encoding',
      `${POST}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n`,
    ],
    ['two lengths', `${POST}content-length: 0\r\ncontent-length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['a length that is none', `${POST}content-length: +4\r\n\r\nabcd`],
    ['an encoding that only looks chunked', `${POST}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ['chunked, but not last', `${POST}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
    ['a blank before the colon', `${POST}transfer-encoding : chunked\r\n\r\n0\r\n\r\n`],
    ['a folded header', `${POST}x-a: 1\r\n transfer-encoding: chunked\r\n\r\nabcd`],
    ['a bare carriage return', `${POST}x-a: 1\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a zero byte in a header', `${POST}x-a: 1\0\r\n\r\n`],
    ['a chunk size that is none', `${POST}transfer-encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n`],
    ['two encodings', `${POST}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n`],
    ['a list of lengths', `${POST}content-length: 4, 4\r\n\r\nabcd`],
    ['a length below zero', `${POST}content-length: -1\r\n\r\n`],
    ['a length in other digits', `${POST}content-length: 0x4\r\n\r\nabcd`],
    ['a length without end', `${POST}content-length: 99999999999999999999\r\n\r\nabcd`],
    ['a chunk that is longer than it says', `${POST}transfer-encoding: chunked\r\n\r\n1\r\nabcd\r\n0\r\n\r\n`],
    ['a chunk size below zero', `${POST}transfer-encoding: chunked\r\n\r\n-1\r\nabcd\r\n0\r\n\r\n`],
    [
      'a line feed that ends a chunk’s size alone',
      `${POST}transfer-encoding: chunked\r\n\r\n4\nabcd\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n`,
    ],
    ['two hosts', 'GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n'],
    ['a blank in a name', 'GET / HTTP/1.1\r\nhost: x\r\nx a: 1\r\n\r\n'],
    ['a line without a colon', 'GET / HTTP/1.1\r\nhost: x\r\nGET /smuggled HTTP/1.1\r\n\r\n'],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['no HTTP at all', 'hello there\r\n\r\n'],
  ])('request smuggling: %s is refused, and no region sees a request that nobody sent', async (_, bytes) => {
    const region = await socketRegion(A);
    const edge = await edgeFor([region], { headMs: 500, requestMs: 1_000, idleMs: 300 });
    await untilHealthy(edge);
    const said = await raw(edge.port, bytes);
    expect(said).toMatch(/^HTTP\/1\.1 [45]/);
    expect(said.match(/HTTP\/1\.1 2/g)).toBeNull();
    expect(region.paths.filter((path) => path.includes('smuggled'))).toEqual([]);
    expect((await ask(edge.port, '/orders')).status).toBe(200);
  });

  test('a head that dribbles is cut off in time (slow loris), one that is too big at once', async () => {
    const edge = await edgeFor([await socketRegion(A)], { headMs: 400, requestMs: NEVER_MS, idleMs: NEVER_MS });
    expect(await raw(edge.port, 'GET / HTTP/1.1\r\nhost: x\r\nx-a: ')).toMatch(/^HTTP\/1\.1 408/);
    expect(await raw(edge.port, `GET / HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431/,
    );
  });

  test('a body that dribbles is cut off in time too (slow loris), and no region is left holding it', async () => {
    // It reads the body to its end before it answers.
    const region = await startRegion(A);
    onTestFinished(() => region.kill());
    const edge = await edgeFor([region], { headMs: 400, requestMs: 800 });
    let said = '';
    const socket = connect({ port: edge.port, host: '127.0.0.1' });
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => (said += chunk.toString('latin1'))).on('error', () => undefined);
    socket.write('POST /orders HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n');
    const drip = setInterval(() => socket.write('x'), 50);
    onTestFinished(() => clearInterval(drip));
    await closed;
    expect(said).not.toMatch(/^HTTP\/1\.1 2/);
    await until('nothing is left of it', () => edge.status().regions.every(({ inFlight }) => inFlight === 0));
    expect((await ask(edge.port, '/orders')).status).toBe(200);
  });

  test('connections beyond the bound are closed, those within are served', async () => {
    const edge = await edgeFor([await socketRegion(A)], { maxConnections: 2 });
    const held = [1, 2].map(() => connect({ port: edge.port, host: '127.0.0.1' }));
    onTestFinished(() => held.forEach((socket) => socket.destroy()));
    await until('both are connected', () => held.every((socket) => socket.readyState === 'open'));
    expect(await raw(edge.port, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n')).toBe('');
    held[0]?.destroy();
    await until('there is room again', async () => (await ask(edge.port, '/orders').catch(() => null))?.status === 200);
  });
});
