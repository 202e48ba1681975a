import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  connect,
  connectAdmin,
  eventually,
  farshore,
  processesOf,
  removeState,
  ROOT,
  stateDir,
  status,
} from './cli.ts';

const example = join(ROOT, 'examples/active-passive.yaml');
const isRoot = process.getuid?.() === 0;

/** Where a node's PostgreSQL keeps its data. */
function dataDirOf(dir: string, region: string): string {
  const layout = JSON.parse(readFileSync(join(dir, 'world.json'), 'utf8')) as {
    readonly places: readonly { readonly id: string; readonly nodes: readonly { readonly dataDir: string | null }[] }[];
  };
  return layout.places.find((place) => place.id === region)?.nodes[0]?.dataDir ?? '';
}

describe('bad days of a world', () => {
  const dir = stateDir();

  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  it('a standby whose data is damaged does not keep the primary closed, and everybody is told why', async () => {
    const first = await farshore(['up', example, '--detach', '--state', dir]);
    expect(first.code, first.stderr).toBe(0);
    const healthy = await status(dir);
    const primary = healthy.primary?.value.region ?? '';
    const standby = healthy.regions.find((region) => region.id !== primary)?.id ?? '';
    await farshore(['down', '--state', dir]);
    const stopped = await farshore(['status', '--state', dir]);
    expect(stopped.stdout).toMatch(
      /DOWN\n {2}nothing runs; its data is kept, `farshore up .*--state .*` goes on from it\n/,
    );
    truncateSync(join(dataDirOf(dir, standby), 'global/pg_control'), 0);

    const again = await farshore(['up', example, '--detach', '--state', dir, '--timeout', '25']);
    // It is not whole, and it says so; it serves.
    expect(again.code, again.stderr).toBe(5);
    const world = await status(dir);
    expect(world.primary?.value.region).toBe(primary);
    expect(world.rpoZero.state).toBe('suspended');
    const client = await connect(dir, world, standby);
    await client.query('CREATE TABLE alone (id int)');
    await client.end();
    expect(JSON.stringify(world.regions.find((region) => region.id === standby))).toMatch(/FSH_DATA_CORRUPT/);
    expect((await farshore(['why', '--state', dir])).stdout).toMatch(/FSH_DATA_CORRUPT/);
  });

  it('that data moved aside, the node is cloned again and RPO 0 is back', async () => {
    const before = await status(dir);
    const primary = before.primary?.value.region ?? '';
    const standby = before.regions.find((region) => region.id !== primary)?.id ?? '';
    const data = dataDirOf(dir, standby);
    renameSync(data, `${data}.damaged`);
    const world = await eventually(60_000, 'both regions', async () => {
      const now = await status(dir);
      return now.state === 'ready' ? now : null;
    });
    expect(world.rpoZero.state).toBe('kept');
    expect(existsSync(`${data}.damaged`)).toBe(true);
  });

  it('a standby that somebody promoted by hand is quarantined, saved and made again; the primary stays (I10, I7)', async () => {
    const before = await status(dir);
    const primary = before.primary?.value.region ?? '';
    const standby = before.regions.find((region) => region.id !== primary)?.id ?? '';
    const admin = await connectAdmin(dir, standby);
    await admin.query(`ALTER SYSTEM SET synchronous_standby_names = ''`);
    // Its agent may stop the stray before PostgreSQL has answered.
    await admin.query('SELECT pg_promote(false)').catch(() => undefined);
    await admin.end().catch(() => undefined);
    const saved = await eventually(30_000, 'a salvage', async () => {
      const ran = await farshore(['salvage', 'list', '--json', '--state', dir]);
      const { salvages } = JSON.parse(ran.stdout) as { readonly salvages: readonly { readonly node: string }[] };
      return salvages.find((it) => it.node.startsWith(standby)) ?? null;
    });
    // Nobody kept a slot for a reign that never was: the whole data is kept as well.
    expect(saved).toMatchObject({ how: 'images', complete: false });
    expect(existsSync(`${dataDirOf(dir, standby)}.aside-diverged-before-epoch-${before.epoch?.value}`)).toBe(true);
    expect((await farshore(['why', standby, '--last', '200', '--state', dir])).stdout).toMatch(/\[other-branch\]/);
    const world = await eventually(60_000, 'both regions', async () => {
      const now = await status(dir);
      return now.state === 'ready' ? now : null;
    });
    expect(world.epoch?.value).toBe(before.epoch?.value);
    expect(world.primary?.value.region).toBe(primary);
  });

  it('a store that has forgotten everything is refused, and the data is as it was (I1)', async () => {
    await farshore(['down', '--state', dir]);
    renameSync(join(dir, 'store'), join(dir, 'store.kept'));
    const forgot = await farshore(['up', example, '--detach', '--state', dir, '--timeout', '60']);
    expect(forgot.code, forgot.stderr).toBe(4);
    expect(forgot.stderr).toMatch(/FSH_STORE_BEHIND/);
    await farshore(['down', '--state', dir]);
    renameSync(join(dir, 'store'), join(dir, 'store.empty'));
    renameSync(join(dir, 'store.kept'), join(dir, 'store'));
    const back = await farshore(['up', example, '--detach', '--state', dir]);
    expect(back.code, back.stderr).toBe(0);
    const client = await connect(dir, await status(dir), 'aws:eu-west-1');
    expect((await client.query('SELECT count(*)::int AS n FROM alone')).rows).toEqual([{ n: 0 }]);
    await client.end();
  });

  it('recover store shows what every node has, then writes records of a new epoch that nothing is lost by (P1.1)', async () => {
    const before = await status(dir);
    const client = await connect(dir, before, 'aws:eu-west-1');
    await client.query('INSERT INTO alone VALUES (1)');
    await client.end();
    const whole = await farshore(['recover', 'store', '--apply', '--state', dir]);
    expect(whole.code, whole.stdout).toBe(4);
    expect(whole.stderr).toMatch(/nothing to recover/);
    await farshore(['down', '--state', dir]);
    renameSync(join(dir, 'store'), join(dir, 'store.kept'));
    const closed = await farshore(['up', example, '--detach', '--for-recovery', '--state', dir, '--timeout', '60']);
    expect(closed.code, closed.stderr).toBe(4);
    expect(closed.stderr).toMatch(/runs on, closed/);

    const dry = await eventually(30_000, 'a plan', async () => {
      const ran = await farshore(['recover', 'store', '--state', dir]);
      return ran.code === 0 ? ran : null;
    });
    expect(dry.stdout).toMatch(/would write: epoch \d+, .* alone has everything/);
    expect(dry.stdout).toMatch(/nothing that was acknowledged can be lost/);
    expect((await status(dir)).record).toBeNull();
    const applied = await farshore(['recover', 'store', '--apply', '--json', '--state', dir]);
    expect(applied.code, applied.stderr).toBe(0);
    const { plan } = JSON.parse(applied.stdout) as {
      readonly plan: { readonly epoch: number; readonly primary: string };
    };
    expect(plan.epoch).toBeGreaterThan(before.epoch?.value ?? 0);

    const world = await eventually(60_000, 'both regions', async () => {
      const now = await status(dir);
      return now.state === 'ready' ? now : null;
    });
    expect(world.primary?.value.node).toBe(plan.primary);
    expect(world.rpoZero.state).toBe('kept');
    const again = await connect(dir, world, 'aws:eu-west-1');
    expect((await again.query('SELECT count(*)::int AS n FROM alone')).rows).toEqual([{ n: 1 }]);
    await again.end();
  });
});

/** Listens on some port that `--base-port` accepts. */
async function takePort(): Promise<Server> {
  for (let port = 21_000; ; port += 7) {
    const server = createServer();
    const listening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (listening) return server;
  }
}

describe('what is refused before anything starts', () => {
  const refusedWith = async (dir: string, code: string, exit: number, more: readonly string[] = []) => {
    const refused = await farshore(['up', example, '--detach', '--state', dir, ...more]);
    expect(refused.code, refused.stderr).toBe(exit);
    expect(refused.stderr).toMatch(new RegExp(`error ${code} .+\\n\\s+fix: `));
    expect(processesOf(dir)).toEqual([]);
  };

  it('a folder with other files in it, which stay as they were', async () => {
    const dir = stateDir();
    mkdirSync(dir);
    writeFileSync(join(dir, 'thesis.txt'), 'mine');
    await refusedWith(dir, 'FSH_STATE_FOREIGN', 4);
    expect(readdirSync(dir)).toEqual(['thesis.txt']);
    removeState(dir);
  });

  it('a port that is taken', async () => {
    const taken = await takePort();
    const { port } = taken.address() as AddressInfo;
    const dir = stateDir();
    await refusedWith(dir, 'FSH_PORT_IN_USE', 1, ['--base-port', String(port)]);
    taken.close();
    removeState(dir);
  });

  // Root may write everywhere, except where nobody can; and only root can make such places.
  it.runIf(isRoot).each([
    ['a disk with no room for a world', 'size=24m', 'FSH_DISK_FULL'],
    ['a place where this user may not write', 'size=24m,ro', 'FSH_NO_PERMISSION'],
  ])('%s', async (_name, options, code) => {
    const dir = stateDir();
    const disk = join(dir, '..');
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'farshore-e2e', disk]);
    try {
      await refusedWith(dir, code, 1);
    } finally {
      execFileSync('umount', [disk]);
    }
    removeState(dir);
  });

  it('a PostgreSQL that is not there', async () => {
    const dir = stateDir();
    await refusedWith(dir, 'FSH_POSTGRES_MISSING', 1, ['--postgres-bin', join(dir, 'nowhere')]);
    removeState(dir);
  });
});
