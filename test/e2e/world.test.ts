import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorldStatus } from '../../src/ports/status.ts';
import { connect, eventually, farshore, processesOf, removeState, ROOT, stateDir, status, readyWorld } from './cli.ts';

interface Probe {
  readonly schema: string;
  readonly rtts: readonly {
    readonly from: string;
    readonly to: string;
    readonly ms: number | null;
    readonly why: string;
    readonly expected: { readonly ms: number; readonly method: string; readonly isInBand: boolean | null } | null;
  }[];
}

/** One world through its life: up, used, agent and PostgreSQL killed, down, up again with everything it had. */
describe('a world of three regions', () => {
  const dir = stateDir();
  const example = join(ROOT, 'examples/active-active.yaml');

  beforeAll(async () => {
    const up = await farshore(['up', example, '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
  });
  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  const ready = () => readyWorld(dir);
  // What agents measure between them becomes a fact: probe, import, and from then on it wins.
  const ownFacts = join(dir, '../facts');
  const csv = join(dir, '../measured.csv');

  it('is ready, keeps RPO 0, and says who saw what when', async () => {
    await ready();
    const world = JSON.parse((await farshore(['status', '--json', '--state', dir])).stdout) as WorldStatus;
    expect(world.state).toBe('ready');
    expect(world.schema).toBe('farshore.status/v1');
    expect(world.rpoZero.state).toBe('kept');
    expect(world.regions).toHaveLength(3);
    for (const region of world.regions) {
      expect(Object.values(region.pids).every((pid) => pid !== null)).toBe(true);
      expect(region.nodes[0]?.ageMs).toBeLessThan(5_000);
    }
    expect(world.links).toHaveLength(12);
    // A link delivers up to half a millisecond early each way, which is nearer to its target than half of one late.
    for (const link of world.links) expect(link.measuredRttMs ?? 0).toBeGreaterThanOrEqual(link.targetRttMs - 1);
  });

  it('answers the health checks of a load balancer: one primary, the others replicas, nothing secret without a token (I15)', async () => {
    const world = await ready();
    const primaries: string[] = [];
    for (const region of world.regions) {
      const api = region.addresses['api'] ?? '';
      const codeOf = async (path: string) => (await fetch(`${api}${path}`)).status;
      if ((await codeOf('/primary')) === 200) primaries.push(region.id);
      else expect(await codeOf('/replica?lag=100000000')).toBe(200);
      const commits = primaries.includes(region.id) ? 200 : 503;
      expect(await codeOf('/commits?within=60000')).toBe(commits);
      expect(await codeOf('/readiness')).toBe(200);
      expect(await codeOf('/liveness')).toBe(200);
      expect(await (await fetch(`${api}/metrics`)).text()).toMatch(/^farshore_epoch \d+$/m);
      for (const path of ['/status', '/pulse', '/why', '/rtts']) expect(await codeOf(path)).toBe(401);
    }
    expect(primaries).toEqual([world.primary?.value.region]);
  });

  it('serves requests at every edge, and says from where and why', async () => {
    const world = await ready();
    const served = new Set<string | null>();
    for (const region of world.regions) {
      const edge = region.addresses['edge'] ?? '';
      const id = crypto.randomUUID();
      const body = JSON.stringify({ id, item: 'lamp', quantity: 1 });
      const posted = await fetch(`${edge}/orders`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      });
      expect(posted.status).toBe(201);
      expect(posted.headers.get('x-farshore-region')).toBe(world.primary?.value.region);
      const read = await eventually(10_000, 'the order', async () => {
        const got = await fetch(`${edge}/orders/${id}`);
        return got.status === 200 ? got : null;
      });
      // By weight: this machine is one client, and every edge leads it to the same region.
      served.add(read.headers.get('x-farshore-region'));
      expect(read.headers.get('x-farshore-why')).toBe('weighted');
    }
    expect(served.size).toBe(1);
    expect(world.regions.map((region) => region.id)).toContain([...served][0]);
  });

  it('takes writes through every region and shows them on every replica', async () => {
    const world = await ready();
    const regions = world.regions.map((region) => region.id);
    const first = await connect(dir, world, regions[0] ?? '');
    await first.query('CREATE TABLE IF NOT EXISTS e2e (region text PRIMARY KEY)');
    await first.end();
    for (const region of regions) {
      const client = await connect(dir, world, region);
      await client.query('INSERT INTO e2e VALUES ($1)', [region]);
      await client.end();
    }
    for (const region of regions) {
      await eventually(10_000, `all rows in ${region}`, async () => {
        const client = await connect(dir, world, region, 'ro');
        const { rows } = await client.query('SELECT region FROM e2e');
        await client.end();
        return rows.length === regions.length ? true : null;
      });
    }
  });

  it('probe measures every directed pair of places, as long as the links are, and not much longer', async () => {
    mkdirSync(ownFacts, { recursive: true });
    await ready();
    const ran = await farshore(['probe', '--json', '--state', dir, '--facts', ownFacts, '--out', csv]);
    const { schema, rtts } = JSON.parse(ran.stdout) as Probe;
    expect([ran.code, schema, rtts.length]).toEqual([0, 'farshore.probe/v1', 12]);
    for (const { from, to, ms, expected } of rtts) {
      expect(ms ?? 0, `${from} ${to}`).toBeGreaterThanOrEqual((expected?.ms ?? Number.POSITIVE_INFINITY) - 0.5);
      expect(ms ?? Number.POSITIVE_INFINITY, `${from} ${to}`).toBeLessThan((expected?.ms ?? 0) + 60);
    }
  });

  it('what probe wrote can be imported, and wins', async () => {
    const taken = await farshore(['facts', 'import', csv, '--facts', ownFacts]);
    expect(taken.code, taken.stderr).toBe(0);
    const [first] = readFileSync(csv, 'utf8').split('\n').slice(3);
    const [from = '', to = ''] = first?.split(',') ?? [];
    const found = await farshore(['facts', 'rtt', from, to, '--json', '--facts', ownFacts]);
    expect(JSON.parse(found.stdout)).toMatchObject({ method: 'measured' });
    expect(found.stdout).toContain('farshore probe, median of 9');
  });

  it('loses no write and changes no primary when an agent is killed (P10.1)', async () => {
    const world = await ready();
    const primary = world.primary?.value.region ?? '';
    const client = await connect(dir, world, primary);
    const pid = world.regions.find((region) => region.id === primary)?.pids['agent'];
    expect(pid).toBeTypeOf('number');
    process.kill(pid ?? 0, 'SIGKILL');
    const untilMs = Date.now() + 5_000;
    let written = 0;
    // The session is the same all the time: nobody cut it.
    while (Date.now() < untilMs) {
      await client.query(`INSERT INTO e2e VALUES ('agent ' || $1)`, [written]);
      written += 1;
    }
    await client.end();
    const after = await ready();
    expect(written).toBeGreaterThan(50);
    expect(after.epoch?.value).toBe(world.epoch?.value);
    expect(after.regions.find((region) => region.id === primary)?.pids['agent']).not.toBe(pid);
  });

  it('serves again, in a new epoch, when PostgreSQL is killed, and still has every acknowledged row (I3)', async () => {
    const world = await ready();
    const primary = world.primary?.value.region ?? '';
    const pid = world.regions.find((region) => region.id === primary)?.pids['postgres'];
    const before = await connect(dir, world, primary);
    const count = Number((await before.query('SELECT count(*) FROM e2e')).rows[0]?.count);
    process.kill(pid ?? 0, 'SIGKILL');
    const after = await eventually(60_000, 'a new epoch', async () => {
      const now = await status(dir);
      return now.state === 'ready' && (now.epoch?.value ?? 0) > (world.epoch?.value ?? 0) ? now : null;
    });
    const client = await connect(dir, after, primary);
    expect(Number((await client.query('SELECT count(*) FROM e2e')).rows[0]?.count)).toBeGreaterThanOrEqual(count);
    await client.end();
  });

  it('explains itself', async () => {
    const why = await farshore(['why', '--state', dir]);
    expect(why.code).toBe(0);
    expect(why.stdout).toMatch(/primary/);
    const again = await farshore(['up', example, '--detach', '--state', dir]);
    expect(again.code).toBe(4);
    expect(again.stderr).toMatch(/FSH_STATE_BUSY/);
    expect(again.stderr).toMatch(/fix: /);
  });

  it('leaves no process behind, and comes back with all data (P8.1)', async () => {
    const before = await ready();
    const down = await farshore(['down', '--state', dir]);
    expect(down.code, down.stderr).toBe(0);
    expect(processesOf(dir)).toEqual([]);
    const nobody = await farshore(['probe', '--state', dir]);
    expect([nobody.code, nobody.stdout]).toEqual([1, '']);
    expect(nobody.stderr).toContain('no agent answers: nothing was measured');
    const up = await farshore(['up', example, '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
    const world = await ready();
    expect(world.epoch?.value).toBeGreaterThan(before.epoch?.value ?? 0);
    const client = await connect(dir, world, world.regions[1]?.id ?? '');
    const { rows } = await client.query(`SELECT region FROM e2e WHERE region LIKE 'aws:%'`);
    expect(rows).toHaveLength(3);
    await client.end();
  });
});
