import { execFileSync, spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import type { ClocksAhead } from '../base/clocks-ahead.ts';

const shell = new URL('../../dist/telemetry/clocks-ahead.js', import.meta.url).href;
const program = `import { clocksAhead } from ${JSON.stringify(shell)}; console.log(JSON.stringify(clocksAhead()))`;
const node = [process.execPath, '--input-type=module', '-e', program] as const;
const AWAY_S = 5_000;

/** A time namespace, where CLOCK_BOOTTIME is ahead as after a suspend. Only root may. */
const inNamespace = ['unshare', '--time', '--boottime', String(AWAY_S)] as const;
const may = spawnSync(inNamespace[0], [...inNamespace.slice(1), 'true']).status === 0;

const readBy = ([command, ...args]: readonly [string, ...string[]]): ClocksAhead =>
  JSON.parse(execFileSync(command, args, { encoding: 'utf8' })) as ClocksAhead;

it.skipIf(!may)('sees by how much CLOCK_BOOTTIME went on without CLOCK_MONOTONIC (P2.2), in a time namespace', () => {
  const here = readBy([...node]);
  const there = readBy([...inNamespace, ...node]);
  expect((there.bootMs ?? 0) - (here.bootMs ?? 0)).toBeGreaterThan(AWAY_S * 1000 - 100);
  expect((there.bootMs ?? 0) - (here.bootMs ?? 0)).toBeLessThan(AWAY_S * 1000 + 100);
  expect(Math.abs(there.wallMs - here.wallMs)).toBeLessThan(100);
});
