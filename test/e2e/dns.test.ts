import { Resolver } from 'node:dns/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeId } from '../../src/base/ids.ts';
import { inVerify } from '../../src/base/long.testing.ts';
import type { DnsStatus } from '../../src/planes/dns/status.ts';
import { crashRegion } from '../../src/world/faults/inject.ts';
import { openWorld } from '../../src/world/open.ts';
import { eventually, farshore, readyWorld, removeState, ROOT, stateDir } from './cli.ts';

/** The server's own account of itself. */
async function dnsStatus(port: number): Promise<DnsStatus> {
  return (await (await fetch(`http://127.0.0.1:${port}/.farshore/dns`)).json()) as DnsStatus;
}

/** What a user's request to this address gets. */
const statusOf = (address: string, port: number): Promise<number> =>
  new Promise((resolve) => {
    get({ host: address, port, path: '/healthz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', () => resolve(0));
  });

// Users led to the primary's region, and after it: planes/dns/server.real.test.ts, on a real server and store.
describe.each(['active-active', ...inVerify('active-passive')])('the DNS server in the world of %s', (example) => {
  const dir = stateDir();

  beforeAll(async () => {
    const file = join(ROOT, `examples/${example}.yaml`);
    const up = await farshore(['up', file, '--rtt-scale', '0', '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
    expect(up.stdout).toMatch(/dig @127\.0\.0\.1 -p \d+ \S+ → 127\.0\.10\.\d/);
  });
  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  it('the region that users are led to dies: whoever asks after its detection is led to another one that serves', async () => {
    const before = await readyWorld(dir);
    // By weight in the one example, to the primary's region in the other.
    expect(before.dns?.why).toBeNull();
    expect(before.regions.map((region) => region.id)).toContain(before.dns?.region);
    const lost = before.dns?.region ?? '';
    const world = openWorld(dir);
    const { places } = world.layout;
    const ports = places.find((place) => place.id === before.dns?.place)?.ports;
    const publicPort = places[0]?.ports.edge ?? 0;
    const resolver = new Resolver({ timeout: 500, tries: 1 });
    resolver.setServers([before.dns?.server ?? '']);
    const answer = () => resolver.resolve4(before.dns?.host ?? '');
    const [addressBefore = ''] = await answer();
    expect(await statusOf(addressBefore, publicPort)).toBe(200);

    const crash = await crashRegion(world, placeId(lost), 'test');
    try {
      // An answer between two looks that both find the region lost was made from that: there is no moment at which it may be the old one.
      const seesItLost = async () => {
        const { regions } = await dnsStatus(ports?.dnsStatus ?? 0);
        return regions.find(({ id }) => id === lost)?.health === 'unhealthy';
      };
      const led = await eventually(30_000, 'the region is seen lost', async () => {
        const [was, [now], is] = [await seesItLost(), await answer(), await seesItLost()];
        return was && is ? (now ?? 'nobody') : null;
      });
      expect(led).not.toBe(addressBefore);
      expect(places.map(({ address }) => address)).toContain(led);
      await eventually(20_000, 'users are served there', async () =>
        (await statusOf(led, publicPort)) === 200 ? true : null,
      );
    } finally {
      await crash.undo();
      await world.close();
    }
    await readyWorld(dir);
  });
});
