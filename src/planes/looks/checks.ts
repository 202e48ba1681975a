import type { Clock } from '../../base/clock.ts';
import { type Found, type Look, lookOnce, type Target } from './look.ts';

export interface Pace {
  readonly everyMs: number;
  /** Of one check, with the round trips to the region. */
  readonly timeoutMs: number;
}

export interface CheckOptions {
  readonly target: Target;
  /** Asked before each check, like `pace`: the route table may bring another one. */
  look(): Look;
  pace(): Pace;
  /** Delays the first check, so that not all regions are asked at the same moment. */
  readonly offsetMs: number;
  readonly clock: Clock;
  onFound(found: Found): void;
}

/** Looks at one place at a steady pace. Returns a function that stops it. */
export function startChecks({ target, look, pace, offsetMs, clock, onFound }: CheckOptions): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  void (async () => {
    await pause(clock, offsetMs, signal);
    while (!signal.aborted) {
      const startedMs = clock.nowMs();
      const { everyMs, timeoutMs } = pace();
      const found = await lookOnce(target, look(), { timeoutMs, stopping: signal, nowMs: () => clock.nowMs() });
      if (signal.aborted) return;
      onFound(found);
      await pause(clock, everyMs - (clock.nowMs() - startedMs), signal);
    }
  })();
  return () => stopping.abort();
}

async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(Math.max(0, delayMs), signal);
  } catch {
    // Stopped; the loop looks at the signal.
  }
}
