import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeId, placeId } from '../../../base/ids.ts';
import { defaultRouting } from '../../../decide/routing/defaults.ts';
import type { DnsConfig } from '../../../ports/dns.ts';
import type { GeoOverride } from '../../../ports/routing.ts';
import type { Peer } from '../beside.ts';
import { BENCHED, launch, listening, MAIN, MEASURED, missing, store, type Table } from '../machine.ts';

/** One server that leads users of a zone to one of three places, which all serve behind it. */
interface Leader extends Peer {
  /** Does it look whether the places serve? */
  readonly health: boolean;
}

export const ZONE = 'shop.example';
const { deployment: DEPLOYMENT, group: GROUP } = BENCHED;
const REGIONS = ['aws:eu-west-1', 'aws:us-east-1', 'gcp:asia-east1'].map((id, i) => ({
  id: placeId(id),
  place: ['here', 'there', 'far'][i] ?? '',
  // On loopback, where each of them can be asked for its health.
  address: `127.0.0.${i + 1}`,
}));

/** Where networks are, the same for all servers: loopback, where the load comes from, and 3,000 others. */
const NETWORKS: readonly GeoOverride[] = [
  { network: '127.0.0.0/8', place: 'here', country: null },
  ...Array.from({ length: 3_000 }, (_, i) => ({
    network: `${11 + (i >> 8)}.${i & 255}.0.0/16`,
    place: REGIONS[i % 3]?.place ?? '',
    country: null,
  })),
];

const order = REGIONS.map(({ id }) => id);
const regions = order.map((id) => ({ id, role: 'active' as const, weight: 1, state: 'serving' as const }));

export const TABLE: Table = {
  deployment: DEPLOYMENT,
  group: GROUP,
  routes: {
    generation: 1,
    epoch: 1,
    primary: { node: nodeId(order[0] ?? placeId('aws:eu-west-1'), 'n1'), region: order[0] ?? placeId('aws:eu-west-1') },
    regions,
    routing: {
      ...defaultRouting(regions),
      policies: ['geolocation', 'failover'],
      geolocation: {
        rules: REGIONS.map(({ id, place }) => ({ label: place, places: [place], regions: [id] })),
        otherwise: null,
        overrides: NETWORKS,
      },
    },
    reason: { code: 'bench', text: 'three regions' },
  },
};

export const dnsConfig = (port: number, dir: string, places: DnsConfig['regions']): DnsConfig => ({
  place: placeId('aws:eu-north-1'),
  deployment: DEPLOYMENT,
  group: GROUP,
  listen: [{ host: '127.0.0.1', port }],
  status: { host: '127.0.0.1', port: port + 1 },
  storeUrls: store.urls,
  storeKind: 'embedded',
  secretsPath: join(dir, 'secrets.json'),
  nsid: null,
  // As in production it counts for each network; only nobody reaches the limit.
  rateLimit: { perSecond: 1_000_000, slip: 2, exempt: [] },
  zones: [
    {
      name: ZONE,
      serial: 1,
      contact: `hostmaster.${ZONE}`,
      nameservers: [{ name: `ns1.${ZONE}`, addresses: ['127.0.0.1'] }],
      hosts: ['@', 'www'],
      alpn: [],
      records: [],
      ttlSec: 20,
      staticTtlSec: 3_600,
      negativeTtlSec: 30,
    },
  ],
  healthPath: '/healthz',
  regions: places,
});

const farshore: Leader = {
  name: 'Farshore',
  missing: null,
  health: true,
  async start(port, healthPort, dir) {
    const places = REGIONS.map(({ id, address }) => ({
      region: id,
      addresses: [address],
      check: { host: address, port: healthPort, rttMs: 0 },
    }));
    const config = dnsConfig(port, dir, places);
    writeFileSync(join(dir, 'dns.json'), JSON.stringify(config));
    const child = launch(MEASURED, [process.execPath, MAIN, 'dns', join(dir, 'dns.json')], dir);
    await listening(port);
    return child;
  },
};

const SOA = `@ 3600 IN SOA ns1.${ZONE}. hostmaster.${ZONE}. 1 7200 1800 1209600 30
@ 3600 IN NS ns1.${ZONE}.
ns1 3600 IN A 127.0.0.1
`;

const gdnsd: Leader = {
  name: 'gdnsd, geoip over multifo with http checks',
  missing: missing('gdnsd'),
  health: true,
  async start(port, healthPort, dir) {
    const home = join(dir, `gdnsd-${port}`);
    mkdirSync(join(home, 'zones'), { recursive: true });
    const nets = NETWORKS.map(({ network, place }) => `${network} => ${place}`).join('\n          ');
    const text = `options => {
  listen => 127.0.0.1:${port}
  run_dir => ${home}/run
  state_dir => ${home}/state
  udp_threads => 1
  tcp_threads => 1
}
service_types => { web => { plugin => http_status, port => ${healthPort}, url_path => /healthz, interval => 2, timeout => 1 } }
plugins => {
  geoip => {
    maps => {
      places => {
        datacenters => [${REGIONS.map(({ place }) => place).join(', ')}]
        nets => {
          ${nets}
        }
      }
    }
    resources => {
      shop => { map => places, service_types => web, dcmap => { ${REGIONS.map(({ place, address }) => `${place} => ${address}`).join(', ')} } }
    }
  }
}
`;
    writeFileSync(join(home, 'config'), text);
    writeFileSync(join(home, 'zones', ZONE), `${SOA}@ 20 DYNA geoip!shop\nwww 20 DYNA geoip!shop\n`);
    const child = launch(MEASURED, ['gdnsd', '-c', home, 'start'], home);
    await listening(port);
    return child;
  },
};

const knot: Leader = {
  name: 'Knot, geoip by subnet',
  missing: missing('knotd'),
  health: false,
  async start(port, _, dir) {
    const home = join(dir, `knot-${port}`);
    mkdirSync(home, { recursive: true });
    const subnets = NETWORKS.map(({ network, place }) => {
      const address = REGIONS.find((it) => it.place === place)?.address ?? '';
      return `  - net: ${network}\n    A: ${address}\n`;
    }).join('');
    writeFileSync(join(home, 'geo.conf'), `${ZONE}:\n${subnets}www.${ZONE}:\n${subnets}`);
    writeFileSync(join(home, 'zone'), `$ORIGIN ${ZONE}.\n${SOA}@ 20 IN A 127.0.0.1\nwww 20 IN A 127.0.0.1\n`);
    const text = `server:
  rundir: ${home}
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: error
database:
  storage: ${home}
mod-geoip:
  - id: places
    config-file: ${home}/geo.conf
    ttl: 20
    mode: subnet
zone:
  - domain: ${ZONE}
    file: ${home}/zone
    module: mod-geoip/places
`;
    writeFileSync(join(home, 'knot.conf'), text);
    const child = launch(MEASURED, ['knotd', '-c', join(home, 'knot.conf')], home);
    await listening(port);
    return child;
  },
};

/** `lua`: `yes` makes a Lua state for each query, which is the default; `shared` keeps one per thread. */
const powerdns = (name: string, record: (healthPort: number) => string, lua: string, health: boolean): Leader => ({
  name,
  missing: missing('pdns_server'),
  health,
  async start(port, healthPort, dir) {
    const home = join(dir, `pdns-${port}`);
    mkdirSync(home, { recursive: true });
    const rr = record(healthPort);
    writeFileSync(join(home, 'zone'), `$ORIGIN ${ZONE}.\n${SOA}@ 20 IN ${rr}\nwww 20 IN ${rr}\n`);
    writeFileSync(join(home, 'named.conf'), `zone "${ZONE}" { type master; file "${home}/zone"; };\n`);
    const text = `launch=bind
bind-config=${home}/named.conf
local-address=127.0.0.1
local-port=${port}
socket-dir=${home}
receiver-threads=1
distributor-threads=1
enable-lua-records=${lua}
edns-subnet-processing=yes
loglevel=2
daemon=no
guardian=no
`;
    writeFileSync(join(home, 'pdns.conf'), text);
    const child = launch(MEASURED, ['pdns_server', `--config-dir=${home}`], home);
    await listening(port);
    return child;
  },
});

const [HERE, , FAR] = REGIONS.map(({ address }) => `'${address}'`);
const luaRecord = (healthPort: number): string =>
  `LUA A ";if(netmask({'127.0.0.0/8'})) then return ifportup(${healthPort}, {${HERE}}) else return ifportup(${healthPort}, {${FAR}}) end"`;

export const PEERS: readonly Leader[] = [
  farshore,
  gdnsd,
  knot,
  powerdns('PowerDNS, static record, packet cache', () => 'A 127.0.0.1', 'no', false),
  powerdns('PowerDNS, LUA, shared state', luaRecord, 'shared', true),
  powerdns('PowerDNS, LUA (default)', luaRecord, 'yes', true),
];
