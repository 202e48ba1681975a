import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Local } from './connections.ts';
import { type Making, beginMaking } from './files.ts';
import { Replacement } from './replace.ts';

let folder = '';
let dataDir = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farshore-replace-'));
  dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'which'), 'old');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const which = (): string => readFileSync(join(dataDir, 'which'), 'utf8');

/** An agent that has just started; its PostgreSQL runs or not. */
const started = (postgres: object | null = null): Replacement => {
  const keeper = { call: async () => ({ ok: true, status: { postgres } }) };
  return new Replacement({ config: { dataDir, runAs: null }, keeper } as unknown as Local);
};

async function wholeCopy(): Promise<Making> {
  const copy = await beginMaking(dataDir, 'clone', null, 'discard');
  writeFileSync(join(copy.data, 'which'), 'copy');
  return copy;
}

test('a whole copy takes the place of the data; what it replaced goes', async () => {
  const replacement = started();
  expect(await replacement.put(await wholeCopy())).toMatchObject({ kind: 'done' });
  await replacement.settle(false);
  expect(which()).toBe('copy');
  expect(existsSync(`${dataDir}.making`)).toBe(false);
  expect(existsSync(`${dataDir}.replaced`)).toBe(false);
});

test('while PostgreSQL runs nothing is touched', async () => {
  expect(await started({ pid: 1 }).put(await wholeCopy())).toMatchObject({ kind: 'refused', code: 'runs' });
  expect(which()).toBe('old');
});

test('killed between the two renames: the next start puts the old data back', async () => {
  await wholeCopy();
  renameSync(dataDir, `${dataDir}.replaced`);
  await started().settle(false);
  expect(which()).toBe('old');
  expect(existsSync(`${dataDir}.replaced`)).toBe(false);
});

test('killed after both: the next start keeps the copy, and never puts the old data back', async () => {
  const copy = await wholeCopy();
  renameSync(dataDir, `${dataDir}.replaced`);
  renameSync(copy.data, dataDir);
  const next = started();
  await next.settle(false);
  expect(which()).toBe('copy');
  rmSync(dataDir, { recursive: true });
  await next.settle(true);
  expect(existsSync(dataDir)).toBe(false);
});

test('a copy that can not be put in place leaves the old data where it was', async () => {
  const copy = await wholeCopy();
  const broken: Making = { ...copy, finish: () => Promise.reject(new Error('no')) };
  await expect(started().put(broken)).rejects.toThrow('no');
  expect(which()).toBe('old');
});

test('a look in the middle waits: the data is never seen to be away', async () => {
  const copy = await wholeCopy();
  const replacement = started();
  await replacement.settle(false);
  let go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  const slow: Making = { ...copy, finish: () => held.then(() => copy.finish()) };
  const putting = replacement.put(slow);
  while (!readdirSync(folder).includes('data.replaced')) await new Promise((resolve) => setImmediate(resolve));
  const looking = replacement.settle(true);
  go();
  await looking;
  expect(which()).toBe('copy');
  await putting;
});

test('what a process that is gone had thrown away goes with the first look', async () => {
  mkdirSync(`${dataDir}.discarded-1`);
  writeFileSync(join(`${dataDir}.discarded-1`, 'which'), 'older');
  await started().settle(false);
  while (existsSync(`${dataDir}.discarded-1`)) await new Promise((resolve) => setImmediate(resolve));
  expect(which()).toBe('old');
});

test('a half-made copy whose removal was interrupted is still ours', async () => {
  const copy = await wholeCopy();
  rmSync(copy.data, { recursive: true });
  await (await beginMaking(dataDir, 'clone', null, 'discard')).finish().catch(() => undefined);
  expect(existsSync(`${dataDir}.making/farshore-making.json`)).toBe(true);
  await (await beginMaking(dataDir, 'clone', null, 'discard')).discard();
  expect(existsSync(`${dataDir}.making`)).toBe(false);
});
