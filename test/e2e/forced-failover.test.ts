import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, eventually, farshore, holdFault, removeState, ROOT, stateDir, status } from './cli.ts';

const HOME = 'aws:eu-central-1';
const OTHER = 'aws:eu-west-1';

/** P3.3: the record says that the primary was alone, and it is gone. Nobody is promoted until a person says two things. */
describe('a primary that was alone is lost', () => {
  const dir = stateDir();
  const run = (...args: string[]) => farshore([...args, '--state', dir]);
  const undone: (() => Promise<void>)[] = [];
  const until = (what: string, is: (world: Awaited<ReturnType<typeof status>>) => boolean) =>
    eventually(60_000, what, async () => {
      const world = await status(dir);
      return is(world) ? world : null;
    });

  beforeAll(async () => {
    const up = await run('up', join(ROOT, 'examples/active-passive.yaml'), '--detach');
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    for (const undo of undone) await undo();
    await run('down');
    removeState(dir);
  });

  it('stays lost, is given up by a word, and what it alone had acknowledged is saved when it returns (I6, I7)', async () => {
    const both = await until('ready', ({ state }) => state === 'ready');
    const maker = await connect(dir, both, HOME);
    await maker.query('create table alone (id int primary key)');
    await maker.end();
    const standbyBack = await holdFault(dir, ['crash', OTHER], undone);
    const solo = await until('solo', ({ rpoZero }) => rpoZero.state === 'suspended');
    const client = await connect(dir, solo, HOME);
    await client.query('insert into alone values (1)');
    await client.end();
    const homeBack = await holdFault(dir, ['crash', HOME], undone);
    await standbyBack();
    await until('the other one is up', ({ regions }) => regions.find(({ id }) => id === OTHER)?.state === 'up');

    const refused = await run('failover', OTHER, '--yes');
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain(`--fenced ${HOME}`);
    expect((await status(dir)).primary).toBeNull();

    const forced = await eventually(30_000, 'the standby can be read', async () => {
      const ran = await run('failover', OTHER, '--fenced', HOME, '--allow-data-loss', 'any', '--yes');
      return ran.code === 0 ? ran : null;
    });
    expect(forced.stdout).toContain('DONE');
    const after = await until('another primary', ({ primary }) => primary?.value.region === OTHER);
    expect(after.epoch?.value).toBe((solo.epoch?.value ?? 0) + 1);

    await homeBack();
    await until('both', ({ state }) => state === 'ready');
    const { salvages } = JSON.parse((await run('salvage', 'list', '--json')).stdout) as {
      readonly salvages: readonly { readonly transactions: number; readonly complete: boolean }[];
    };
    expect(salvages, JSON.stringify(salvages)).toMatchObject([{ complete: true }]);
    expect(salvages[0]?.transactions).toBeGreaterThanOrEqual(1);
  });
});
