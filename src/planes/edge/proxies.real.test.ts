import { createServer, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { rmSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { aStore, anEdge, untilHealthy } from '../rig.testing.ts';
import type { EdgeLimits } from './limits.ts';
import { A, ask, listen, publish, tableOf } from './testing.ts';
import { askOn, makeCertificate, newFolder } from './tls.testing.ts';

const dir = newFolder();
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** An edge that takes PROXY headers from one address, and a region that remembers what it was asked. */
async function edgeBehind(proxy: string, limits: Partial<EdgeLimits> = {}) {
  const seen: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
  const region = createServer((request, response) => {
    if (request.url !== '/healthz') seen.push({ url: request.url ?? '', headers: request.headers });
    response.end('ok');
  });
  const upstreams = [{ region: A, port: await listen(region) }];
  onTestFinished(() => {
    region.closeAllConnections();
    region.close();
  });
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A, regions: [[A, 'active']] }));
  const made = makeCertificate(dir, 'shop', ['shop.example']);
  const config = {
    alsoListen: [{ host: '127.0.0.1', port: 0, tls: true }],
    tls: { certificates: [{ cert: made.cert, key: made.key }] },
    proxyProtocol: { networks: [`${proxy}/32`] },
  };
  const edge = await anEdge(upstreams, client, { config, limits });
  await untilHealthy(edge);
  const [plain = 0, secure = 0] = edge.ports;
  return { edge, plain, secure, seen, pem: made.pem };
}

/** Sends pieces from an address of this machine; resolves with all that came back until the end. */
function say(port: number, pieces: readonly (string | Buffer)[], from = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ port, host: '127.0.0.1', localAddress: from }, () => void send());
    const send = async () => {
      for (const piece of pieces) {
        if (!socket.destroyed) socket.write(piece);
        await new Promise((sent) => setTimeout(sent, 5));
      }
    };
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')));
    socket.on('error', () => undefined).on('close', () => resolve(said));
    onTestFinished(() => void socket.destroy());
  });
}

const V1 = 'PROXY TCP4 203.0.113.9 198.51.100.1 12345 80\r\n';
const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007109c633640130390050', 'hex');
const GET = 'GET /orders HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n';

test.each<[string, readonly (string | Buffer)[]]>([
  ['version 1 and the request in one piece', [V1 + GET]],
  ['version 1, byte by byte', [...Array.from(V1), GET]],
  ['version 2', [Buffer.concat([V2, Buffer.from(GET)])]],
  ['version 2 in two pieces', [V2.subarray(0, 20), V2.subarray(20), GET]],
])('a trusted proxy, %s: the region hears for whom', async (_, pieces) => {
  const { plain, seen } = await edgeBehind('127.0.0.1');
  expect(await say(plain, pieces)).toMatch(/^HTTP\/1\.1 200/);
  expect(seen.at(-1)?.headers['x-forwarded-for']).toBe('203.0.113.9');
});

test('behind TLS: the header comes first, then the handshake', async () => {
  const { secure, seen, pem } = await edgeBehind('127.0.0.1');
  const raw = connect({ port: secure, host: '127.0.0.1' });
  onTestFinished(() => void raw.destroy());
  raw.write(V2);
  const socket = connectTls({ socket: raw, servername: 'shop.example', ca: pem });
  expect(await askOn(socket, '/orders')).toMatch(/^HTTP\/1\.1 200/);
  expect(seen.at(-1)?.headers).toMatchObject({ 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' });
});

test('the status is for this machine: not for those a proxy on this machine speaks for', async () => {
  const { plain } = await edgeBehind('127.0.0.1');
  const status = GET.replace('/orders', '/.farshore/edge');
  expect(await say(plain, [V1 + status])).not.toContain('farshore.edge/v1');
  expect(await say(plain, [`PROXY UNKNOWN\r\n${status}`])).toContain('farshore.edge/v1');
});

test.each<[string, readonly (string | Buffer)[]]>([
  ['no header', [GET]],
  ['a malformed one', [`PROXY TCP4 203.0.113.999 198.51.100.1 1 2\r\n${GET}`]],
  ['one that never ends', ['PROXY TCP4 203.0.113.9']],
  ['silence', []],
])('a trusted proxy with %s: the connection is closed, and counted', async (_, pieces) => {
  const { edge, plain, seen } = await edgeBehind('127.0.0.1', { headMs: 400, idleMs: 300 });
  expect(await say(plain, pieces)).toBe('');
  expect(seen).toEqual([]);
  expect(edge.status().counters.badProxyHeaders).toBe(1);
});

test('anybody else who sends one is refused, and what hides behind it reaches no region', async () => {
  const { edge, plain, secure, seen } = await edgeBehind('127.0.0.2');
  for (const header of [V1, V2]) {
    const bytes = Buffer.concat([Buffer.from(header), Buffer.from(GET)]);
    expect(await say(plain, [bytes])).toMatch(/^HTTP\/1\.1 400/);
    expect(await say(secure, [bytes])).not.toContain('HTTP');
    // On a connection that has begun well, in front of the second request.
    const second = Buffer.concat([Buffer.from('GET /first HTTP/1.1\r\nhost: x\r\n\r\n'), bytes]);
    expect(await say(plain, [second])).toContain('HTTP/1.1 400');
  }
  expect(seen.map(({ url }) => url)).not.toContain('/orders');
  expect(seen.every(({ headers }) => headers['x-forwarded-for'] === '127.0.0.1')).toBe(true);
  expect((await ask(edge.port, '/plain')).status).toBe(200);
  expect(await say(plain, [V1 + GET], '127.0.0.2')).toMatch(/^HTTP\/1\.1 200/);
});
