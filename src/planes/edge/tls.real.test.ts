import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { FarshoreError } from '../../base/errors.ts';
import type { EdgeTls } from '../../ports/config.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { aStore, anEdge, untilHealthy } from '../rig.testing.ts';
import type { EdgeLimits } from './limits.ts';
import { A, listen, publish, startRegion, tableOf, until } from './testing.ts';
import { askOn, handshake, type MadeCertificate, makeCertificate, newFolder, shownFor } from './tls.testing.ts';

const dir = newFolder();
let shop: MadeCertificate;
let shopRsa: MadeCertificate;
let wild: MadeCertificate;
let next: MadeCertificate;
beforeAll(() => {
  shop = makeCertificate(dir, 'shop', ['shop.example', 'www.shop.example']);
  shopRsa = makeCertificate(dir, 'shop-rsa', ['shop.example'], 'rsa');
  wild = makeCertificate(dir, 'wild', ['*.market.example']);
  next = makeCertificate(dir, 'next', ['shop.example']);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** An edge with HTTPS at `port` and HTTP beside it. */
async function secureEdge(
  tls: EdgeTls,
  limits: Partial<EdgeLimits> = {},
  wallAheadMs = 0,
  upstream: { readonly region: typeof A; readonly port: number } | null = null,
) {
  const region = upstream ?? (await aRegion());
  const client = aStore().connect();
  await publish(client, tableOf({ primary: A, regions: [[A, 'active']] }));
  const said: string[] = [];
  const clock = { ...nodeClock, wallMs: () => nodeClock.wallMs() + wallAheadMs };
  const config = {
    tls,
    listen: { host: '127.0.0.1', port: 0, tls: true },
    alsoListen: [{ host: '127.0.0.1', port: 0 }],
    trust: { networks: [], placeHeader: null },
  };
  const tell = (text: string) => void said.push(text);
  const edge = await anEdge([region], client, { config, clock, tell, limits: { lookAtFilesMs: 20, ...limits } });
  await untilHealthy(edge);
  return { edge, port: edge.port, said };
}

async function aRegion() {
  const region = await startRegion(A);
  onTestFinished(() => region.kill());
  return region;
}

const filesOf = (...made: readonly MadeCertificate[]) => made.map(({ cert, key }) => ({ cert, key }));
const tlsOf = (edge: Awaited<ReturnType<typeof secureEdge>>['edge']) => {
  const { tls } = edge.status();
  if (tls === null) throw new Error('the edge has TLS');
  return tls;
};

test('SNI: each host gets its own certificate, a wildcard stands for one label, others get the first', async () => {
  const { port } = await secureEdge({ certificates: filesOf(shop, wild) });
  expect(await shownFor(port, 'www.shop.example')).toBe('shop');
  expect(await shownFor(port, 'WWW.Shop.Example')).toBe('shop');
  expect(await shownFor(port, 'a.market.example')).toBe('wild');
  expect(await shownFor(port, 'a.b.market.example')).toBe('shop');
  expect(await shownFor(port, 'elsewhere.example')).toBe('shop');
});

test('two kinds of key for one host: the client chooses by its ciphers', async () => {
  const { port } = await secureEdge({ certificates: filesOf(shop, shopRsa) });
  expect(await shownFor(port, 'shop.example', 'ECDHE-ECDSA-AES128-GCM-SHA256')).toBe('shop');
  expect(await shownFor(port, 'shop.example', 'ECDHE-RSA-AES128-GCM-SHA256')).toBe('shop-rsa');
});

test('a verified request: HTTP/1.1 by ALPN; the region hears that the client spoke HTTPS', async () => {
  const { port } = await secureEdge({ certificates: filesOf(shop) });
  const options = { servername: 'shop.example', ca: shop.pem, ALPNProtocols: ['h2', 'http/1.1'] };
  const socket = await handshake(port, options);
  onTestFinished(() => void socket.destroy());
  expect(socket.alpnProtocol).toBe('http/1.1');
  expect(await askOn(socket, '/orders')).toMatch(/^HTTP\/1\.1 200/);
  await expect(handshake(port, { servername: 'other.example', ca: shop.pem })).rejects.toThrow(/altnames/i);
  await expect(handshake(port, { ...options, ALPNProtocols: ['h2'] })).rejects.toThrow(/alert|reset|disconnected/i);
});

test('WebSockets go through TLS too', async () => {
  const server = createServer((_, response) => response.end());
  server.on('upgrade', (_, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n');
    socket.on('data', (chunk) => socket.write(chunk)).on('error', () => undefined);
  });
  const { port, edge } = await secureEdge({ certificates: filesOf(shop) }, {}, 0, {
    region: A,
    port: await listen(server),
  });
  onTestFinished(() => void server.close());
  const socket = await handshake(port, { servername: 'shop.example', ca: shop.pem });
  onTestFinished(() => void socket.destroy());
  let said = '';
  socket.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')));
  socket.write('GET /chat HTTP/1.1\r\nhost: shop.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
  await until('both sides are joined', () => said.startsWith('HTTP/1.1 101'));
  socket.write('\x81\x05hello');
  await until('the frame comes back', () => said.endsWith('hello'));
  expect(edge.status().tunnels).toBe(1);
});

test('bad TLS: garbage, plain HTTP and old versions are refused, a silent client is cut, and others are served', async () => {
  const { port, edge } = await secureEdge({ certificates: filesOf(shop) }, { headMs: 300 });
  const raw = (bytes: string) =>
    new Promise<string>((resolve) => {
      let said = '';
      const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes));
      socket.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')));
      socket.on('error', () => undefined).on('close', () => resolve(said));
      onTestFinished(() => void socket.destroy());
    });
  expect(await raw('GET / HTTP/1.1\r\nhost: x\r\n\r\n')).not.toContain('HTTP/1.1 2');
  expect(await raw('\x16\x03\x01\xff\xffgarbage'.repeat(50))).not.toContain('HTTP');
  await raw('\x16\x03\x01');
  await raw('');
  const old = { servername: 'shop.example', ca: shop.pem, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;
  await expect(handshake(port, { ...old, ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow();
  expect(edge.status().counters.failedHandshakes).toBeGreaterThanOrEqual(4);
  const socket = await handshake(port, { servername: 'shop.example', ca: shop.pem });
  onTestFinished(() => void socket.destroy());
  expect(await askOn(socket, '/orders')).toMatch(/^HTTP\/1\.1 200/);
});

test('new files: new connections get them, those that are open go on; a wrong pair is refused and said', async () => {
  const [cert, key] = [`${dir}/live.pem`, `${dir}/live.key`];
  copyFileSync(shop.cert, cert);
  copyFileSync(shop.key, key);
  const { port, edge, said } = await secureEdge({ certificates: [{ cert, key }], hosts: ['shop.example'] });
  const kept = await handshake(port, { servername: 'shop.example', ca: shop.pem });
  onTestFinished(() => void kept.destroy());
  expect(await askOn(kept, '/orders?n=1')).toContain('n=1');

  // As a tool does that renews: first one file, then the other. In between they do not belong together.
  copyFileSync(next.cert, `${dir}/incoming.pem`);
  renameSync(`${dir}/incoming.pem`, cert);
  await until('the mismatch is seen', () => tlsOf(edge).refused.now !== null);
  expect(tlsOf(edge).refused.now).toContain('is not the one of the certificate');
  expect(said.at(-1)).toContain('the ones before are served');
  expect(await shownFor(port, 'shop.example')).toBe('shop');

  copyFileSync(next.key, `${dir}/incoming.key`);
  renameSync(`${dir}/incoming.key`, key);
  await until('the new one is served', () => tlsOf(edge).reloads === 1);
  expect(tlsOf(edge).refused).toMatchObject({ now: null });
  expect(await shownFor(port, 'shop.example')).toBe('next');
  expect(await shownFor(port, '')).toBe('next');
  expect(await askOn(kept, '/orders?n=2')).toContain('n=2');

  rmSync(cert);
  await until('the loss is seen', () => tlsOf(edge).refused.now !== null);
  expect(tlsOf(edge).refused.now).toContain("can't be read");
  expect(await shownFor(port, 'shop.example')).toBe('next');
});

test.each<[string, () => EdgeTls, string, number?]>([
  ['no certificate', () => ({ certificates: [] }), 'no certificate is named'],
  ['a file that is not there', () => ({ certificates: [{ cert: `${dir}/none.pem`, key: shop.key }] }), 'none.pem'],
  ['no PEM', () => ({ certificates: [{ cert: written('text.pem', 'hello'), key: shop.key }] }), 'holds no certificate'],
  [
    'PEM around garbage',
    () => ({
      certificates: [
        { cert: written('bad.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'), key: shop.key },
      ],
    }),
    "can't be read",
  ],
  ['no key', () => ({ certificates: [{ cert: shop.cert, key: written('text.key', 'hello') }] }), 'no private key'],
  ['the key of another', () => ({ certificates: [{ cert: shop.cert, key: next.key }] }), 'is not the one of'],
  ['one that has ended', () => ({ certificates: filesOf(shop) }), 'ended on', 31 * 86_400_000],
  ['one that has not begun', () => ({ certificates: filesOf(shop) }), 'is not valid before', -2 * 86_400_000],
  [
    'the certificate of another host',
    () => ({ certificates: filesOf(wild), hosts: ['shop.example'] }),
    'no certificate is for shop.example',
  ],
  ['one for no host', () => ({ certificates: filesOf(makeCertificate(dir, 'nameless', [])) }), 'no subjectAltName'],
  [
    'a chain of strangers',
    () => ({ certificates: [{ cert: written('chain.pem', shop.pem + wild.pem), key: shop.key }] }),
    'did not issue',
  ],
])('at the start %s is refused, with what is wrong', async (_, tls, text, wallAheadMs = 0) => {
  const refusal = await secureEdge(tls(), {}, wallAheadMs).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(FarshoreError);
  expect(refusal).toMatchObject({ code: 'FSH_TLS_INVALID' });
  expect(String(refusal)).toContain(text);
  expect(String(refusal)).not.toContain(readFileSync(shop.key, 'utf8').split('\n')[1]);
});

function written(name: string, content: string): string {
  writeFileSync(`${dir}/${name}`, content);
  return `${dir}/${name}`;
}
