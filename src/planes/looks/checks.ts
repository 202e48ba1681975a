import type { Clock } from '../../base/clock.ts';
import { type Found, type Look, lookOnce, type Target } from './look.ts';

export interface Question {
  readonly target: Target;
  readonly look: Look;
}

export interface Pace {
  readonly everyMs: number;
  /** Of one check, with the round trips to the region. */
  readonly timeoutMs: number;
}

export interface CheckOptions {
  /** Asked before each check, like `pace`: the route table may bring another one. Null: nothing is to be asked now. */
  readonly question: () => Question | null;
  readonly pace: () => Pace;
  /** Delays the first check, so that not all regions are asked at the same moment. */
  readonly offsetMs: number;
  readonly clock: Clock;
  readonly onFound: (found: Found) => void;
}

/** Looks at one place at a steady pace. Returns a function that stops it. */
export function startChecks({ question, pace, offsetMs, clock, onFound }: CheckOptions): () => void {
  const stopping = new AbortController();
  let giveUp = (): void => undefined;
  const nowMs = () => clock.nowMs();
  const check = (): void => {
    const startedMs = nowMs();
    const { everyMs, timeoutMs } = pace();
    const done = (found: Found): void => {
      onFound(found);
      after(everyMs - (nowMs() - startedMs));
    };
    const asked = question();
    if (asked === null) after(everyMs);
    else giveUp = lookOnce({ target: asked.target, what: asked.look, timeoutMs, nowMs, onFound: done });
  };
  const after = (delayMs: number): void => {
    if (stopping.signal.aborted) return;
    // Rejects when it is stopped, and then there is nothing left to do.
    clock.sleep(Math.max(0, delayMs), stopping.signal).then(check, () => undefined);
  };
  after(offsetMs);
  return () => {
    stopping.abort();
    giveUp();
  };
}
