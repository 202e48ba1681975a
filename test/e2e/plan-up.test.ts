import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { farshore, readyWorld, removeState, ROOT, stateDir } from './cli.ts';

const dir = stateDir();
const folder = mkdtempSync(join(tmpdir(), 'farshore planned '));

afterAll(async () => {
  await farshore(['down', '--state', dir]);
  removeState(dir);
  rmSync(folder, { recursive: true });
});

/** From users, laws and objectives to running processes, without a region named by a person. */
it('a file without regions is planned, shown and run, its links as long as the plan says', async () => {
  const file = join(folder, 'shop.yaml');
  copyFileSync(join(ROOT, 'examples/plan/eu-shop.yaml'), file);
  const up = await farshore(['up', file, '--detach', '--state', dir], { FARSHORE_FACTS: folder });
  expect(up.code, up.stderr).toBe(0);
  await readyWorld(dir);
  const planned = await farshore(['plan', file, '--json'], { FARSHORE_FACTS: folder });
  const { regions } = JSON.parse(planned.stdout) as { regions: { id: string; toPrimaryMs: number }[] };
  expect(regions).toHaveLength(2);
  const status = await farshore(['status', '--json', '--state', dir]);
  for (const { id } of regions) expect(status.stdout).toContain(id);
  const [, target, measured] = /target\/measured ms: \S+ (\d+)\/(\d+)/.exec(up.stderr) ?? [];
  expect(Number(target)).toBe(Math.round(regions[1]?.toPrimaryMs ?? 0));
  expect(Number(measured)).toBeGreaterThanOrEqual(Number(target));
});
