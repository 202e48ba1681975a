import { monotonicMs, pause } from '../monotonic.ts';

/** When intention number `seq` (from 0) of a stream is due. Absolute, so that lateness never accumulates. */
export const dueMs = (startMs: number, intervalMs: number, seq: number): number => startMs + seq * intervalMs;

/**
 * Calls `fire` for every intention at its absolute time until the signal fires. Never waits for what it started:
 * a generator that waits for answers slows down in an outage and hides it. Late intentions are fired at once, all of them.
 */
export async function runOpenLoop(
  startMs: number,
  ratePerSecond: number,
  signal: AbortSignal,
  fire: (seq: number, intendedMs: number) => void,
): Promise<void> {
  if (ratePerSecond <= 0) return;
  const intervalMs = 1000 / ratePerSecond;
  for (let seq = 0; !signal.aborted; ) {
    const next = dueMs(startMs, intervalMs, seq);
    const waitMs = next - monotonicMs();
    if (waitMs > 0) {
      await pause(waitMs, signal);
      continue;
    }
    fire(seq, next);
    seq++;
  }
}
