import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlaceId, placeId } from '../base/ids.ts';
import { defaultRouting } from '../decide/routing/defaults.ts';
import type { Deployment } from '../spec/deployment.ts';
import { planProcesses } from './configs.ts';
import { addressOf, dataNodesOf, layOut, type LayoutOptions, nodeAddressOf, nodesOf } from './layout.ts';

const deployment = (
  regions: readonly string[],
  sites: readonly { id: string; witness: boolean }[],
  nodes: readonly string[] = ['n1'],
  dns: Deployment['dns'] = null,
): Deployment => ({
  name: 'shop',
  model: 'global',
  tier: 'high',
  objectives: { rtoMs: 30_000, rpoMs: 0 },
  regions: regions.map((id, i) => ({
    id: placeId(id),
    role: 'active',
    weight: 1,
    control: 'owned',
    nodes,
    store: false,
    promotable: i !== 2,
  })),
  sites: sites.map(({ id, witness }, i) => ({ id: placeId(id), store: i === 0, witness })),
  residency: [],
  replication: { mode: 'semi-sync', confirm: 1, whenAlone: 'block', rpoWhileDegradedMs: null, async: null },
  traffic: { routing: defaultRouting([]), geoDatabase: null },
  edgeTls: null,
  leaseTtlMs: 4_000,
  timings: { tickMs: 50 },
  application: { command: ['node', 'app/main.mjs'], healthPath: '/healthz' },
  dns,
});
const DNS = { zone: 'shop.example', hosts: ['@', 'www'], ttlMs: 20_500, alpn: [], records: [] };
const options = (basePort = 7_800): LayoutOptions => ({
  id: '0123456789',
  specPath: '/home/a user/shop/farshore.yaml',
  stateDir: '/home/a user/shop/.farshore',
  runDir: '/tmp/farshore-4294967294-0123456789',
  dataRoot: '/home/a user/shop/.farshore/nodes',
  runAs: null,
  binDir: '/pg/bin',
  etcdBinary: null,
  haproxyBinary: null,
  libDir: '/pg/lib',
  basePort,
  rttScale: 1,
  rttMs: (a, b) => a.length + b.length,
});
const program = {
  node: '/usr/bin/node',
  distDir: '/f/dist',
  path: '/usr/bin',
  home: '/home/a user',
  env: {},
  serial: 1,
};

const places = fc.uniqueArray(fc.stringMatching(/^(aws|azure|gcp):[a-z0-9-]{3,30}$/), { minLength: 2, maxLength: 6 });
const shapes = fc.record({
  ids: places,
  sites: fc.integer({ min: 1, max: 2 }),
  witness: fc.boolean(),
  dns: fc.boolean(),
  nodes: fc.constantFrom(['n1'], ['n1', 'n2'], ['n1', 'n2', 'n3']),
});
const worlds = shapes.map((it) => {
  const sites = Math.min(it.sites, it.ids.length - 1);
  const [siteIds, regionIds] = [it.ids.slice(0, sites), it.ids.slice(sites)];
  return deployment(
    regionIds,
    siteIds.map((id, i) => ({ id, witness: it.witness || i > 0 })),
    it.nodes,
    it.dns ? DNS : null,
  );
});

/** Every `listen`-like port in the config files: what the processes will really open. */
function listened(files: readonly { readonly content: unknown }[]): readonly number[] {
  return files.flatMap(({ content }) => {
    const it = content as Record<string, { port: number } | undefined> & { routes?: unknown; database?: unknown };
    const own = ['listen', 'api', 'rw', 'ro', 'peer', 'status'].flatMap((name) =>
      [it[name] ?? []].flat().map(({ port }) => port),
    );
    const routes = (it.routes ?? []) as { name: string; listen: { port: number }; target: { port: number } }[];
    const far = routes.flatMap((route) => (route.name === 'ping' ? [route.target.port] : []));
    const database = it.database as { port: number } | null | undefined;
    return [...own, ...routes.map((route) => route.listen.port), ...far, ...(database ? [database.port] : [])];
  });
}

describe('layout', () => {
  it('opens no port twice, and none outside its block', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { layout, files } = planProcesses(layOut(world, options()), world, program);
        const apps = layout.places.flatMap((place) => place.ports.app ?? []);
        const ports = [...listened(files), ...apps];
        expect(new Set(ports).size).toBe(ports.length);
        expect(ports.length).toBe(layout.portCount);
        for (const port of ports) {
          expect(port).toBeGreaterThanOrEqual(layout.basePort);
          expect(port).toBeLessThan(layout.basePort + layout.portCount);
        }
      }),
    );
  });

  it('has one link for every directed pair of places', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { links, places: all } = layOut(world, options());
        expect(links.length).toBe(all.length * (all.length - 1));
        expect(new Set(links.map(({ from, to }) => `${from} ${to}`)).size).toBe(links.length);
      }),
    );
  });

  it('keeps every socket path under 108 bytes, with PostgreSQL’s own name behind its folder', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const plan = layOut(world, options(65_000));
        const sockets = [
          plan.supervisorSocketPath,
          ...plan.links.map((link) => link.controlSocketPath),
          ...dataNodesOf(plan).flatMap((node) => [
            node.keeperSocketPath,
            node.gatewaySocketPath,
            `${node.postgresRunDir}/.s.PGSQL.65535.lock`,
          ]),
        ];
        for (const path of sockets) expect(Buffer.byteLength(path)).toBeLessThan(108);
      }),
    );
  });

  it('is the same for the same deployment, and moves as a whole with the base port', () => {
    const world = deployment(
      ['aws:eu-west-1', 'aws:us-east-1', 'aws:ap-northeast-1'],
      [{ id: 'aws:ca-1', witness: true }],
    );
    expect(layOut(world, options())).toEqual(layOut(world, options()));
    const moved = layOut(world, options(9_000));
    for (const [i, place] of layOut(world, options()).places.entries()) {
      const ports = Object.entries(place.ports).map(([name, port]) => [name, port + 1_200]);
      expect(moved.places[i]?.ports).toEqual(Object.fromEntries(ports));
    }
  });

  it('gives people the first ports, and processes of one place no link to themselves', () => {
    const world = deployment(
      ['aws:eu-west-1', 'aws:us-east-1', 'aws:ap-northeast-1'],
      [{ id: 'aws:ca-1', witness: true }],
    );
    const plan = layOut(world, options());
    expect(plan.places.map((place) => place.ports.edge)).toEqual([7_800, 7_801, 7_802, undefined]);
    const here = placeId('aws:eu-west-1');
    expect(addressOf(plan, here, here, 'app')?.port).toBe(plan.places[0]?.ports.app);
    expect(addressOf(plan, here, placeId('aws:us-east-1'), 'app')?.port).toBe(plan.links[0]?.near.app);
    const [witness] = nodesOf(plan).filter((node) => node.place === placeId('aws:ca-1'));
    if (witness === undefined) throw new Error('a witness');
    expect(nodeAddressOf(plan, here, witness, 'api')).not.toBe(null);
    expect(nodeAddressOf(plan, here, witness, 'postgres')).toBe(null);
  });

  it('tells each agent about all others, over links only', () => {
    const world = deployment(
      ['aws:eu-west-1', 'aws:us-east-1', 'aws:ap-northeast-1'],
      [{ id: 'aws:ca-1', witness: true }],
    );
    const { layout, files } = planProcesses(layOut(world, options()), world, program);
    const agents = files.filter(({ path }) => path.endsWith('-agent.json'));
    expect(agents.length).toBe(4);
    const near = new Set(
      layout.links.flatMap((link) => Object.values(link.nearNodes).flatMap((ports) => Object.values(ports))),
    );
    for (const { content } of agents) {
      if (typeof content === 'string' || !('peers' in content)) throw new Error('not an agent');
      expect(content.peers.length).toBe(3);
      for (const peer of content.peers) expect(near.has(peer.agent.port)).toBe(true);
      expect(content.knobs).toMatchObject({ leaseTtlMs: 4_000, tickMs: 50 });
      expect(content.policy.promotable).toEqual(['aws:eu-west-1/n1', 'aws:us-east-1/n1']);
      expect(content.policy.observers.length).toBe(4);
    }
  });

  it('gives every node of a region its own doors, sockets and data, and leads to it directly inside, over its link outside', () => {
    const [here, there] = [placeId('aws:eu-west-1'), placeId('aws:us-east-1')];
    const world = deployment([here, there], [{ id: 'aws:ca-1', witness: true }], ['n1', 'n2']);
    const plan = layOut(world, options());
    const nodes = dataNodesOf(plan);
    expect(nodes.map((node) => node.id)).toEqual([`${here}/n1`, `${here}/n2`, `${there}/n1`, `${there}/n2`]);
    const unique = nodes.flatMap((it) => [it.dataDir, it.keeperSocketPath, it.postgresRunDir, it.ports.rw]);
    expect(new Set<string | number>(unique).size).toBe(4 * 4);
    for (const node of nodes) {
      const [inside, outside] = node.place === here ? [here, there] : [there, here];
      expect(nodeAddressOf(plan, inside, node, 'postgres')?.port).toBe(node.ports.postgres);
      const link = plan.links.find((it) => it.from === outside && it.to === inside);
      expect(nodeAddressOf(plan, outside, node, 'postgres')?.port).toBe(link?.nearNodes[node.id]?.postgres);
    }
    const { layout, files } = planProcesses(plan, world, program);
    const names = layout.processes.filter((it) => it.place === here).map((it) => it.name);
    expect(names).toContain('aws-eu-west-1-n2-keeper');
    expect(names.filter((name) => name.endsWith('-app'))).toEqual(['aws-eu-west-1-app']);
    expect(new Set(files.map((file) => file.path)).size).toBe(files.length);
    expect(plan.policy.dataNodes.length).toBe(4);
    expect(plan.policy.observers.length).toBe(5);
  });

  it('leads DNS to an address of each region, and lets its server look at the edges over links, as users there would', () => {
    const [near, far, site] = ['aws:eu-west-1', 'aws:us-east-1', 'aws:ca-1'].map(placeId) as [
      PlaceId,
      PlaceId,
      PlaceId,
    ];
    const world = deployment([near, far], [{ id: site, witness: false }], ['n1'], DNS);
    const { layout, files } = planProcesses(layOut(world, options()), world, program);
    const contentOf = (name: string) => files.find((file) => file.path.endsWith(`/${name}.json`))?.content;
    const links = [near, far].map((to) => layout.links.find((link) => link.from === site && link.to === to));
    expect(contentOf('aws-ca-1-dns')).toMatchObject({
      place: site,
      listen: [{ host: '127.0.0.1', port: 7_802 }],
      zones: [{ name: 'shop.example', hosts: ['@', 'www'], ttlSec: 21, serial: 1 }],
      storeUrls: [`http://127.0.0.1:${layout.places[2]?.ports.store}`],
      regions: [near, far].map((region, i) => ({
        region,
        addresses: [`127.0.10.${i + 1}`],
        check: { host: '127.0.0.1', port: links[i]?.near.edge, rttMs: links[i]?.rttMs },
      })),
    });
    expect(links.map((link) => link?.near.edge)).not.toContain(undefined);
    for (const [i, name] of ['aws-eu-west-1-edge', 'aws-us-east-1-edge'].entries())
      expect(contentOf(name)).toMatchObject({ alsoListen: [{ host: `127.0.10.${i + 1}`, port: 7_800 }] });
    // Only the place of the server has a way to other edges.
    expect(layout.links.filter((link) => link.near.edge !== undefined).every((link) => link.from === site)).toBe(true);
  });

  it('with certificates: HTTPS beside HTTP at every edge and address, and checks by TLS go there', () => {
    const ids = ['aws:eu-west-1', 'aws:us-east-1'];
    const routing = defaultRouting([]);
    const withTls: Deployment = {
      ...deployment(ids, [{ id: 'aws:ca-1', witness: false }], ['n1'], DNS),
      edgeTls: { certificates: [{ cert: 'tls/a.pem', key: '/etc/a.key' }], ca: 'ca.pem', hosts: ['shop.example'] },
      traffic: {
        routing: { ...routing, health: { ...routing.health, address: { check: 'tls', host: 'shop.example' } } },
        geoDatabase: null,
      },
    };
    const { layout, files } = planProcesses(layOut(withTls, options()), withTls, program);
    const contentOf = (name: string) => files.find((file) => file.path.endsWith(`/${name}.json`))?.content;
    expect(layout.places.map(({ ports }) => ports.edgeTls)).toEqual([7_802, 7_803, undefined]);
    for (const [i, name] of ['aws-eu-west-1-edge', 'aws-us-east-1-edge'].entries())
      expect(contentOf(name)).toMatchObject({
        listen: { host: '127.0.0.1', port: 7_800 + i },
        alsoListen: [
          { host: '127.0.0.1', port: 7_802 + i, tls: true },
          { host: `127.0.10.${i + 1}`, port: 7_800 },
          { host: `127.0.10.${i + 1}`, port: 7_802, tls: true },
        ],
        tls: { certificates: [{ cert: '/home/a user/shop/tls/a.pem', key: '/etc/a.key' }], hosts: ['shop.example'] },
      });
    const ways = ids.map((id) => addressOf(layout, placeId('aws:ca-1'), placeId(id), 'edgeTls'));
    expect(ways).not.toContain(null);
    expect(contentOf('aws-ca-1-dns')).toMatchObject({
      caPath: '/home/a user/shop/ca.pem',
      regions: ways.map((way) => ({ check: way })),
    });
  });

  it('holds no secret', () => {
    const world = deployment(['aws:eu-west-1', 'aws:us-east-1'], [{ id: 'aws:ca-1', witness: true }]);
    const { layout } = planProcesses(layOut(world, options()), world, program);
    expect(JSON.stringify(layout)).not.toMatch(/postgres:\/\/[^@"]*:/);
  });
});
