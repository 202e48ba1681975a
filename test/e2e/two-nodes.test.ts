import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../../src/base/ids.ts';
import { crashRegion } from '../../src/world/faults/inject.ts';
import { openWorld } from '../../src/world/open.ts';
import { connect, eventually, farshore, removeState, ROOT, stateDir, status, readyWorld } from './cli.ts';
import { startOrders } from './load.ts';

/** Issue: the loss of a node is repaired inside its region; the loss of the region by another one (F20, M5). */
describe('a world with two nodes in each region', () => {
  const dir = stateDir();
  const home = 'aws:eu-central-1';
  const away = 'aws:eu-west-1';

  beforeAll(async () => {
    const up = await farshore(['up', join(ROOT, 'examples/two-nodes.yaml'), '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  const ready = () => readyWorld(dir);
  const primaryIs = (node: string) =>
    eventually(40_000, `${node} is primary`, async () => {
      const world = await status(dir);
      return world.primary?.value.node === node ? world : null;
    });
  /** How many of these orders the primary has, asked in a region that lives. */
  const held = async (region: string, ids: readonly string[]): Promise<number> => {
    const client = await connect(dir, await status(dir), region);
    const found = await client.query<{ count: string }>('SELECT count(*) FROM orders WHERE id = ANY($1)', [ids]);
    await client.end();
    return Number(found.rows[0]?.count);
  };

  it('one node of the other region confirms; the neighbour never does (M5, M6)', async () => {
    const world = await ready();
    expect(world.primary?.value.node).toBe(`${home}/n1`);
    expect(world.record?.value.w).toBe(1);
    // Whichever of the two was ready first; never both, and never the neighbour.
    expect([[`${away}/n1`], [`${away}/n2`]]).toContainEqual(world.record?.value.names);
    expect(world.regions.map((region) => region.nodes.length)).toEqual([2, 2]);
  });

  it('the primary’s node dies: its neighbour takes over, no acknowledged order is lost, routes stay', async () => {
    const before = await ready();
    const world = openWorld(dir);
    const edges = before.regions.map((region) => region.addresses['edge'] ?? '');
    const load = startOrders(edges);
    await eventually(20_000, 'orders', async () => (load.acknowledged.length > 20 ? true : null));
    const crash = await crashRegion(world, nodeId(placeId(home), 'n1'), 'test');
    try {
      expect(crash.killed.length).toBeGreaterThan(0);
      await primaryIs(`${home}/n2`);
      const records = await world.records();
      if (records.kind !== 'done') throw new Error(records.why);
      expect(records.value.routes?.primary).toMatchObject({ node: `${home}/n2`, region: home });
      const soFar = load.acknowledged.length;
      await eventually(20_000, 'orders go on', async () => (load.acknowledged.length > soFar + 40 ? true : null));
    } finally {
      await load.stop();
      await crash.undo();
      await world.close();
    }
    expect(await held(away, load.acknowledged)).toBe(load.acknowledged.length);
    expect(load.longestGapMs()).toBeLessThan(30_000);
    const after = await ready();
    expect(after.primary?.value.node).toBe(`${home}/n2`);
  });

  it('a region dies with all its nodes: a node of the other one takes over, nothing is lost', async () => {
    const before = await ready();
    const world = openWorld(dir);
    const load = startOrders([before.regions.find((region) => region.id === away)?.addresses['edge'] ?? '']);
    await eventually(20_000, 'orders', async () => (load.acknowledged.length > 20 ? true : null));
    const crash = await crashRegion(world, placeId(home), 'test');
    try {
      const now = await eventually(40_000, `${away} is primary`, async () => {
        const seen = await status(dir);
        return seen.primary?.value.region === away ? seen : null;
      });
      // The neighbour of the new primary would be lost with it, so nobody can confirm: promised is what the file declares.
      expect(now.rpoZero.state).not.toBe('none');
      const soFar = load.acknowledged.length;
      await eventually(20_000, 'orders go on', async () => (load.acknowledged.length > soFar + 20 ? true : null));
    } finally {
      await load.stop();
      await crash.undo();
      await world.close();
    }
    expect(await held(away, load.acknowledged)).toBe(load.acknowledged.length);
    expect((await ready()).primary?.value.region).toBe(away);
  });
});
