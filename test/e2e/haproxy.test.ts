import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeId } from '../../src/base/ids.ts';
import { crashRegion } from '../../src/world/faults/inject.ts';
import { openWorld } from '../../src/world/open.ts';
import { connect, eventually, farshore, readyWorld, removeState, ROOT, stateDir } from './cli.ts';
import { startOrders } from './load.ts';

describe('a world with a HAProxy beside each edge', () => {
  const dir = stateDir();

  beforeAll(async () => {
    const file = join(ROOT, 'examples/active-active.yaml');
    const up = await farshore(['up', file, '--haproxy', '--rtt-scale', '0', '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  it('the primary’s region dies: orders through the other HAProxies go on, none that was acknowledged is lost', async () => {
    const before = await readyWorld(dir);
    const lost = before.primary?.value.region ?? '';
    const others = before.regions.filter((region) => region.id !== lost);
    const load = startOrders(others.map((region) => region.addresses['haproxy'] ?? ''));
    const world = openWorld(dir);
    await eventually(20_000, 'orders', async () => (load.acknowledged.length > 40 ? true : null));
    const crash = await crashRegion(world, placeId(lost), 'test');
    try {
      const soFar = load.acknowledged.length;
      await eventually(30_000, 'orders go on', async () => (load.acknowledged.length > soFar + 100 ? true : null));
    } finally {
      await load.stop();
      await crash.undo();
      await world.close();
    }
    const after = await readyWorld(dir);
    const client = await connect(dir, after, others[0]?.id ?? '');
    const found = await client.query<{ count: string }>('SELECT count(*) FROM orders WHERE id = ANY($1)', [
      load.acknowledged,
    ]);
    await client.end();
    expect(Number(found.rows[0]?.count)).toBe(load.acknowledged.length);
    expect(load.longestGapMs()).toBeLessThan(10_000);
  });
});
