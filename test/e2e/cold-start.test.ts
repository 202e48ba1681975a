import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { placeId } from '../../src/base/ids.ts';
import type { WorldStatus } from '../../src/ports/status.ts';
import { crashRegion } from '../../src/world/faults/inject.ts';
import { openWorld } from '../../src/world/open.ts';
import { connect, eventually, farshore, removeState, ROOT, stateDir, status, readyWorld } from './cli.ts';

/** P8.1: every region and the store are killed at one moment, and come back in an order of their own, with pauses. */
describe('cold start of three regions', () => {
  const dir = stateDir();
  let rows = 0;
  const undos: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    const first = await farshore([
      'up',
      join(ROOT, 'examples/global.yaml'),
      '--rtt-scale',
      '0',
      '--detach',
      '--state',
      dir,
    ]);
    expect(first.code, first.stderr).toBe(0);
    const world = await status(dir);
    const client = await connect(dir, world, world.regions[0]?.id ?? '');
    await client.query('CREATE TABLE kept (id int PRIMARY KEY)');
    await client.end();
  });
  // A test that failed in the middle must not keep regions down for the next one.
  afterEach(async () => {
    for (const undo of undos.splice(0)) await undo();
  });
  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  const ready = () => readyWorld(dir);

  /** Acknowledged rows, then everything is killed. The undo of each region brings it back. */
  async function killEverything() {
    const before = await ready();
    const client = await connect(dir, before, before.primary?.value.region ?? '');
    for (let i = 0; i < 20; i++) await client.query('INSERT INTO kept VALUES ($1)', [++rows]);
    const world = openWorld(dir);
    const store = before.sites.flatMap((site) => site.pids['store'] ?? []);
    const [crashes] = await Promise.all([
      Promise.all(before.regions.map((region) => crashRegion(world, placeId(region.id), `cold-start-${region.id}`))),
      ...store.map(async (pid) => process.kill(pid, 'SIGKILL')),
    ]);
    undos.push(...crashes.map((crash) => () => crash.undo()), () => world.close());
    client.end().catch(() => undefined);
    const back = async (region: string): Promise<void> => {
      await crashes[before.regions.findIndex((it) => it.id === region)]?.undo();
    };
    const primary = before.primary?.value.region ?? '';
    const standbys = before.regions.map((region) => region.id).filter((id) => id !== primary);
    return { before, back, primary, standbys };
  }

  const opened = (region?: string) =>
    eventually(60_000, `an open primary${region === undefined ? '' : ` in ${region}`}`, async () => {
      const now = await status(dir);
      const at = now.primary?.value.region;
      return at !== undefined && (region === undefined || at === region) ? now : null;
    });

  /** Everything acknowledged is there, in a newer epoch, and one node is open. */
  async function check(now: WorldStatus, before: WorldStatus): Promise<void> {
    const client = await connect(dir, now, now.primary?.value.region ?? '');
    expect((await client.query('SELECT count(*)::int AS n FROM kept')).rows).toEqual([{ n: rows }]);
    await client.end();
    expect(now.epoch?.value).toBeGreaterThan(before.epoch?.value ?? 0);
    expect(
      now.regions.flatMap((region) => region.nodes).filter((node) => node.value.open && node.ageMs < 2_000),
    ).toHaveLength(1);
  }

  it('one standby stays closed and says what to do; the second makes a quorum without the last primary, which follows', async () => {
    const { before, back, primary, standbys } = await killEverything();
    const [near = '', far = ''] = standbys;
    await back(far);
    const why = await eventually(30_000, 'a reason', async () => {
      const now = await farshore(['why', far, '--state', dir]);
      return /bring .* back/.test(now.stdout) ? now.stdout : null;
    });
    expect(why).toContain(primary);
    expect((await status(dir)).primary).toBeNull();
    await back(near);
    const now = await opened();
    expect(now.primary?.value.region).not.toBe(primary);
    await check(now, before);
    await back(primary);
    const all = await ready();
    expect(all.rpoZero.state).toBe('kept');
    expect(all.primary?.value.region).toBe(now.primary?.value.region);
  });

  it('the last primary opens by itself, before anybody else is back', async () => {
    const { before, back, primary, standbys } = await killEverything();
    await back(primary);
    await check(await opened(primary), before);
    for (const region of standbys) await back(region);
    expect((await ready()).rpoZero.state).toBe('kept');
  });

  it('a standby, then the last primary, while the third never comes', async () => {
    const { before, back, primary, standbys } = await killEverything();
    const [near = '', far = ''] = standbys;
    await back(near);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect((await status(dir)).primary).toBeNull();
    await back(primary);
    await check(await opened(), before);
    await back(far);
    await ready();
  });
});
