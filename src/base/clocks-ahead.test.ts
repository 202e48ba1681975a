import { expect, it } from 'vitest';
import { type ClocksAhead, pausedMs, sleptMs } from './clocks-ahead.ts';

const then: ClocksAhead = { bootMs: 40, wallMs: 1_700_000_000_000 };
const later = (bootMs: number | null, wallMs: number): ClocksAhead => ({
  bootMs: bootMs === null ? null : 40 + bootMs,
  wallMs: 1_700_000_000_000 + wallMs,
});

it.each([
  ['nothing', later(0, 0), 0, 0],
  ['both read a little apart, and a time server corrects', later(-10, 90), 0, 0],
  ['the machine was suspended', later(7_000, 7_001), 7_000, 7_001],
  ['suspended, and its wall clock set back since', later(7_000, -3_600_000), 7_000, 7_000],
  ['the host stood still, and the wall clock was set right after', later(0, 9_000), 0, 9_000],
  ['the wall clock was set back', later(0, -9_000), 0, 0],
  ['no CLOCK_BOOTTIME', later(null, 9_000), 0, 9_000],
])('%s', (_name, now, slept, paused) => {
  expect(sleptMs(then, now)).toBe(slept);
  expect(pausedMs(then, now)).toBe(paused);
});
