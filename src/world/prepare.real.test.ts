import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FarshoreError } from '../base/errors.ts';
import { placeId } from '../base/ids.ts';
import { defaultRouting } from '../decide/routing/defaults.ts';
import type { Deployment } from '../spec/deployment.ts';
import { freePorts } from './free-ports.ts';
import { dataNodesOf } from './layout.ts';
import { takeLock } from './lock.ts';
import { prepareWorld } from './prepare.ts';
import { startWorld } from './start.ts';
import { runDirOf, takeRunDir, worldId } from './state-dir.ts';

const region = (id: string): Deployment['regions'][number] => ({
  id: placeId(id),
  role: 'active',
  weight: 1,
  control: 'owned',
  nodes: ['n1'],
  store: false,
  promotable: true,
});
const shop: Deployment = {
  name: 'shop',
  model: 'active-active',
  tier: 'high',
  objectives: { rtoMs: 30_000, rpoMs: 0 },
  regions: [region('aws:eu-west-1'), region('aws:eu-west-3')],
  sites: [{ id: placeId('aws:eu-north-1'), store: true, witness: true }],
  residency: [],
  replication: { mode: 'sync', confirm: 1, whenAlone: 'serve-with-rpo-suspended', rpoWhileDegradedMs: 1, async: null },
  traffic: { routing: defaultRouting([]), geoDatabase: null },
  edgeTls: null,
  leaseTtlMs: 3_000,
  timings: {},
  application: null,
  dns: null,
};

let folder: string;
const runDirs: string[] = [];
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'fsh prepare ')));
});
afterEach(() => {
  for (const path of [folder, ...runDirs.splice(0)]) rmSync(path, { recursive: true, force: true });
});

/** Below the ports that the kernel gives out, above those of worlds that people run; another for every test process. */
const QUIET_PORT = 20_000 + 100 * (process.pid % 100);
const options = (stateDir: string, basePort = QUIET_PORT) => {
  runDirs.push(runDirOf(worldId(stateDir)));
  return { specPath: join(folder, 'shop.yaml'), stateDir, basePort, rttMs: () => 10 };
};
async function codeFrom(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FarshoreError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

describe('preparing a world', () => {
  it('writes all that the supervisor needs, secrets for this user only, and keeps ports and secrets the next time', async () => {
    const stateDir = join(folder, 'state');
    const first = await prepareWorld(shop, options(stateDir));
    const secrets = readFileSync(first.secretsPath, 'utf8');
    expect(statSync(first.secretsPath).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(stateDir, 'world.json'), 'utf8')).not.toContain(JSON.parse(secrets).appPassword);
    for (const plan of first.processes) expect(statSync(plan.argv.at(-1) ?? '').mode & 0o777).toBe(0o600);
    const second = await prepareWorld(shop, { ...options(stateDir), basePort: undefined });
    expect(second).toEqual(first);
    expect(readFileSync(first.secretsPath, 'utf8')).toBe(secrets);
  });

  it('changes nothing in a folder that holds something else', async () => {
    writeFileSync(join(folder, 'precious.txt'), 'mine');
    expect((await codeFrom(prepareWorld(shop, options(folder)))).code).toBe('FSH_STATE_FOREIGN');
    expect(readdirSync(folder)).toEqual(['precious.txt']);
    expect((await codeFrom(prepareWorld(shop, options(join(folder, 'precious.txt'))))).code).toBe('FSH_STATE_FOREIGN');
  });

  it('does not take the world of another deployment', async () => {
    const stateDir = join(folder, 'state');
    await prepareWorld(shop, options(stateDir));
    const before = readFileSync(join(stateDir, 'world.json'), 'utf8');
    const { code, message } = await codeFrom(prepareWorld({ ...shop, name: 'bank' }, options(stateDir)));
    expect(code).toBe('FSH_STATE_FOREIGN');
    expect(message).toMatch(/"shop".*"bank"/);
    expect(readFileSync(join(stateDir, 'world.json'), 'utf8')).toBe(before);
  });

  it('does not forget a region or a store that it has data for; a further region is fine', async () => {
    const stateDir = join(folder, 'state');
    const first = await prepareWorld(shop, options(stateDir));
    const [kept, second] = shop.regions;
    if (kept === undefined || second === undefined) throw new Error('two regions');
    const renamed = { ...shop, regions: [kept, region('aws:eu-west-2')] };
    // As long as no data is there, nothing can be forgotten.
    await prepareWorld(renamed, options(stateDir));
    await prepareWorld(shop, options(stateDir));
    const dataDir = dataNodesOf(first)[1]?.dataDir ?? '';
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, 'PG_VERSION'), '18');
    mkdirSync(join(stateDir, 'store', 'aws-eu-north-1'));
    writeFileSync(join(stateDir, 'store', 'aws-eu-north-1', 'log'), '1');
    const before = readFileSync(join(stateDir, 'world.json'), 'utf8');
    for (const [deployment, named] of [
      [{ ...shop, regions: [kept] }, 'data of aws:eu-west-3 '],
      [renamed, 'data of aws:eu-west-3 '],
      [{ ...shop, regions: [kept, { ...second, nodes: ['other'] }] }, 'data of aws:eu-west-3/n1 '],
      [{ ...shop, sites: [{ id: placeId('aws:eu-south-1'), store: true, witness: true }] }, 'store of aws:eu-north-1 '],
    ] as const) {
      const { code, message } = await codeFrom(prepareWorld(deployment, options(stateDir)));
      expect(code).toBe('FSH_STATE_FOREIGN');
      expect(message).toContain(named);
      expect(message).toContain('shop.yaml does not name; nothing was changed');
      expect(readFileSync(join(stateDir, 'world.json'), 'utf8')).toBe(before);
    }
    const more = { ...shop, regions: [...shop.regions, region('aws:eu-west-2')] };
    expect((await prepareWorld(more, options(stateDir))).places.filter((place) => place.data).length).toBe(3);
  });

  it('names the port that is taken, and by whom', async () => {
    const [port = 0] = await freePorts(1);
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { code, message } = await codeFrom(prepareWorld(shop, options(join(folder, 'state'), port)));
      expect(code).toBe('FSH_PORT_IN_USE');
      expect(message).toContain(`port ${port} of `);
      expect(message).toContain(`in use by process ${process.pid} `);
    } finally {
      server.close();
    }
  });

  it('does not start a world twice', async () => {
    const stateDir = join(folder, 'state');
    const lock = await takeLock(`world-${worldId(stateDir)}`);
    expect((await codeFrom(startWorld(shop, options(stateDir)))).code).toBe('FSH_STATE_BUSY');
    expect(readdirSync(folder)).toEqual([]);
    lock?.release();
  });

  it('does not use a run directory that somebody prepared', () => {
    const runDir = join(folder, 'run');
    mkdirSync(join(folder, 'elsewhere'));
    symlinkSync(join(folder, 'elsewhere'), runDir);
    expect(() => takeRunDir(runDir, false)).toThrow(/does not belong/);
  });
});
