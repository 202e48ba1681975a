import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import type { Plan } from '../plan/plan.ts';
import { plan } from './plan.ts';
import { reportError } from './report-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore plan '));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const example = (name: string) => fileURLToPath(new URL(`../../examples/${name}.yaml`, import.meta.url));
const shop = example('plan/eu-shop');

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function run(...argv: string[]) {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      output[name] += String(chunk);
      return true;
    });
  }
  const exit = await plan([...argv, '--facts', folder]).catch(reportError);
  vi.restoreAllMocks();
  return { exit, ...output };
}

test('summary first; the same as JSON, into a file too', async () => {
  const { exit, stdout } = await run(shop);
  expect(exit).toBe(0);
  expect(stdout).toMatch(/^eu-shop: active-passive · tier critical \(RTO 30s, RPO 0s\) · regions chosen\n/);
  expect(stdout).toContain('optimal: all');
  const out = join(folder, 'plan.json');
  const json = await run(shop, '--json', '--out', out, '--top', '2');
  expect(readFileSync(out, 'utf8')).toBe(json.stdout);
  const read = JSON.parse(json.stdout) as Plan;
  expect(read.schema).toBe('farshore.plan/v1');
  expect(read.alternatives).toHaveLength(2);
  expect(stdout).toContain(read.regions[0]?.id);
});

test('pins and bans of the command line hold; both at once do not', async () => {
  const { stdout } = await run(shop, '--json', '--pin', 'aws:eu-central-1', '--ban', 'aws:eu-north-*');
  const ids = (JSON.parse(stdout) as Plan).regions.map(({ id }) => String(id));
  expect(ids).toContain('aws:eu-central-1');
  expect(ids).not.toContain('aws:eu-north-1');
  const both = await run(shop, '--pin', 'aws:eu-north-1', '--ban', 'aws:eu-*');
  expect([both.exit, both.stderr]).toEqual([64, expect.stringContaining('is pinned and banned')]);
  const wrong = await run(shop, '--pin', 'aws:eu-nroth-1');
  expect([wrong.exit, wrong.stderr]).toEqual([64, expect.stringContaining('did you mean "aws:eu-north-1"?')]);
});

test('no plan: exit 4, what is in conflict with its place in the file, and what would be enough', async () => {
  const poor = write('poor.yaml', `${readFileSync(shop, 'utf8')}  budget: 1000\n`);
  const { exit, stdout } = await run(poor);
  expect(exit).toBe(4);
  const line = readFileSync(poor, 'utf8').split('\n').indexOf('  budget: 1000') + 1;
  expect(stdout).toContain(`budget: at most $1000 a month (${poor}:${line}:11)`);
  expect(stdout).toMatch(/\$\d+ a month more than the budget/);
});

test('regions of the file that are too far for its users: judged, exit 1', async () => {
  const text = readFileSync(example('active-passive'), 'utf8').replace(
    '  rpo: 0s',
    '  latency: [{ within: 20ms, for: 90 }]\n  rpo: 0s',
  );
  const { exit, stdout } = await run(write('far.yaml', text));
  expect(exit).toBe(1);
  expect(stdout).toMatch(/! .* of all users within 20 ms, asked were 90.0 %/);
});

test('users from a table; an error in it has its place', async () => {
  const users = write('users.csv', 'country,share\nFR,10\n');
  expect((JSON.parse((await run(shop, '--json', '--users', users)).stdout) as Plan).request.users).toEqual([
    { country: 'FR', share: 1 },
  ]);
  const placed = write('placed.csv', 'country,share,lat,lon\nFR,30,48.85,2.35\nFR,10,,\n');
  expect((JSON.parse((await run(shop, '--json', '--users', placed)).stdout) as Plan).request.users).toEqual([
    { country: 'FR', share: 0.75, at: { lat: 48.85, lon: 2.35 } },
    { country: 'FR', share: 0.25 },
  ]);
  const nowhere = write('nowhere.csv', 'country,share,lat,lon\nFR,30,98.85,2.35\n');
  expect(await run(shop, '--users', nowhere)).toMatchObject({
    exit: 3,
    stderr: expect.stringContaining(`${nowhere}:2:7: "98.85,2.35" is no place on the globe`) as string,
  });
  const wrong = write('wrong.csv', 'country,share\nFX,10\n');
  expect(await run(shop, '--users', wrong)).toMatchObject({
    exit: 3,
    stderr: expect.stringContaining(`${wrong}:2:1: unknown country "FX"`) as string,
  });
});

test('explain: in the plan, not better, kept out', async () => {
  const { stdout } = await run(shop, '--json');
  const [first] = (JSON.parse(stdout) as Plan).regions;
  expect((await run('explain', String(first?.id), shop)).stdout).toContain('is in the plan: primary');
  const out = await run('explain', 'aws:us-east-1', shop);
  expect(out.stdout).toContain('"gdpr" keeps all data in EU');
  expect(out.stdout).toContain('with it pinned there is no plan');
  expect((await run('explain', 'aws:eu-central-1', shop)).stdout).toContain('with it pinned the best is');
});

test('a third vote is named with its reason; every region says why it has its role', async () => {
  const read = JSON.parse((await run(shop, '--json')).stdout) as Plan;
  const { witness, regions } = read;
  expect(regions.map(({ id }) => id)).not.toContain(witness?.id);
  for (const { roleWhy } of regions) expect(roleWhy.length).toBeGreaterThan(20);
  const { stdout } = await run(shop);
  expect(stdout).toContain(`witness    ${witness?.id} (${witness?.place}): a third vote without data`);
  expect(read.cost.lines.find(({ what }) => what === 'witness')?.region).toBe(witness?.id);
  expect(stdout).toContain(witness?.why);
});

test('--within is a time', async () => {
  expect(await run(shop, '--within', 'soon')).toMatchObject({ exit: 64 });
  expect((await run(shop, '--within', '20s')).stdout).toContain('optimal: all');
});
