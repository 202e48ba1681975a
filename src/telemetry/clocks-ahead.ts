import { openSync, readSync } from 'node:fs';
import type { ClocksAhead } from '../base/clocks-ahead.ts';

/** A reading of CLOCK_BOOTTIME costs a call of the system: it is made this often, and as soon as the wall clock seems to have moved. */
const READ_EVERY_MS = 20;
const WALL_MOVED_MS = 50;
/** Clocks that are read further apart than this, because others had the processor, are read again. */
const APART_MS_MAX = 10;
const TRIES_MAX = 5;

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
const text = Buffer.alloc(64);
let uptime: number | null = null;
let read: { readonly atMs: number; readonly ahead: ClocksAhead } | null = null;

/**
 * The machine's clocks, side by side. The wall clock is its own, also where a fault says that this place's is wrong: the gateway and the
 * keeper compare with what the agent read.
 */
export function clocksAhead(): ClocksAhead {
  const nowMs = monotonicMs();
  if (read !== null && nowMs - read.atMs < READ_EVERY_MS) {
    if (Math.abs(Date.now() - nowMs - read.ahead.wallMs) < WALL_MOVED_MS) return read.ahead;
  }
  read = readTogether();
  return read.ahead;
}

function readTogether(): { readonly atMs: number; readonly ahead: ClocksAhead } {
  for (let tries = 1; ; tries += 1) {
    const atMs = monotonicMs();
    const bootMs = bootTimeMs();
    const wallMs = Date.now();
    if (monotonicMs() - atMs > APART_MS_MAX && tries < TRIES_MAX) continue;
    return { atMs, ahead: { bootMs: bootMs === null ? null : bootMs - atMs, wallMs: wallMs - atMs } };
  }
}

/** `/proc/uptime` is CLOCK_BOOTTIME, to 10 ms. */
function bootTimeMs(): number | null {
  try {
    uptime ??= openSync('/proc/uptime', 'r');
    const bytes = readSync(uptime, text, 0, text.length, 0);
    const seconds = Number.parseFloat(text.toString('latin1', 0, bytes));
    return Number.isFinite(seconds) ? seconds * 1000 : null;
  } catch {
    return null;
  }
}
