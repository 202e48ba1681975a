/** Edges and a DNS server on one store: what each sees, what all of them make of it, and what remains when the store is gone. */
import { createServer, type Server, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type PlaceId, placeId } from '../../base/ids.ts';
import { memoryStore } from '../../coordination/memory.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { startDns } from '../dns/server.ts';
import { REGIONS, ZONE } from '../dns/testing.ts';
import { type Edge, startEdge } from '../edge/server.ts';
import { EDGE_LIMITS } from '../edge/limits.ts';
import { ask, configOf, listen, publish, startRegion, tableOf, until } from '../edge/testing.ts';
import { freePort } from '../../world/free-ports.ts';

const [A, B, C] = REGIONS.map((it) => it.region) as [PlaceId, PlaceId, PlaceId];
const SITE = placeId('aws:eu-north-1');

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The way from one plane to a region: bytes go through until it is cut. */
async function wayTo(port: number): Promise<{ readonly port: number; cut(): void }> {
  const open = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((socket) => {
    if (isCut) return socket.destroy();
    const far = new Socket();
    far.connect(port, '127.0.0.1');
    for (const each of [socket, far]) {
      open.add(each);
      each.on('error', () => undefined).on('close', () => open.delete(each));
    }
    return socket.pipe(far).pipe(socket);
  });
  cleanups.push(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return {
    port: await listen(server),
    cut: () => {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
  };
}

async function threeAndDns() {
  const store = memoryStore(nodeClock);
  cleanups.push(() => store.close());
  const regions = await Promise.all([startRegion(A), startRegion(B), startRegion(C)]);
  for (const region of regions) cleanups.push(() => region.kill());
  const writer = store.connect();
  await publish(writer, tableOf({ primary: A, regions: [A, B, C].map((id) => [id, 'active']) }));
  const edgeAt = async (place: PlaceId, ports: readonly number[]): Promise<Edge> => {
    const upstreams = [A, B, C].map((region, i) => ({ region, port: ports[i] ?? 0 }));
    const config = { ...configOf(upstreams), place, listen: { host: '127.0.0.1', port: await freePort() } };
    const edge = await startEdge(config, store.connect(), nodeClock, { ...EDGE_LIMITS, drainMs: 200 });
    cleanups.push(() => edge.close());
    return edge;
  };
  const ports = regions.map(({ port }) => port);
  const ways = await Promise.all(ports.map(wayTo));
  const dnsClient = store.connect();
  const dns = await startDns(
    {
      place: SITE,
      deployment: 'shop',
      group: 'main',
      listen: [{ host: '127.0.0.1', port: 0 }],
      status: { host: '127.0.0.1', port: 0 },
      nsid: null,
      rateLimit: { perSecond: 100, slip: 2, exempt: ['127.0.0.0/8'] },
      zones: [ZONE],
      healthPath: '/healthz',
      regions: REGIONS.map((region, i) => ({
        ...region,
        check: { host: '127.0.0.1', port: ways[i]?.port ?? 0, rttMs: i },
      })),
    },
    { coordination: dnsClient, clock: nodeClock, seed: 5 },
  );
  cleanups.push(() => dns.close());
  const edges = await Promise.all([edgeAt(A, ports), edgeAt(B, ports), edgeAt(C, ports)]);
  const healthAt = (status: { readonly regions: readonly { readonly id: PlaceId; readonly health: string }[] }) =>
    status.regions.map(({ health }) => health);
  await until('all well', () =>
    [dns.status(), ...edges.map((it) => it.status())].every((it) =>
      healthAt(it).every((health) => health === 'healthy'),
    ),
  );
  await until('all heard', () => dns.status().observers.all.filter(({ state }) => state === 'votes').length === 4);
  return { dns, edges, regions, ways, dnsClient, healthAt };
}

test('a DNS server that alone loses its way to a region is outvoted; a region that is really lost is down for all', async () => {
  const { dns, edges, regions, ways, healthAt } = await threeAndDns();
  ways[1]?.cut();
  const ownSight = () => dns.status().observers.all[0]?.regions[B];
  await until('it sees it down', () => ownSight() === 'down');
  expect(healthAt(dns.status())).toEqual(['healthy', 'healthy', 'healthy']);
  expect(dns.status().regions[1]?.why.code).toBe('voted-up');

  await regions[2]?.kill();
  await until('down for all', () =>
    [dns, ...edges].every((it) => healthAt(it.status())[2] === 'unhealthy' || it === edges[2]),
  );
  const why = dns.status().regions[2]?.why;
  expect(why?.code).toBe('voted-down');
  expect(why?.text).toMatch(/of 3 observers see it down/);
  const [edge] = edges;
  const asked = await ask(edge?.port ?? 0, '/.farshore/why?client=192.0.2.1');
  expect(asked.body).toContain(`${C} looks unhealthy`);
});

test('a DNS server that loses its own network abstains, and goes by what the others see', async () => {
  const { dns, edges, ways, healthAt } = await threeAndDns();
  for (const way of ways) way.cut();
  await until('it sees all down', () => dns.status().observers.all[0]?.state === 'abstains');
  await until('the others know', () =>
    edges.every((edge) =>
      edge.status().observers.all.some(({ place, state }) => place === SITE && state === 'abstains'),
    ),
  );
  expect(healthAt(dns.status())).toEqual(['healthy', 'healthy', 'healthy']);
  for (const edge of edges) expect(healthAt(edge.status())).toEqual(['healthy', 'healthy', 'healthy']);
});

test('the store is gone: regions stay what they were, and what is lost from then on is found all the same', async () => {
  const { dns, dnsClient, regions, healthAt } = await threeAndDns();
  await dnsClient.close();
  await until('nobody is heard', () => dns.status().observers.heldForMs !== null);
  expect(healthAt(dns.status())).toEqual(['healthy', 'healthy', 'healthy']);
  await regions[0]?.kill();
  await until('its own eyes', () => healthAt(dns.status())[0] === 'unhealthy');
  expect(healthAt(dns.status())).toEqual(['unhealthy', 'healthy', 'healthy']);
});

test('an edge that ends in order is not missed', async () => {
  const { dns, edges } = await threeAndDns();
  await edges[2]?.close();
  await until('it is forgotten', () => dns.status().observers.all.length === 3);
  expect(dns.status().observers.heldForMs).toBeNull();
});
