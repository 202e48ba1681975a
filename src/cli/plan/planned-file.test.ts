import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { sharedHazards } from '../../facts/hazards.ts';
import { jurisdictionHolds } from '../../facts/residency.ts';
import { readDeployment } from '../read-deployment.ts';
import { readFacts } from '../read-facts.ts';
import { example, planOf, requestOf } from '../../plan/testing.ts';
import { fileToRun, plannedText } from './planned-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'farshore planned '));
afterAll(() => rmSync(folder, { recursive: true }));
const facts = readFacts();

function write(name: string, changed: (text: string) => string = (text) => text): string {
  const path = join(folder, `${name}.yaml`);
  const example = fileURLToPath(new URL(`../../../examples/plan/${name}.yaml`, import.meta.url));
  writeFileSync(path, changed(readFileSync(example, 'utf8')));
  return path;
}

function run(file: string): { readonly path: string; readonly said: string } {
  const said: string[] = [];
  const path = fileToRun(file, facts, (line) => void said.push(line));
  return { path, said: said.join('\n') };
}

test.each([
  ['eu-shop', 2, 'sync', 1],
  ['world', 4, 'async', 0],
])(
  '%s becomes a deployment that can be run, with a third vote that is allowed and apart',
  (name, count, mode, confirm) => {
    const { path, said } = run(write(name));
    expect(path).toBe(join(folder, `${name}.planned.yaml`));
    expect(said).toContain('regions chosen');
    const { deployment } = readDeployment(path, facts);
    expect(deployment.replication).toMatchObject({ mode, confirm });
    expect(deployment.regions).toHaveLength(count);
    for (const { id } of deployment.regions) expect(said).toContain(id);
    const [site] = deployment.sites;
    expect(site).toMatchObject({ store: true, witness: true });
    if (site === undefined) return;
    for (const { id } of deployment.regions) {
      expect(id).not.toBe(site.id);
      expect(sharedHazards(facts, site.id, id).filter(({ antiAffinity }) => antiAffinity === 'hard')).toEqual([]);
    }
    for (const { jurisdiction } of deployment.residency)
      expect(jurisdictionHolds(facts, jurisdiction, facts.regions.get(site.id)?.country ?? '')).toBe(true);
  },
);

test('what was planned stays, with a warning when the file is another one by now; deleted, it is planned anew', () => {
  const file = write('eu-shop', (text) => `${text}  # once\n`);
  rmSync(join(folder, 'eu-shop.planned.yaml'), { force: true });
  const { path } = run(file);
  const before = readFileSync(path, 'utf8');
  const again = run(file);
  expect(again.said).toContain('delete it to plan anew');
  expect(again.said).not.toContain('warning');
  write('eu-shop', (text) => text.replace('within: 60ms', 'within: 70ms'));
  expect(run(file).said).toContain('warning');
  expect(readFileSync(path, 'utf8')).toBe(before);
  rmSync(path);
  expect(run(file).said).toContain('within 70 ms');
});

test('three regions and RPO 0: one other region confirms; what the file says itself stays', () => {
  const file = write('world', (text) =>
    text
      .replace('tier: high', 'tier: critical')
      .replace('  latency:\n    - { within: 100ms, for: 70 }', '  latency:\n    - { within: 100ms, for: 40 }')
      .replace('  ban: [aws:me-*]', '  syncWithin: 80ms\nsites:\n  - { id: aws:ca-west-1, store: true }'),
  );
  rmSync(join(folder, 'world.planned.yaml'), { force: true });
  const { deployment } = readDeployment(run(file).path, facts);
  expect(deployment.replication).toMatchObject({ mode: 'semi-sync', confirm: 1 });
  expect(deployment.sites.map(({ id }) => String(id))).toEqual(['aws:ca-west-1']);
  expect(deployment.regions.map(({ id }) => String(id))).not.toContain('aws:ca-west-1');
});

test('no plan: nothing is written or started, and the ways out are in the message', () => {
  expect(() => run(write('in-country'))).toThrow(
    /there is no plan to run; nothing was started[^]*any one of these is enough/,
  );
  expect(existsSync(join(folder, 'in-country.planned.yaml'))).toBe(false);
});

test('a file with regions is run as it is; so is one that is no deployment, for its own error', () => {
  const file = join(folder, 'own.yaml');
  copyFileSync(fileURLToPath(new URL('../../../examples/active-passive.yaml', import.meta.url)), file);
  expect(run(file)).toEqual({ path: file, said: '' });
  writeFileSync(file, 'hello: [');
  expect(run(file)).toEqual({ path: file, said: '' });
});

test('a file that cannot be continued is refused before anything is written', () => {
  const file = join(folder, 'flow.yaml');
  writeFileSync(
    file,
    '{ farshore: v1, name: flow, model: active-passive, users: [{ country: FR }], plan: { providers: [aws] } }\n',
  );
  expect(() => run(file)).toThrow(/cannot be run; nothing was written or started[^]*flow.planned.yaml/);
  expect(existsSync(join(folder, 'flow.planned.yaml'))).toBe(false);
});

test('a region that only reads comes last: a file has no role that forbids it to lead', () => {
  const plan = planOf(requestOf(example('plan/eu-shop')));
  const [first, second] = plan.regions;
  if (first === undefined || second === undefined) throw new Error('two regions');
  const reading = {
    ...plan,
    regions: [first, { ...second, role: 'read' as const }, { ...second, role: 'sync' as const }],
  };
  const lines = plannedText('', reading, 'x', {})
    .split('\n')
    .filter((line) => line.includes('- { id:') && !line.includes('store'));
  expect(lines.map((line) => /: (the first primary|sync|read)/.exec(line)?.[1])).toEqual([
    'the first primary',
    'sync',
    'read',
  ]);
  expect(lines.at(-1)).toContain('last in order');
});
