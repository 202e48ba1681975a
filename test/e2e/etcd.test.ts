import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { type PlaceId, placeId } from '../../src/base/ids.ts';
import { crashRegion } from '../../src/world/faults/inject.ts';
import { openWorld } from '../../src/world/open.ts';
import { connect, eventually, farshore, removeState, ROOT, stateDir, status, readyWorld } from './cli.ts';
import { startOrders } from './load.ts';

const spec = join(ROOT, 'examples/active-active-etcd.yaml');
const hasEtcd = existsSync('/usr/bin/etcd');
const here = hasEtcd || process.env['CI'] === 'true';
if (!here) test.skip('a world on etcd (/usr/bin/etcd is missing: apt-get install etcd-server)', () => {});

test('without etcd `up` refuses before anything is made, and says what to do', async () => {
  const dir = stateDir();
  const up = await farshore(['up', spec, '--detach', '--state', dir, '--etcd-bin', '/nowhere/etcd']);
  expect(up.code).toBe(1);
  expect(up.stderr).toMatch(/FSH_ETCD_MISSING[\s\S]*apt-get install etcd-server/);
  removeState(dir);
});

describe.runIf(here)('a world on etcd', () => {
  const dir = stateDir();
  const site = placeId('aws:us-east-2');

  beforeAll(async () => {
    const up = await farshore(['up', spec, '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  const ready = () => readyWorld(dir);
  const leaderOf = async (): Promise<PlaceId | null> =>
    (await status(dir)).store.members.find((member) => member.leads)?.place ?? null;
  const edgesOf = (world: Awaited<ReturnType<typeof ready>>, without: string) =>
    world.regions.flatMap((region) => (region.id === without ? [] : [region.addresses['edge'] ?? '']));
  const held = async (region: string, ids: readonly string[]): Promise<number> => {
    const client = await connect(dir, await status(dir), region);
    const found = await client.query<{ count: string }>('SELECT count(*) FROM orders WHERE id = ANY($1)', [ids]);
    await client.end();
    return Number(found.rows[0]?.count);
  };

  it('shows three members, one of them leading', async () => {
    const { store } = await ready();
    expect(store.kind).toBe('etcd');
    expect(store.members.map((member) => member.state)).toEqual(['up', 'up', 'up']);
    expect(store.members.filter((member) => member.leads)).toHaveLength(1);
  });

  it('every byte between members crosses their link: with a site’s links cut its member has no leader', async () => {
    await ready();
    const world = openWorld(dir);
    const links = world.layout.links.filter((link) => link.from === site || link.to === site);
    const set = (state: 'up' | 'cut') =>
      Promise.all(links.map(({ from, to }) => world.link(from, to).set({ state, extraDelayMs: 0 }, 60_000)));
    try {
      await set('cut');
      // It may have led: then the others elect one first.
      await eventually(20_000, 'the site’s member is alone, and the others go on', async () => {
        const seen = (await status(dir)).store.members;
        const isAlone = seen.find((member) => member.place === site)?.state === 'down';
        return isAlone && seen.filter((member) => member.state === 'up').length === 2 ? seen : null;
      });
    } finally {
      await set('up');
      await world.close();
    }
    await ready();
  });

  it('the region of the primary dies, and its member with it: nothing acknowledged is lost', async () => {
    const before = await ready();
    const lost = before.primary?.value.region ?? placeId('');
    const survivor = before.regions.find((region) => region.id !== lost)?.id ?? '';
    const world = openWorld(dir);
    const load = startOrders(edgesOf(before, lost));
    await eventually(20_000, 'orders', async () => (load.acknowledged.length > 20 ? true : null));
    const crash = await crashRegion(world, lost, 'test');
    try {
      await eventually(60_000, 'another primary', async () =>
        (await status(dir)).primary?.value.region === survivor ? true : null,
      );
      expect(await leaderOf()).not.toBe(lost);
      const soFar = load.acknowledged.length;
      await eventually(20_000, 'orders go on', async () => (load.acknowledged.length > soFar + 20 ? true : null));
    } finally {
      await load.stop();
      await crash.undo();
      await world.close();
    }
    expect(await held(survivor, load.acknowledged)).toBe(load.acknowledged.length);
    await ready();
  });

  it('two members die: the primary serves on, nobody is promoted, and their return moves nothing (I8)', async () => {
    const before = await ready();
    const primary = before.primary?.value;
    const world = openWorld(dir);
    const list = await world.supervisor.list();
    if (list.kind !== 'done') throw new Error(list.why);
    const stores = list.value.processes.filter((it) => it.kind === 'store');
    const dead = stores.filter((it) => it.place !== primary?.region);
    const load = startOrders(edgesOf(before, ''));
    try {
      // Stopped where they are, relay and etcd: a dead one would be started again at once.
      for (const { pid } of dead) process.kill(-(pid ?? 0), 'SIGSTOP');
      await eventually(20_000, 'no leader', async () => ((await leaderOf()) === null ? true : null));
      const soFar = load.acknowledged.length;
      await sleep(6_000);
      expect(load.acknowledged.length).toBeGreaterThan(soFar + 20);
      for (const answer of await world.statuses()) expect(answer.last?.value.epoch ?? 0).toBe(before.epoch?.value);
    } finally {
      for (const { pid } of dead) process.kill(-(pid ?? 0), 'SIGCONT');
      await eventually(30_000, 'a leader', leaderOf);
    }
    await sleep(5_000);
    await load.stop();
    const after = await ready();
    await world.close();
    expect(after.primary?.value).toEqual(primary);
    expect(after.epoch?.value).toBe(before.epoch?.value);
    expect(await held(primary?.region ?? '', load.acknowledged)).toBe(load.acknowledged.length);
  });

  it('goes on with its data after down and up', async () => {
    const before = await ready();
    expect((await farshore(['down', '--state', dir])).code).toBe(0);
    const up = await farshore(['up', spec, '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
    const after = await ready();
    expect(after.epoch?.value ?? 0).toBeGreaterThanOrEqual(before.epoch?.value ?? 0);
    expect(after.store.members.every((member) => member.state === 'up')).toBe(true);
  });
});
