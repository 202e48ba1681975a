import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connect,
  connectAdmin,
  eventually,
  farshore,
  holdFault,
  readyWorld,
  removeState,
  ROOT,
  stateDir,
  status,
} from './cli.ts';

/** P8.2 and I7 in a world: a standby that was away for longer than its primary keeps WAL can only be copied again. */
describe('a standby that was left behind', () => {
  const dir = stateDir();
  const undone: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const up = await farshore(['up', join(ROOT, 'examples/active-passive.yaml'), '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    for (const undo of undone) await undo();
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  const copiesOf = (region: string): number =>
    readFileSync(join(dir, 'logs', `${region.replace(':', '-')}-agent.log`), 'utf8').split('"remade"').length - 1;

  it('is brought back by the world itself: nothing waits for a person, nothing is lost', async () => {
    const before = await readyWorld(dir);
    const primary = before.primary?.value.region ?? '';
    const standby = before.regions.find((region) => region.id !== primary)?.id ?? '';
    const copies = copiesOf(standby);
    const undo = await holdFault(dir, ['cut', 'replication', standby], undone);
    await eventually(30_000, 'a primary that serves alone', async () =>
      (await status(dir)).rpoZero.state === 'suspended' ? true : null,
    );
    const client = await connect(dir, before, primary);
    await client.query('CREATE TABLE meanwhile AS SELECT 1 AS id');
    await client.end();
    const admin = await connectAdmin(dir, primary);
    await forgetWal(admin);
    await undo();

    const world = await readyWorld(dir);
    expect(world.rpoZero.state).toBe('kept');
    expect(world.epoch?.value).toBe(before.epoch?.value);
    expect(world.primary?.value.region).toBe(primary);
    expect(copiesOf(standby)).toBe(copies + 1);
    expect((await farshore(['why', standby, '--last', '200', '--state', dir])).stdout).toMatch(/\[join-again\]/);
    const reader = await connectAdmin(dir, standby);
    expect((await reader.query('SELECT id FROM meanwhile')).rows).toEqual([{ id: 1 }]);
    await reader.end();
    await admin.query('ALTER SYSTEM RESET wal_keep_size');
    await admin.query('ALTER SYSTEM RESET max_slot_wal_keep_size');
    await admin.end();
  });
});

/** Keeps no WAL for anybody, whatever the slots say, and writes until the segment that the standby ends in is gone. */
async function forgetWal(admin: pg.Client): Promise<void> {
  await admin.query('ALTER SYSTEM SET wal_keep_size = 0');
  await admin.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
  await admin.query('SELECT pg_reload_conf()');
  const first = async (): Promise<string> =>
    String((await admin.query('SELECT min(name) AS first FROM pg_ls_waldir()')).rows[0]?.first);
  const here = String((await admin.query('SELECT pg_walfile_name(pg_current_wal_lsn()) AS name')).rows[0]?.name);
  for (let tries = 0; tries < 20 && (await first()) <= here; tries += 1) {
    await admin.query('SELECT pg_switch_wal()');
    await admin.query('UPDATE meanwhile SET id = 1');
    await admin.query('CHECKPOINT');
  }
  expect((await first()) > here).toBe(true);
}
