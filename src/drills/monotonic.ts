import { nodeClock } from '../telemetry/node-clock.ts';

/** CLOCK_MONOTONIC in milliseconds with fractions: comparable between all processes of this machine. */
export const monotonicMs = (): number => nodeClock.nowMs();

/** What to add to a monotonic time to get wall time. One sample: both clocks tick on the same machine. */
export interface ClockOffset {
  readonly wallMinusMonotonicMs: number;
}

/** The best of five samples: the one during which least time passed. Right to a millisecond, the wall clock's grain. */
export function sampleClockOffset(): ClockOffset {
  let best = { spreadMs: Number.POSITIVE_INFINITY, wallMinusMonotonicMs: 0 };
  for (let sample = 0; sample < 5; sample++) {
    const before = monotonicMs();
    const wallMs = Date.now();
    const after = monotonicMs();
    if (after - before < best.spreadMs) {
      best = { spreadMs: after - before, wallMinusMonotonicMs: wallMs - (before + after) / 2 };
    }
  }
  return { wallMinusMonotonicMs: best.wallMinusMonotonicMs };
}

export const wallToMonotonic = (wallMs: number, offset: ClockOffset): number => wallMs - offset.wallMinusMonotonicMs;

/** Resolves after `delayMs`, early when the signal fires. Never rejects: the caller looks at the signal. */
export function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, delayMs);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
