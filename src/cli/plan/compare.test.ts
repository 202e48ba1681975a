import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
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
