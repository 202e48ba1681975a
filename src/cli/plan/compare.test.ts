import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Plan } from '../../plan/plan.ts';
import { plan } from '../plan.ts';
import { reportError } from '../report-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore compare '));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const example = (name: string) => fileURLToPath(new URL(`../../../examples/plan/${name}.yaml`, import.meta.url));
const shop = example('eu-shop');
const [a, b] = [join(folder, 'a.json'), join(folder, 'b.json')];

async function run(...argv: string[]) {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      output[name] += String(chunk);
      return true;
    });
  const exit = await plan([...argv, '--facts', folder]).catch(reportError);
  vi.restoreAllMocks();
  return { exit, ...output };
}

beforeAll(async () => {
  await run(shop, '--out', a);
  await run(shop, '--out', b, '--pin', 'aws:eu-central-1');
});

test('diff: a deployment file is no plan, and how to make one of it', async () => {
  const { exit, stderr } = await run('diff', a, shop);
  expect(exit).toBe(64);
  expect(stderr).toContain(`${shop} is no plan: a comparison reads what \`farshore plan FILE --out plan.json\` wrote`);
  expect(stderr).toContain(`farshore plan ${shop} --out ${shop.replace('.yaml', '.json')}`);
  expect(stderr).not.toContain('JSON at position');
});

test('diff: what is another; exit 2 only when it is asked for', async () => {
  const { exit, stdout } = await run('diff', a, b);
  expect(exit).toBe(0);
  expect(stdout).toMatch(/\+ aws:eu-central-1/);
  expect(stdout).toContain('pin.0  – → "aws:eu-central-1"');
  expect((await run('diff', a, b, '--detailed-exitcode')).exit).toBe(2);
  expect(await run('diff', a, a, '--detailed-exitcode')).toMatchObject({
    exit: 0,
    stdout: 'eu-shop: the two plans are the same\n',
  });
  expect((JSON.parse((await run('diff', a, b, '--json')).stdout) as { schema: string }).schema).toBe(
    'farshore.plan-diff/v1',
  );
});

test('plans record what they are from: other packs or own facts of the same names are a difference', async () => {
  const own = join(folder, 'own');
  mkdirSync(own, { recursive: true });
  const planned = async (name: string, price: number) => {
    writeFileSync(join(own, 'regions.json'), JSON.stringify({ 'aws:ap-south-1': { generalUsdPerHour: price } }));
    writeFileSync(join(own, 'rtt-ours.csv'), '# asOf: 2026-11-20\nfrom,to,rtt_ms\naws:us-east-1,aws:us-east-2,11\n');
    const out = join(folder, name);
    expect(await plan([shop, '--out', out, '--json', '--facts', own]).catch(reportError)).toBe(0);
    return out;
  };
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const [one, two] = [await planned('own-1.json', 0.9), await planned('own-2.json', 0.8)];
  vi.restoreAllMocks();
  const read = JSON.parse(readFileSync(one, 'utf8')) as Plan;
  expect(read.ownFacts).toEqual([
    { file: 'rtt-ours.csv', asOf: '2026-11-20', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    { file: 'regions.json', asOf: null, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
  ]);
  const sums = JSON.parse(readFileSync(new URL('../../../facts/checksums.json', import.meta.url), 'utf8')) as Record<
    string,
    string
  >;
  for (const { pack, sha256 } of read.facts) expect(sha256, pack).toBe(sums[`${pack}.json`]);
  const changed = await run('diff', one, two, '--detailed-exitcode');
  expect(changed.exit).toBe(2);
  expect(changed.stdout).toMatch(/your own regions\.json +sha256 [0-9a-f]{12} → sha256 [0-9a-f]{12}\n/);
  expect(changed.stdout).not.toContain('rtt-ours');
  expect((await run('diff', a, one)).stdout).toMatch(/your own rtt-ours\.csv +– → 2026-11-20, sha256/);
  const old = join(folder, 'old.json');
  const { ownFacts: _, ...before } = read;
  writeFileSync(old, JSON.stringify({ ...before, facts: read.facts.map(({ pack, asOf }) => ({ pack, asOf })) }));
  expect((await run('diff', old, two)).stdout).toContain('the two plans are the same');
});

test('relax: the price of each demand; of a file without a plan its ways out, exit 4', async () => {
  const { exit, stdout } = await run('relax', shop);
  expect(exit).toBe(0);
  expect(stdout).toMatch(/RTO 30 s +→ RTO 30 min: a smaller standby +saves \$\d+/);
  expect(stdout).toContain('costs nothing at this notch');
  const none = await run('relax', example('in-country'));
  expect(none.exit).toBe(4);
  expect(none.stdout).toContain('any one of these is enough');
});

test('drift: nothing has moved, so stay', async () => {
  const { exit, stdout } = await run('drift', shop, '--against', b, '--detailed-exitcode');
  expect(exit).toBe(0);
  expect(stdout).toContain('stay: nothing wins by more than the error of the figures');
});

test('drift: with round trips of one’s own the plan is broken and a change is suggested, exit 2 when asked for', async () => {
  const own = join(folder, 'rtt-own.csv');
  const [first, second] = (JSON.parse(readFileSync(a, 'utf8')) as { regions: { id: string }[] }).regions;
  writeFileSync(own, `# asOf: 2026-11-20\nfrom,to,rtt_ms\n${first?.id},${second?.id},95\n`);
  const { exit, stdout } = await run('drift', shop, '--against', a, '--detailed-exitcode');
  rmSync(own);
  expect(stdout).toContain('→ 95 ms');
  expect(stdout).toContain('suggested, best first');
  expect(exit).toBe(2);
});

test.each([
  [['diff', a], 'which two plans?'],
  [['diff', a, shop], 'is no plan: a comparison reads what'],
  [['drift', shop], 'against which plan?'],
  [['relax'], 'which deployment file? farshore plan relax FILE'],
  [['relax', shop, shop], 'which deployment file?'],
])('%j is a mistake', async (argv, message) => {
  expect(await run(...argv)).toMatchObject({ exit: 64, stderr: expect.stringContaining(message) as string });
});
