import type { Clock } from '../../base/clock.ts';
import type { Found, Look, Target } from './look.ts';
import { lookOnce } from './look-once.ts';

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

/**
 * Looks at one place at a steady pace. Returns a function that stops it. By bare timers: a promise and an abort signal for each
 * pause cost as much as a tenth of a look, and a plane may make thousands of looks a second.
 */
export function startChecks({ question, pace, offsetMs, clock, onFound }: CheckOptions): () => void {
  let stopped = false;
  let giveUp = (): void => undefined;
  let startedMs = 0;
  let everyMs = 0;
  const nowMs = () => clock.nowMs();
  const check = (): void => {
    startedMs = nowMs();
    const { everyMs: itsMs, timeoutMs } = pace();
    everyMs = itsMs;
    const asked = question();
    if (asked === null) after(everyMs);
    else giveUp = lookOnce({ target: asked.target, what: asked.look, timeoutMs, nowMs, onFound: done });
  };
  const done = (found: Found): void => {
    onFound(found);
    after(everyMs - (nowMs() - startedMs));
  };
  // Whole milliseconds: timers of one length share a list.
  const after = (delayMs: number): void => {
    if (!stopped) timer = setTimeout(check, Math.max(1, Math.round(delayMs)));
  };
  let timer = setTimeout(check, offsetMs);
  return () => {
    stopped = true;
    clearTimeout(timer);
    giveUp();
  };
}
