import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, eventually, farshore, removeState, ROOT, stateDir, status, readyWorld } from './cli.ts';

/** What a person asks for: refused with reasons, done without losing a write, found again in the journal. */
describe('operations', () => {
  const dir = stateDir();
  const state = ['--state', dir];
  const run = (...args: string[]) => farshore([...args, ...state]);
  const ready = () => readyWorld(dir);

  beforeAll(async () => {
    const up = await farshore(['up', join(ROOT, 'examples/active-active.yaml'), '--detach', ...state]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    await run('down');
    removeState(dir);
  });

  it('prints checks and a prediction, and changes nothing', async () => {
    const before = await ready();
    const dry = await run('switchover', 'aws:eu-west-1', '--dry-run', '--json');
    expect(dry.code, dry.stderr).toBe(0);
    const said = JSON.parse(dry.stdout) as { wouldBegin: boolean; checks: { name: string; value: string }[] };
    expect(said.wouldBegin).toBe(true);
    expect(said.checks.map(({ name }) => name)).toContain('in the sync record');
    expect((await status(dir)).epoch?.value).toBe(before.epoch?.value);
  });

  it('refuses a move to the primary itself, a region that does not exist, and a force that nobody needs', async () => {
    const world = await ready();
    const self = await run('switchover', world.primary?.value.region ?? '');
    expect(self.code).toBe(4);
    expect(self.stderr).toContain('is not the primary');
    expect((await run('switchover', 'aws:eu-wset-1')).code).toBe(64);
    expect((await run('switchover', 'aws:eu-west-1', '--yes')).code).toBe(64);
    expect((await run('ops', 'cancel')).code).toBe(64);
  });

  it('moves the primary under load without losing an acknowledged write, and back', async () => {
    for (const [verb, region] of [
      ['switchover', 'aws:eu-west-1'],
      ['failback', 'aws:eu-central-1'],
    ] as const) {
      const before = await ready();
      const writer = await writeFrom(dir, 'aws:eu-west-3');
      const moved = await run(verb, region, '--reason', 'test', '--json');
      expect(moved.code, moved.stderr).toBe(0);
      const { acknowledged, table } = await writer.stop();
      const after = await eventually(30_000, 'the new primary', async () => {
        const world = await status(dir);
        return world.primary?.value.region === region ? world : null;
      });
      expect(after.epoch?.value).toBe((before.epoch?.value ?? 0) + 1);
      const client = await connect(dir, after, region);
      const { rows } = await client.query<{ id: string }>(`select id from ${table}`);
      await client.end();
      const present = new Set(rows.map(({ id }) => Number(id)));
      expect(acknowledged.length).toBeGreaterThan(5);
      expect(acknowledged.filter((id) => !present.has(id))).toEqual([]);
    }
  });

  it('keeps all of it in the journal, and says why each region could or could not take over', async () => {
    const world = await ready();
    const history = await run('history', '--json');
    const { operations } = JSON.parse(history.stdout) as {
      operations: { kind: string; state: string; actor: string }[];
    };
    expect(operations.slice(0, 2).map(({ kind, state: how }) => [kind, how])).toEqual([
      ['failback', 'done'],
      ['switchover', 'done'],
    ]);
    const why = await run('why', '--last', '1');
    expect(why.stdout).toContain('could take over now');
    expect(world.paused).toBeNull();
  });

  it('shows a pause until it is ended', async () => {
    expect((await run('pause', '--for', '2h')).code).toBe(64);
    expect((await run('pause', '--for', '2h', '--reason', 'storage move', '--actor', 'ada')).code).toBe(0);
    expect((await status(dir)).paused).toMatchObject({ actor: 'ada', reason: 'storage move' });
    expect((await run('resume')).code).toBe(0);
    expect((await status(dir)).paused).toBeNull();
  });
});

/** Writes through one region's `rw`, one at a time, connecting again whenever the connection ends. Resolves once it writes. */
async function writeFrom(dir: string, region: string) {
  const table = `moved_${Date.now().toString(36)}`;
  const acknowledged: number[] = [];
  let running = true;
  const world = await status(dir);
  let client = await connect(dir, world, region);
  await client.query(`create table ${table} (id bigint primary key)`);
  const writing = (async () => {
    for (let id = 1; running; id++) {
      try {
        await client.query(`insert into ${table} values (${id})`);
        acknowledged.push(id);
      } catch {
        // Unknown to this client: not counted as acknowledged. The next one gets another number.
        client = await eventually(30_000, 'a connection', () => connect(dir, world, region).catch(() => null));
      }
    }
    await client.end();
  })();
  await eventually(30_000, 'the first writes', async () => (acknowledged.length > 5 ? true : null));
  return {
    stop: async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      running = false;
      await writing;
      return { acknowledged, table };
    },
  };
}
