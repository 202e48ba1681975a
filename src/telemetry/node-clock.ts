import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import { clocksAhead } from './clocks-ahead.ts';
import { WALL_CLOCK_VARIABLE, wallClock } from './wall-clock.ts';

/** The real clock. `nowMs` is CLOCK_MONOTONIC, which all processes of one machine share. */
export const nodeClock: Clock = {
  nowMs: () => Number(process.hrtime.bigint()) / 1e6,
  wallMs: wallClock(process.env[WALL_CLOCK_VARIABLE]),
  ahead: clocksAhead,
  sleep: async (delayMs, signal) => {
    signal?.throwIfAborted();
    try {
      await delay(Math.max(0, delayMs), undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      // node rejects with its own AbortError; the interface promises the signal's reason.
      signal?.throwIfAborted();
      throw error;
    }
  },
};
