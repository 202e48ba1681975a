import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, eventually, farshore, holdFault, readyWorld, removeState, ROOT, stateDir, status } from './cli.ts';
import { startOrders } from './load.ts';

/** Issue: asynchronous replication. The end of the old primary is waited for, and what is lost is bounded, told and saved. */
describe('a world whose commits wait for nobody', () => {
  const dir = stateDir();
  const home = 'aws:us-east-1';
  const undone: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const up = await farshore(['up', join(ROOT, 'examples/async.yaml'), '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    for (const undo of undone) await undo();
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  it('says what is not promised, and who could take over (M7)', async () => {
    await readyWorld(dir);
    const world = await eventually(20_000, 'two candidates', async () => {
      const now = await status(dir);
      return now.record?.value.names.length === 2 ? now : null;
    });
    expect(world.rpoZero).toMatchObject({ state: 'none', why: { code: 'async' } });
    expect(world.record?.value.w).toBe(0);
    expect(world.regions.find(({ id }) => id === home)?.nodes[0]?.value).toMatchObject({
      list: { w: 0 },
      sync: 'primary',
    });
  });

  it('cut off, the primary stops by itself; another one takes over after its lease; what was lost is saved (F23, F24, P8.3)', async () => {
    const before = await readyWorld(dir);
    const load = startOrders(before.regions.map((region) => region.addresses['edge'] ?? ''));
    await eventually(20_000, 'orders', async () => (load.acknowledged.length > 60 ? true : null));
    // The rate that is reckoned with, and the trail of the primary's pulses, are of a primary that has served for a while.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const cutAtMs = performance.now();
    const undo = await holdFault(dir, ['blackhole', home], undone);
    const after = await eventually(30_000, 'another primary', async () => {
      const now = await status(dir);
      const region = now.primary?.value.region;
      return region !== undefined && region !== home && now.regions.some((it) => it.id === region) ? now : null;
    });
    expect(performance.now() - cutAtMs).toBeLessThan(15_000);
    expect(after.epoch?.value).toBe(2);
    // The new primary is open before its takeover is written down as done.
    await eventually(20_000, 'takeover-2 in the history', async () =>
      (await farshore(['history', '--state', dir])).stdout.includes('takeover-2') ? true : null,
    );
    await load.stop();
    await undo();
    await readyWorld(dir);

    const region = after.primary?.value.region ?? '';
    const client = await connect(dir, await status(dir), region);
    const found = await client.query<{ id: string }>('SELECT id FROM orders WHERE id = ANY($1)', [load.acknowledged]);
    await client.end();
    const kept = new Set(found.rows.map((row) => row.id));
    const lost = load.acknowledged.filter((id) => !kept.has(id));
    // The users of the lost region went on ordering until its end: an async failover that loses nothing would prove nothing.
    expect(lost.length).toBeGreaterThan(0);
    const listed = await farshore(['salvage', 'list', '--state', dir]);
    const [operation = ''] = /takeover-2-\S+/.exec(listed.stdout) ?? [];
    const shown = await farshore(['salvage', 'show', operation, '--sql', '--state', dir]);
    expect(shown.code, shown.stderr).toBe(0);
    for (const id of lost) expect(shown.stdout, `order ${id} was acknowledged, lost, and not saved`).toContain(id);
  }, 120_000);
});
