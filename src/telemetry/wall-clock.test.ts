import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { wallClock } from './wall-clock.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'farshore-clock-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const fixed = (): number => 1_000;
const offOf = (content: string): number => {
  const path = join(dir, 'off');
  writeFileSync(path, content);
  return wallClock(path, fixed)() - 1_000;
};

it('is off by what the file says, in either direction', () => {
  expect([offOf('3600000'), offOf('-250')]).toEqual([3_600_000, -250]);
});

it('is right without a file, without a variable, and with nonsense', () => {
  expect([wallClock(join(dir, 'none'), fixed)(), wallClock(undefined, fixed)(), offOf('soon'), offOf('')]).toEqual([
    1_000, 1_000, 0, 0,
  ]);
});

it('is read again while the process runs, and right again when the file is gone', async () => {
  const path = join(dir, 'later');
  const wallMs = wallClock(path, fixed);
  expect(wallMs()).toBe(1_000);
  writeFileSync(path, '500');
  await expect.poll(wallMs, { interval: 5 }).toBe(1_500);
  rmSync(path);
  await expect.poll(wallMs, { interval: 5 }).toBe(1_000);
});
