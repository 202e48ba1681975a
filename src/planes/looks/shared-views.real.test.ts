/** Edges and a DNS server on one store: what each sees, what all of them make of it, and what remains when the store is gone. */
import { createServer, type Server, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { PlaceId } from '../../base/ids.ts';
import { REGIONS } from '../dns/testing.ts';
import { ask, listen, publish, tableOf, until } from '../edge/testing.ts';
import { aDnsServer, anEdge, aStore, SITE, threeRegions, untilHealthy } from '../rig.testing.ts';
import { freePort } from '../../world/free-ports.ts';

const [A, B, C] = REGIONS.map((it) => it.region) as [PlaceId, PlaceId, PlaceId];

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
  onTestFinished(() => {
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
  const store = aStore();
  const regions = await threeRegions([A, B, C]);
  const writer = store.connect();
  await publish(writer, tableOf({ primary: A, regions: [A, B, C].map((id) => [id, 'active']) }));
  const edgeAt = async (place: PlaceId) =>
    anEdge(regions, store.connect(), { config: { place, listen: { host: '127.0.0.1', port: await freePort() } } });
  const ways = await Promise.all(regions.map(({ port }) => wayTo(port)));
  const dnsClient = store.connect();
  const checked = REGIONS.map((region, i) => ({
    ...region,
    check: { host: '127.0.0.1', port: ways[i]?.port ?? 0, rttMs: i },
  }));
  const dns = await aDnsServer(checked, dnsClient);
  const edges = await Promise.all([edgeAt(A), edgeAt(B), edgeAt(C)]);
  const healthAt = (status: { readonly regions: readonly { readonly id: PlaceId; readonly health: string }[] }) =>
    status.regions.map(({ health }) => health);
  await untilHealthy(dns, ...edges);
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
