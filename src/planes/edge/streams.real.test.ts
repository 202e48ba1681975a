import { createHash } from 'node:crypto';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { connect, createServer as createTcpServer, Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { PlaceId } from '../../base/ids.ts';
import { aStore, anEdge, NEVER_MS, untilHealthy } from '../rig.testing.ts';
import type { EdgeLimits } from './limits.ts';
import type { Edge } from './server.ts';
import { A, ask, B, listen, publish, tableOf, until } from './testing.ts';

interface Upstream {
  readonly region: PlaceId;
  readonly port: number;
}

/** A region in this process. Health checks are answered for it. */
async function http(region: PlaceId, onRequest: RequestListener): Promise<Upstream> {
  const server = createServer((incoming, response) =>
    incoming.url === '/healthz' ? void response.end() : onRequest(incoming, response),
  );
  const port = await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { region, port };
}

/** A region that speaks TCP by hand: `onHead` gets each request head that is not a health check. */
async function tcp(region: PlaceId, onHead: (socket: Socket, count: number) => void): Promise<Upstream> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      if (bytes.toString().startsWith('GET /healthz')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      else onHead(socket, (count += 1));
    });
  });
  const port = await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { region, port };
}

async function edgeFor(upstreams: readonly Upstream[], limits: Partial<EdgeLimits> = {}): Promise<Edge> {
  const client = aStore().connect();
  const regions = upstreams.map(({ region }) => [region, 'active'] as const);
  await publish(client, tableOf({ primary: upstreams[0]?.region ?? A, regions }));
  const edge = await anEdge(upstreams, client, { limits });
  await untilHealthy(edge);
  return edge;
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

test('a kept connection that dies under a read: read again on a new one', async () => {
  // Every second request finds its connection reset, as when a server's idle timeout and a request cross.
  const upstream = await tcp(A, (socket, count) => {
    if (count % 2 === 0) socket.resetAndDestroy();
    else socket.write(OK);
  });
  const edge = await edgeFor([upstream]);
  for (let i = 0; i < 20; i += 1) expect(await ask(edge.port, '/')).toMatchObject({ status: 200, body: 'ok' });
  expect(edge.status().counters.retries).toBeGreaterThanOrEqual(9);
});

test('a kept connection that dies under a write: unknown, and the region got it once', async () => {
  let heads = 0;
  const upstream = await tcp(A, (socket, count) => {
    heads = count;
    if (count === 2) socket.resetAndDestroy();
    else socket.write(OK);
  });
  const edge = await edgeFor([upstream]);
  expect((await ask(edge.port, '/', { method: 'POST', body: 'x' })).status).toBe(200);
  const lost = await ask(edge.port, '/', { method: 'POST', body: 'x' });
  expect(lost).toMatchObject({ status: 502, headers: { 'x-farshore-outcome': 'unknown' } });
  expect(heads).toBe(2);
});

test('a kept connection that the region closed while idle costs a write nothing', async () => {
  const upstream = await tcp(A, (socket) => socket.end(OK));
  const edge = await edgeFor([upstream]);
  for (let i = 0; i < 10; i += 1) expect((await ask(edge.port, '/', { method: 'POST', body: 'x' })).status).toBe(200);
});

test('a small answer that breaks in its middle is asked for elsewhere; a write it belonged to is unknown', async () => {
  const broken = await tcp(A, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal'));
  const whole = await http(B, (_request, response) => void response.end('whole'));
  const edge = await edgeFor([broken, whole]);
  expect(await ask(edge.port, '/')).toMatchObject({ status: 200, body: 'whole', headers: { 'x-farshore-region': B } });
  expect((await ask(edge.port, '/', { method: 'POST' })).headers['x-farshore-outcome']).toBe('unknown');
});

test('a large answer that breaks in its middle is cut for the client too, never made to look whole', async () => {
  let breakOff = () => {};
  const upstream = await http(A, (_request, response) => {
    response.write('beginning');
    breakOff = () => void response.destroy();
  });
  const edge = await edgeFor([upstream]);
  const answer = await open(edge, 'GET');
  breakOff();
  await expect(answer.toArray()).rejects.toThrow();
  expect(edge.status().counters.broken).toBe(1);
});

const MIB = 1024 * 1024;
const BIG = Buffer.alloc(48 * MIB, 'farshore');
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('big bodies arrive whole, both ways', async () => {
  const upstream = await http(A, (incoming, response) => void incoming.pipe(response));
  const edge = await edgeFor([upstream]);
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const sent = request({ port: edge.port, host: '127.0.0.1', method: 'POST', path: '/' }, (response) => {
      const hash: Buffer[] = [];
      response.on('data', (chunk: Buffer) => hash.push(chunk)).on('end', () => resolve(Buffer.concat(hash)));
    });
    sent.on('error', reject).end(BIG);
  });
  expect(digest(answer)).toBe(digest(BIG));
});

test('backpressure: a client that does not read stops the region from sending', async () => {
  let written = 0;
  const chunk = BIG.subarray(0, MIB);
  const upstream = await http(A, (_request, response) => {
    const more = () => {
      while (written < BIG.length) {
        written += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  });
  const edge = await edgeFor([upstream]);
  const paused = await open(edge, 'GET');
  await settles(() => written);
  expect(written).toBeLessThan(BIG.length / 2);
  paused.destroy();
  await until('the try is over', () => edge.status().regions[0]?.inFlight === 0);
  expect(edge.status().counters.clientGone).toBe(1);
});

test('backpressure: a region that does not read stops the client from sending', async () => {
  let release = () => {};
  const upstream = await http(A, (incoming, response) => {
    release = () => void incoming.resume().on('end', () => response.end('got it'));
  });
  const edge = await edgeFor([upstream]);
  let written = 0;
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request({ port: edge.port, host: '127.0.0.1', method: 'PUT', path: '/' }, resolve);
    sent.on('error', reject);
    const more = () => {
      while (written < BIG.length) {
        written += MIB;
        if (!sent.write(BIG.subarray(0, MIB))) return void sent.once('drain', more);
      }
      sent.end();
    };
    more();
  });
  await settles(() => written);
  expect(written).toBeLessThan(BIG.length / 2);
  release();
  const response = await answered;
  response.resume();
  expect(response.statusCode).toBe(200);
});

/** Resolves with an answer whose head is here and whose body nobody reads. */
const open = (edge: Edge, method: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request({ port: edge.port, host: '127.0.0.1', method, path: '/' }, resolve).on('error', reject).end();
  });

/** Waits until a growing number has stood still for half a second. */
async function settles(value: () => number): Promise<void> {
  let last = -1;
  let since = performance.now();
  await until('it settles', () => {
    if (value() !== last) since = performance.now();
    last = value();
    return last > 0 && performance.now() - since > 500;
  });
}

test('a slow region: a read is asked elsewhere after its try, a write is left alone', async () => {
  const readTryMs = 500;
  const slow = await http(A, (incoming, response) => {
    if (incoming.method === 'POST') setTimeout(() => response.end('slow'), 2 * readTryMs);
  });
  const quick = await http(B, (_request, response) => void response.end('quick'));
  const edge = await edgeFor([slow, quick], { readTryMs });
  const read = await ask(edge.port, '/');
  expect(read.body).toBe('quick');
  expect(read.headers['x-farshore-why']).toContain(`timeout@${A}`);
  expect((await ask(edge.port, '/', { method: 'POST' })).body).toBe('slow');
});

test('502 to 504: another region is asked; when there is none the answer is passed on', async () => {
  const status = (code: number) => (_request: IncomingMessage, response: ServerResponse) => {
    response.statusCode = code;
    response.end(`from ${code}`);
  };
  const [failing, good] = [await http(A, status(503)), await http(B, status(200))];
  const both = await edgeFor([failing, good]);
  expect(await ask(both.port, '/')).toMatchObject({ status: 200, headers: { 'x-farshore-region': B } });
  expect(both.status().regions[0]?.health).toBe('healthy');
  const alone = await edgeFor([failing]);
  expect(await ask(alone.port, '/')).toMatchObject({ status: 503, body: 'from 503' });
  expect(await ask(both.port, '/', { method: 'POST' })).toMatchObject({ status: 503, body: 'from 503' });
});

test('no region at all: a read fails in bounded time, with what was tried', async () => {
  const dying = createServer((_request, response) => void response.end());
  const port = await listen(dying);
  const edge = await edgeFor([{ region: A, port }], { readRetryForMs: 300 });
  dying.closeAllConnections();
  await new Promise((resolve) => dying.close(resolve));
  const answer = await ask(edge.port, '/');
  expect([502, 503]).toContain(answer.status);
  expect(answer.headers['x-farshore-why']).toContain(`connect@${A}`);
  expect(edge.status().counters.failedReads).toBe(1);
});

test('headers: those of one connection end here, who asked is added, repeated ones stay', async () => {
  let seen: IncomingMessage | null = null;
  const upstream = await http(A, (incoming, response) => {
    seen = incoming;
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.setHeader('keep-alive', 'timeout=99');
    response.setHeader('x-name', Buffer.from('Åland', 'utf8').toString('latin1'));
    // A string would make node write the head as UTF-8.
    response.end(Buffer.from('ok'));
  });
  const edge = await edgeFor([upstream]);
  const answer = await ask(edge.port, '/path?q=%C3%A5', {
    headers: {
      host: 'shop.example',
      connection: 'close, x-secret-hop',
      'x-secret-hop': 'for the edge',
      te: 'trailers',
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-proto': 'https',
      'x-mine': 'stays',
    },
  });
  expect(seen).toMatchObject({
    url: '/path?q=%C3%A5',
    headers: {
      host: 'shop.example',
      'x-mine': 'stays',
      'x-forwarded-for': '203.0.113.9, 127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop.example',
    },
  });
  for (const gone of ['te', 'x-secret-hop']) expect(seen).not.toHaveProperty(['headers', gone]);
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(Buffer.from(String(answer.headers['x-name']), 'latin1').toString('utf8')).toBe('Åland');
  expect(answer.headers['keep-alive']).not.toBe('timeout=99');
});

test('answers without a body keep their head', async () => {
  const upstream = await http(A, (incoming, response) => {
    if (incoming.method === 'HEAD') response.setHeader('content-length', 1234);
    else response.statusCode = incoming.url === '/304' ? 304 : 204;
    response.end();
  });
  const edge = await edgeFor([upstream]);
  expect(await ask(edge.port, '/', { method: 'HEAD' })).toMatchObject({
    status: 200,
    headers: { 'content-length': '1234' },
  });
  expect((await ask(edge.port, '/204')).status).toBe(204);
  expect((await ask(edge.port, '/304')).status).toBe(304);
  expect((await ask(edge.port, '/', { method: 'DELETE' })).status).toBe(204);
});

test('requests that come in a row on one connection get their answers in order, each whole', async () => {
  const upstream = await http(A, (incoming, response) => {
    const body = `of ${incoming.url}`;
    response.setHeader('content-length', body.length);
    // The later ones are ready first.
    setTimeout(() => response.end(body), incoming.url === '/1' ? 100 : 0);
  });
  const edge = await edgeFor([upstream]);
  const socket = connect(edge.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let got = '';
  socket.on('data', (bytes) => (got += bytes.toString()));
  socket.write(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`).join(''));
  await until('all three', () => got.includes('of /3'));
  expect([...got.matchAll(/of \/\d/g)].map(([text]) => text)).toEqual(['of /1', 'of /2', 'of /3']);
  expect(got.match(/HTTP\/1\.1 200 /g)).toHaveLength(3);
  // The connection goes on.
  socket.write('GET /4 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  await until('the fourth', () => got.endsWith('of /4'));
});

test('a small answer leaves the edge in one write', async () => {
  const upstream = await http(A, (_request, response) => void response.setHeader('content-length', 2).end('ok'));
  const edge = await edgeFor([upstream]);
  const lists = vi.spyOn(Socket.prototype as unknown as { _writev: () => void }, '_writev');
  onTestFinished(() => lists.mockRestore());
  for (let i = 0; i < 3; i += 1) expect((await ask(edge.port, '/')).body).toBe('ok');
  // The region in this process ends its answers the other way; each of its own is one list.
  expect(lists.mock.calls).toHaveLength(3);
});

test('a stream without a length reaches the client piece by piece', async () => {
  let finish = () => {};
  const upstream = await http(A, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: one\n\n');
    finish = () => void response.end('data: two\n\n');
  });
  const edge = await edgeFor([upstream]);
  const stream = await open(edge, 'GET');
  const pieces: string[] = [];
  stream.on('data', (chunk: Buffer) => pieces.push(chunk.toString()));
  await until('the first piece is here', () => pieces.length === 1);
  finish();
  await until('the second is here', () => pieces.join('') === 'data: one\n\ndata: two\n\n');
});

test('stopping: what is in flight is answered, new connections are not, and what hangs is cut', async () => {
  const held: ServerResponse[] = [];
  const upstream = await http(A, (_request, response) => void held.push(response));
  const edge = await edgeFor([upstream], { drainMs: 700, readTryMs: NEVER_MS });
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const answered = ask(edge.port, '/', { agent });
  const hanging = ask(edge.port, '/').catch((error: unknown) => error);
  await until('both are in flight', () => held.length === 2);
  const { port } = edge;
  const closing = edge.close();
  held[0]?.end('in time');
  expect(await answered).toMatchObject({ status: 200, body: 'in time' });
  await expect(ask(port, '/')).rejects.toThrow();
  await closing;
  expect(await hanging).toBeInstanceOf(Error);
});
