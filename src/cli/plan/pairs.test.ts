import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { plan } from '../plan.ts';
import { reportError } from '../report-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore pairs '));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

async function run(...argv: string[]) {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      output[name] += String(chunk);
      return true;
    });
  const exit = await plan(['--pairs', ...argv, '--facts', folder]).catch(reportError);
  vi.restoreAllMocks();
  return { exit, ...output };
}

test('the guide shows the rules of thumb as the command prints them', async () => {
  const { exit, stdout } = await run();
  expect(exit).toBe(0);
  const rules = stdout.slice(stdout.indexOf('HALF RIGHT: N. Virginia'));
  expect(rules.length).toBeGreaterThan(1_000);
  const guide = readFileSync(new URL('../../../docs/guide/pairs.md', import.meta.url), 'utf8');
  expect(guide).toContain(rules);
});

test('as JSON with its schema; providers and distance are asked for', async () => {
  const { stdout } = await run('--json', '--provider', 'azure', '--apart', '1000');
  const read = JSON.parse(stdout) as {
    schema: string;
    continents: { pairs: { regions: string[]; km: number }[] }[];
  };
  expect(read.schema).toBe('farshore.plan-pairs/v1');
  const pairs = read.continents.flatMap((one) => one.pairs);
  expect(pairs.length).toBeGreaterThan(0);
  for (const { regions, km } of pairs) {
    expect(km).toBeGreaterThanOrEqual(1_000);
    for (const region of regions) expect(region).toMatch(/^azure:/);
  }
});

test('--full names a partner for every region, or why it has none', async () => {
  const { stdout } = await run('--full', '--provider', 'aws');
  expect(stdout).toMatch(/aws:af-south-1 +none here +the only region of aws here/);
  expect(stdout.match(/^ {2}aws:eu-west-1 .* km/m)).not.toBeNull();
});

test.each([
  ['a file is not asked', ['farshore.yaml'], '--pairs is about the facts, not about "farshore.yaml"'],
  ['an unknown provider', ['--provider', 'ibm'], '--provider is aws, azure, gcp, not "ibm"'],
  ['a distance that is none', ['--apart', 'far'], '--apart must be a whole number'],
])('%s', async (_, argv, message) => {
  expect(await run(...argv)).toMatchObject({ exit: 64, stderr: expect.stringContaining(message) as string });
});
