/** The server as zonemaster sees it: what registries ask of a zone before they delegate it. In a network namespace of its own, with port 53. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { REGIONS, ZONE } from './testing.ts';

const DIST = new URL('../../../dist/', import.meta.url).href;
/** Not those of documentation, which it refuses. Nobody outside of the namespace hears of them. */
const [ONE, TWO, ROOT] = ['9.1.1.53', '11.1.1.53', '198.41.0.4'];
const zone = {
  ...ZONE,
  nameservers: [
    { name: 'ns1.shop.example', addresses: [ONE] },
    { name: 'ns2.shop.example', addresses: [TWO] },
  ],
};

const SERVER = `
const [doors, respond, zones, rates, limits, clocks] = await Promise.all(['planes/dns/doors', 'planes/dns/respond',
  'planes/dns/zone', 'planes/dns/rate-limit', 'planes/dns/limits', 'telemetry/node-clock'].map((it) => import('${DIST}' + it + '.js')));
const nodes = zones.buildZone(${JSON.stringify(zone)}, ${JSON.stringify(REGIONS)});
await doors.openDoors({
  listen: ['${ONE}', '${TWO}'].map((host) => ({ host, port: 53 })),
  responder: new respond.Responder({ names: new zones.Names(nodes.value), compass: { lead: () => 0, scopeOf: () => 0 }, nsid: null, tcpIdleMs: 10_000 }),
  limiter: new rates.RateLimiter({ perSecond: 500, slip: 2 }, () => false, 1),
  limits: limits.DNS_LIMITS,
  clock: clocks.nodeClock,
});
console.log('up');
`;
/** Nothing answers for the root there: what is about reverse zones and routes of the networks is left out. */
const TESTS = ['Basic', 'Address/address01', 'Consistency', 'Delegation', 'Nameserver', 'Syntax', 'Zone'];
const SCRIPT = `set -e
ip link set lo up
for address in ${ONE} ${TWO} ${ROOT}; do ip address add $address/32 dev lo; done
coproc SERVER { exec "$NODE" server.mjs; }
read -r _ <&"\${SERVER[0]}"
zonemaster-cli --json --show-testcase --no-progress --no-ipv6 --level INFO --hints hints --ns ns1.shop.example/${ONE} --ns ns2.shop.example/${TWO} \
  ${TESTS.map((it) => `--test ${it}`).join(' ')} shop.example
kill "$SERVER_PID"
`;

// A namespace without being root needs one of users as well, which not every machine allows.
const namespace = process.getuid?.() === 0 ? ['--net'] : ['--net', '--map-root-user'];
const lacks = (program: string, argv: readonly string[]) => spawnSync(program, argv).status !== 0;
const missing = [
  ...(lacks('zonemaster-cli', ['--version']) ? ['zonemaster-cli'] : []),
  ...(lacks('unshare', [...namespace, 'ip', 'link', 'set', 'lo', 'up']) ? ['a network namespace'] : []),
];
const wanted = missing.length === 0 || process.env['CI'] === 'true';
const title = 'zonemaster finds nothing to warn of';

test.skipIf(!wanted)(
  wanted ? title : `${title} (left out: no ${missing.join(', ')}; npm run setup:debian)`,
  async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'farshore-zonemaster-'));
    try {
      writeFileSync(join(cwd, 'server.mjs'), SERVER);
      writeFileSync(join(cwd, 'script.sh'), SCRIPT);
      writeFileSync(join(cwd, 'hints'), `. 3600000 NS a.root-servers.net.\na.root-servers.net. 3600000 A ${ROOT}\n`);
      const env = { ...process.env, NODE: process.execPath };
      const argv = [...namespace, 'bash', join(cwd, 'script.sh')];
      const { stdout } = await promisify(execFile)('unshare', argv, { cwd, env, maxBuffer: 1 << 24 });
      const results = JSON.parse(stdout) as { level: string; testcase: string }[];
      const bad = results.filter(({ level }) => ['WARNING', 'ERROR', 'CRITICAL'].includes(level));
      expect(bad).toEqual([]);
      const asked = new Set(results.map(({ testcase }) => testcase.toUpperCase()));
      for (const each of ['BASIC02', 'CONSISTENCY05', 'DELEGATION04', 'NAMESERVER02', 'NAMESERVER08', 'ZONE10'])
        expect(asked).toContain(each);
      expect(asked.size).toBeGreaterThan(30);
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  },
);
