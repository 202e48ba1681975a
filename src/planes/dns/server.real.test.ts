/** The whole server: regions that are killed, a store that goes away, and what is answered meanwhile. */
import { createSocket } from 'node:dgram';
import { expect, onTestFinished, test } from 'vitest';
import type { PlaceId } from '../../base/ids.ts';
import type { Coordination } from '../../ports/coordination.ts';
import { defaultRouting } from '../../decide/routing/defaults.ts';
import type { RouteTable } from '../../ports/records.ts';
import { publish, type RegionProcess, tableOf, until } from '../edge/testing.ts';
import { aDnsServer, aStore, threeRegions, untilHealthy } from '../rig.testing.ts';
import type { DnsServer } from './server.ts';
import { queryOf, read, REGIONS } from './testing.ts';

const [A, B, C] = REGIONS.map((it) => it.region) as [PlaceId, PlaceId, PlaceId];

const regions = () => threeRegions([A, B, C]);

const aServer = (checked: readonly RegionProcess[], store: Coordination) =>
  aDnsServer(
    REGIONS.map((region, i) => ({
      ...region,
      check: { host: '127.0.0.1', port: checked[i]?.port ?? 0, rttMs: i },
    })),
    store,
  );

/** Asks over and over, as a resolver without a cache would, and notes when each new answer came first. */
function watch(server: DnsServer, name: string) {
  const socket = createSocket('udp4');
  const seen: { readonly answers: readonly string[]; readonly rcode: number }[] = [];
  let asked = 0;
  socket.on('message', (bytes) => {
    const { answers, rcode } = read(bytes);
    seen.push({ answers, rcode });
  });
  const query = queryOf(name, 'A');
  const timer = setInterval(() => {
    asked += 1;
    socket.send(query, server.ports[0] ?? 0, '127.0.0.1');
  }, 5);
  onTestFinished(() => {
    clearInterval(timer);
    socket.close();
  });
  return { seen, asked: () => asked, last: () => seen.at(-1) };
}

/** The answer to a query that is sent now. */
function askedNow(server: DnsServer, name: string): Promise<readonly string[]> {
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  return new Promise((resolve) => {
    socket.once('message', (bytes) => resolve(read(bytes).answers));
    socket.send(queryOf(name, 'A'), server.ports[0] ?? 0, '127.0.0.1');
  });
}

/** In order, and patient with a busy machine: nobody answers at the address of one that died, which takes no time to see. */
function inOrder(): RouteTable {
  const table = tableOf({ primary: B, regions: [A, B, C].map((id) => [id, 'active']) });
  const routing = defaultRouting(table.regions);
  const health = { ...routing.health, everyMs: 100, timeoutMs: 10_000 };
  return { ...table, routing: { ...routing, policies: ['failover'], health } };
}

const addressIn = (answers: readonly string[] | undefined) => answers?.[0]?.split(' ').at(-1);

test('a region dies: whoever asks after its detection hears another one, half as long-lived', async () => {
  const [a, b, c] = await regions();
  const client = aStore().connect();
  await publish(client, inOrder());
  const server = await aServer([a, b, c], client);
  const shop = watch(server, 'www.shop.example');
  await untilHealthy(server);
  expect(await askedNow(server, 'www.shop.example')).toEqual(['www.shop.example 20 A 192.0.2.1']);
  const from = shop.seen.length;

  await a.kill();
  await until('detection', () => server.status().regions[0]?.health === 'unhealthy');
  expect(await askedNow(server, 'www.shop.example')).toEqual(['www.shop.example 10 A 192.0.2.2']);
  // Never nothing, and never an error, while it happened.
  expect(shop.seen.slice(from).filter(({ answers, rcode }) => rcode !== 0 || answers.length !== 1)).toEqual([]);
});

test('before the first table: SERVFAIL for hosts, and everything that does not depend on routing is answered', async () => {
  const [a, b, c] = await regions();
  const client = aStore().connect();
  const server = await aServer([a, b, c], client);
  const [shop, mail] = [watch(server, 'shop.example'), watch(server, 'mail.shop.example')];
  await until('answers', () => shop.seen.length > 0 && mail.seen.length > 0);
  expect([shop.last()?.rcode, shop.last()?.answers]).toEqual([2, []]);
  expect(addressIn(mail.last()?.answers)).toBe('192.0.2.25');
  await publish(
    client,
    tableOf({
      primary: B,
      regions: [
        [A, 'active'],
        [B, 'active'],
        [C, 'active'],
      ],
    }),
  );
  await until('an address', () => addressIn(shop.last()?.answers) === '192.0.2.1');
});

test('active-passive: users are led to the region of the primary, and follow it; the store gone: they stay (I12)', async () => {
  const [a, b, c] = await regions();
  const store = aStore();
  const [client, itsOwn] = [store.connect(), store.connect()];
  const passive = [
    [A, 'active'],
    [B, 'passive'],
    [C, 'passive'],
  ] as const;
  await publish(client, tableOf({ primary: A, epoch: 1, regions: passive }));
  const server = await aServer([a, b, c], itsOwn);
  const shop = watch(server, 'shop.example');
  await until('the primary', () => addressIn(shop.last()?.answers) === '192.0.2.1');
  await publish(client, tableOf({ primary: C, epoch: 2, regions: passive }));
  await until('the table', () => server.status().table?.epoch === 2);
  expect(addressIn(await askedNow(server, 'shop.example'))).toBe('192.0.2.3');
  await publish(client, tableOf({ primary: A, epoch: 1, regions: passive }));
  await itsOwn.close();
  await until('the store is missed', () => server.status().store.state === 'trouble');
  // All regions die as well: nobody is better than another, so the last good one is held.
  await Promise.all([a, b, c].map((region) => region.kill()));
  await until('all are missed', () => server.status().regions.every((it) => it.health === 'unhealthy'));
  const from = shop.seen.length;
  await until('more answers', () => shop.seen.length > from + 20);
  expect(new Set(shop.seen.slice(from).map(({ answers }) => addressIn(answers)))).toEqual(new Set(['192.0.2.3']));
});

test('the status page tells what is answered and why', async () => {
  const [a, b, c] = await regions();
  const client = aStore().connect();
  await publish(client, inOrder());
  const server = await aServer([a, b, c], client);
  await untilHealthy(server);
  expect(await askedNow(server, 'shop.example')).toHaveLength(1);
  const page = await fetch(`http://127.0.0.1:${server.statusPort}/.farshore/dns`);
  const status = (await page.json()) as ReturnType<DnsServer['status']>;
  expect(status).toMatchObject({ schema: 'farshore.dns/v1', table: { epoch: 1 }, route: { candidates: [A, B, C] } });
  expect(status.counters.rcodes['NOERROR']).toBeGreaterThan(0);
  expect((await fetch(`http://127.0.0.1:${server.statusPort}/`)).status).toBe(404);
});
