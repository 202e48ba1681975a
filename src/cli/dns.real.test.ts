import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { placeId } from '../base/ids.ts';
import { tableOf } from '../planes/edge/testing.ts';
import type { DnsConfig } from '../ports/dns.ts';
import { keysOf } from '../ports/records.ts';

/**
 * The server as it is shipped, judged by Zonemaster, which registries use: in a network namespace of its own, on port 53, below
 * a root and a parent zone that Knot serves there. Needs `npm run build`.
 */
const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const missing = [
  ...(process.getuid?.() === 0 ? [] : ['root']),
  ...['unshare', 'ip', 'knotd', 'zonemaster-cli'].filter((tool) => spawnSync('which', [tool]).status !== 0),
];
const wanted = missing.length === 0 || process.env['CI'] === 'true';
const title = wanted ? 'Zonemaster' : `Zonemaster (left out: needs ${missing.join(', ')}; npm run setup:debian)`;

const PARENT = '7.7.7.53';
/** Zonemaster wants two servers, in networks of their own and with both families; they look like the open internet. */
const SERVERS = [
  { name: 'ns1.shop.example', addresses: ['5.5.5.53', '2a00:1450::53'] },
  { name: 'ns2.shop.example', addresses: ['6.6.6.53', '2a02:2e0::53'] },
];
const ADDRESSES = SERVERS.flatMap((server) => server.addresses);
const TOKEN = 'a-token-for-tests-only';
const REGION = placeId('aws:eu-central-1');

function reverse(address: string): string {
  if (!address.includes(':')) return `${address.split('.').toReversed().join('.')}.in-addr.arpa.`;
  const [head = '', tail = ''] = address.split('::').map((part) =>
    part
      .split(':')
      .map((it) => it.padStart(4, '0'))
      .join(''),
  );
  return `${Array.from(head.padEnd(32 - tail.length, '0') + tail)
    .toReversed()
    .join('.')}.ip6.arpa.`;
}

const soa = (name: string): string =>
  `${name} 86400 IN SOA ns.${name === '.' ? '' : name} h. 1 14400 3600 604800 86400\n`;
const ROOT_ZONE = `${soa('.')}. 86400 IN NS ns.
ns. 86400 IN A ${PARENT}
example. 86400 IN NS ns.example.
ns.example. 86400 IN A ${PARENT}
${SERVERS.flatMap((it) => it.addresses.map((address) => `${reverse(address)} 86400 IN PTR ${it.name}.`)).join('\n')}
`;
const PARENT_ZONE = `${soa('example.')}example. 86400 IN NS ns.example.
ns.example. 86400 IN A ${PARENT}
${SERVERS.flatMap(({ name, addresses }) => [
  `shop.example. 86400 IN NS ${name}.`,
  ...addresses.map((it) => `${name}. 86400 IN ${it.includes(':') ? 'AAAA' : 'A'} ${it}`),
]).join('\n')}
`;

const config = (dir: string): DnsConfig => ({
  place: placeId('aws:eu-north-1'),
  deployment: 'shop',
  group: 'main',
  listen: ADDRESSES.map((host) => ({ host, port: 53 })),
  status: { host: '127.0.0.1', port: 8_053 },
  storeUrls: ['http://127.0.0.1:2379'],
  storeKind: 'embedded',
  secretsPath: join(dir, 'secrets.json'),
  nsid: null,
  rateLimit: { perSecond: 500, slip: 2, exempt: [] },
  zones: [
    {
      name: 'shop.example',
      serial: 2_026_112_701,
      contact: 'hostmaster.shop.example',
      nameservers: SERVERS,
      hosts: ['@', 'www'],
      alpn: ['h2'],
      records: [
        { name: '@', type: 'MX', value: '10 mail.shop.example' },
        { name: 'mail', type: 'A', value: '9.8.7.5' },
      ],
      ttlSec: 20,
      staticTtlSec: 86_400,
      negativeTtlSec: 300,
    },
  ],
  healthPath: '/healthz',
  // Nobody serves there: the only region is held, healthy or not (I12).
  regions: [{ region: REGION, addresses: ['9.8.7.6'], check: { host: '127.0.0.1', port: 1, rttMs: 0 } }],
});

const KNOT = (dir: string): string => `server:
  rundir: ${dir}
  listen: ${PARENT}@53
database:
  storage: ${dir}
zone:
  - domain: .
    file: ${dir}/root.zone
  - domain: example
    file: ${dir}/example.zone
`;

/** Puts a route table into the store, as an agent would. */
const PUBLISH = (table: string): string => `
import { connectStore } from '${DIST}/coordination/etcd/client.js';
import { nodeClock } from '${DIST}/telemetry/node-clock.js';
const store = connectStore({ urls: ['http://127.0.0.1:2379'], auth: { kind: 'token', token: '${TOKEN}' }, timeoutMs: 5000, clock: nodeClock });
const outcome = await store.txn([], [{ put: '${keysOf('shop', 'main').routes}', value: ${JSON.stringify(table)} }]);
if (outcome.kind !== 'done') throw new Error(outcome.why);
await store.close();
`;

const SCRIPT = (dir: string): string => `set -e
cd '${dir}'
ip link set lo up
for a in ${[PARENT, ...ADDRESSES].join(' ')}; do case $a in *:*) ip -6 addr add $a/128 dev lo nodad;; *) ip addr add $a/32 dev lo;; esac; done
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
knotd -c knot.conf >knot.log 2>&1 &
node '${DIST}/cli/main.js' store store.json >store.log 2>&1 &
for i in $(seq 50); do node publish.mjs 2>/dev/null && break; sleep 0.1; done
node '${DIST}/cli/main.js' dns dns.json >dns.log 2>&1 &
for i in $(seq 100); do [ "$(kdig +short +timeout=1 @${ADDRESSES[0]} www.shop.example A 2>/dev/null)" = 9.8.7.6 ] && break; sleep 0.1; done
zonemaster-cli shop.example --hints hints --level NOTICE --json --no-progress
`;

interface Message {
  readonly level: string;
  readonly module: string;
  readonly testcase?: string;
  readonly tag: string;
  readonly args?: object;
}

/** Runs in the namespace; the answer of Zonemaster. */
function judge(dir: string): Promise<readonly Message[]> {
  return new Promise((resolve, reject) => {
    const child = spawn('unshare', ['--net', 'bash', join(dir, 'run.sh')], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', () => {
      try {
        const parsed = JSON.parse(out) as readonly Message[] | { readonly results: readonly Message[] };
        resolve('results' in parsed ? parsed.results : parsed);
      } catch {
        reject(new Error(`Zonemaster said: ${out}${err}`));
      }
    });
  });
}

describe.skipIf(!wanted)(title, () => {
  test('finds nothing wrong: no error, no warning, no notice but that there is no DNSSEC', {
    timeout: 120_000,
  }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'fsh-zonemaster-'));
    try {
      const table = tableOf({ primary: REGION, regions: [[REGION, 'active']] });
      const files: Readonly<Record<string, string>> = {
        'secrets.json': JSON.stringify({ storeToken: TOKEN }),
        'store.json': JSON.stringify({
          listen: { host: '127.0.0.1', port: 2_379 },
          dataDir: join(dir, 'store'),
          secretsPath: join(dir, 'secrets.json'),
        }),
        'dns.json': JSON.stringify(config(dir)),
        'root.zone': ROOT_ZONE,
        'example.zone': PARENT_ZONE,
        'knot.conf': KNOT(dir),
        hints: `. 86400 IN NS ns.\nns. 86400 IN A ${PARENT}\n`,
        'publish.mjs': PUBLISH(JSON.stringify(table)),
        'run.sh': SCRIPT(dir),
      };
      for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o600 });
      const found = await judge(dir);
      const notices = found.filter(({ level }) => level === 'NOTICE').map(({ tag }) => tag);
      expect(found.filter(({ level }) => level !== 'NOTICE')).toEqual([]);
      // It looked to the end, and DNSSEC is what it missed.
      expect(notices.toSorted()).toEqual(['NEITHER_DNSKEY_NOR_DS', 'NOT_SIGNED']);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
