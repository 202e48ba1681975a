import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inVerify } from '../../src/base/long.testing.ts';
import { connect, eventually, farshore, removeState, ROOT, stateDir, status } from './cli.ts';

/** I13 on real PostgreSQL and real links: `farshore fault`, its canary, and what becomes of it when it is killed. */
describe('a fault that a person holds', () => {
  const dir = stateDir();
  const killed: (() => void)[] = [];

  beforeAll(async () => {
    const up = await farshore(['up', join(ROOT, 'examples/active-active.yaml'), '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    for (const kill of killed) kill();
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  const primary = () =>
    eventually(60_000, 'ready', async () => {
      const world = await status(dir);
      return world.state === 'ready' && world.primary !== null ? world.primary.value.region : null;
    });
  const inForce = async (): Promise<number> => {
    const ran = await farshore(['fault', 'status', '--json', '--state', dir]);
    return (JSON.parse(ran.stdout) as { readonly inForce: readonly unknown[] }).inForce.length;
  };
  /** Resolves when it is proven; the result kills its runner. */
  const hold = (words: readonly string[]): Promise<() => void> =>
    new Promise((resolve, reject) => {
      const args = [join(ROOT, 'dist/cli/main.js'), 'fault', ...words, '--state', dir];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const kill = () => void child.kill('SIGKILL');
      killed.push(kill);
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      child.stdout.once('data', () => resolve(kill));
      child.once('exit', () => reject(new Error(said)));
    });

  // A runner that is killed while it holds a freeze or a slow disk: faults.real.test.ts, and for a freeze drill.real.test.ts.
  it.each(['wedge', 'blackhole', 'disk-full', 'clock-skew', ...inVerify('freeze', 'slow-disk')])(
    '%s is undone by the world when its runner is killed',
    async (kind) => {
      const region = await primary();
      const kill = await hold([kind, region]);
      expect(await inForce()).toBe(1);
      const again = await farshore(['fault', kind, region, '--state', dir]);
      expect(again.code, again.stderr).toBe(4);
      kill();
      await eventually(15_000, 'nothing is in force', async () => ((await inForce()) === 0 ? true : null));
      const client = await connect(dir, await status(dir), await primary());
      expect((await client.query('SELECT pg_current_wal_lsn() IS NOT NULL AS ok')).rows).toEqual([{ ok: true }]);
      await client.end();
    },
  );

  it('a clock that is wrong moves no primary, in either direction, and is right again afterwards', async () => {
    const region = await primary();
    const { epoch } = await status(dir);
    for (const by of ['1h', '-1h']) {
      const ran = await farshore(['fault', 'clock-skew', region, `--by=${by}`, '--for', '4s', '--state', dir]);
      expect(ran.code, ran.stderr).toBe(0);
      expect(ran.stdout).toMatch(by === '1h' ? /is off by 3(600|599)\d{3} ms/ : /is off by -3(600|599)\d{3} ms/);
      expect(ran.stderr).toContain('undone: clock-skew');
    }
    expect([await primary(), (await status(dir)).epoch]).toEqual([region, epoch]);
  });

  it('ends by itself after --for, looked at', async () => {
    const region = await primary();
    const ran = await farshore(['fault', 'cut', 'store', region, '--for', '500ms', '--state', dir]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toContain('nor a new one gets an answer through any of them');
    expect(ran.stderr).toContain('undone: cut store');
    expect(await inForce()).toBe(0);
  });
});
