import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DnsStatus } from '../../src/planes/dns/status.ts';
import type { TlsStatus } from '../../src/planes/edge/certificate-store.ts';
import { endedCertificate, makeCertificate, newFolder, shownFor } from '../../src/planes/edge/tls.testing.ts';
import { openWorld } from '../../src/world/open.ts';
import { eventually, farshore, readyWorld, removeState, ROOT, stateDir } from './cli.ts';

/** HTTPS by the deployment file alone: `edge.tls`, with a check of the address by TLS. */
const HOST = 'ledger.example';
const dir = stateDir();
const folder = newFolder();
const file = join(folder, 'farshore.yaml');

function writeSpec(cert: string, ca = 'ca.pem'): void {
  const spec = readFileSync(join(ROOT, 'examples/active-active.yaml'), 'utf8')
    .replace('app/server.mjs', join(ROOT, 'examples/app/server.mjs'))
    .replace('  policies: [weighted]', `  policies: [weighted]\n  health: { address: { check: tls, host: ${HOST} } }`);
  writeFileSync(file, `${spec}\nedge:\n  tls: { certificates: [{ cert: ${cert}, key: shop.key }], ca: ${ca} }\n`);
}
const up = () => farshore(['up', file, '--rtt-scale', '0', '--detach', '--state', dir]);
const first = makeCertificate(folder, 'shop', [HOST, `www.${HOST}`]);

beforeAll(() => {
  // It signs itself.
  copyFileSync(first.cert, join(folder, 'ca.pem'));
});
afterAll(async () => {
  await farshore(['down', '--state', dir]);
  removeState(dir);
  rmSync(folder, { recursive: true, force: true });
});

it('a certificate that has ended is refused before anything starts, with its file and why', async () => {
  endedCertificate(folder, first);
  writeSpec('ended.pem');
  const refused = await up();
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('FSH_TLS_INVALID');
  expect(refused.stderr).toMatch(/the certificate .*ended\.pem ended on/);
  writeSpec('shop.pem', 'nowhere.pem');
  expect((await up()).stderr).toMatch(/FSH_TLS_INVALID.*the authority .*nowhere\.pem can't be read/);
});

it('users are served by HTTPS, and DNS finds every region healthy by its handshake', async () => {
  writeSpec('shop.pem');
  const started = await up();
  expect(started.code, started.stderr).toBe(0);
  const status = await readyWorld(dir);
  const { places } = openWorld(dir).layout;
  const port = places[0]?.ports.edgeTls ?? 0;
  expect(status.regions[0]?.addresses['edgeTls']).toBe(`https://127.0.0.1:${port}`);
  const served = await new Promise<number>((resolve, reject) => {
    // The address that DNS answers, at the port of HTTPS.
    const where = { host: places[1]?.address, port, path: '/healthz', servername: HOST, ca: first.pem, agent: false };
    const asked = request(where, (response) => resolve(response.resume().statusCode ?? 0));
    asked.on('error', reject).end();
  });
  expect(served).toBe(200);

  const dnsPort = places.find(({ ports }) => ports.dnsStatus !== undefined)?.ports.dnsStatus;
  const looks = async () =>
    ((await (await fetch(`http://127.0.0.1:${dnsPort}/.farshore/dns`)).json()) as DnsStatus).regions;
  await eventually(20_000, 'every region is healthy to DNS', async () =>
    (await looks()).every(({ health }) => health === 'healthy') ? true : null,
  );
  expect(JSON.stringify(await looks())).toContain('"certificateDaysLeft":29');
});

it('new files are served without a restart; a wrong one changes nothing and says what is wrong', async () => {
  const { places } = openWorld(dir).layout;
  const { edge = 0, edgeTls = 0 } = places[0]?.ports ?? {};
  const tls = async () =>
    ((await (await fetch(`http://127.0.0.1:${edge}/.farshore/edge`)).json()) as { readonly tls: TlsStatus }).tls;
  expect(await shownFor(edgeTls, HOST)).toBe('shop');
  const other = makeCertificate(folder, 'other', ['elsewhere.example']);
  copyFileSync(other.key, join(folder, 'shop.key'));
  copyFileSync(other.cert, join(folder, 'shop.pem'));
  const refused = await eventually(15_000, 'it is refused', async () => {
    const now = (await tls()).refused.now;
    return now?.includes('no certificate is for') === true ? now : null;
  });
  expect(refused).toContain(HOST);
  expect(await shownFor(edgeTls, HOST)).toBe('shop');

  const renewed = makeCertificate(folder, 'renewed', [HOST]);
  copyFileSync(renewed.key, join(folder, 'shop.key'));
  copyFileSync(renewed.cert, join(folder, 'shop.pem'));
  await eventually(15_000, 'the new one is served', async () =>
    (await shownFor(edgeTls, HOST)) === 'renewed' ? true : null,
  );
  expect((await tls()).refused.now).toBeNull();
});
