import { FarshoreError } from '../../base/errors.ts';
import type { PlanOptions } from '../../plan/plan-regions.ts';
import { parseDuration } from '../../spec/duration.ts';

/** Of the time that was given, so much is for the search; the rest for saying what the choice means. */
const SEARCH_SHARE = 0.8;
/** Without any plan so far it goes on: that there is none, and why, is worth so many times the time that was given. */
const TIMES_WITHOUT_PLAN = 3;
/** Work that is shorter needs no progress. */
const QUIET_MS = 3_000;
const EVERY_MS = 2_000;

interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** When to stop looking: `within` of the command line, by `now` in milliseconds; long work says how far it is, on `output`. Undefined `within`: never. */
export function patience(
  within: string | undefined,
  now: () => number,
  output: Output,
): NonNullable<PlanOptions['isEnough']> {
  const limitMs = within === undefined ? Infinity : parseDuration(within);
  if (limitMs === null || limitMs < 100)
    throw new FarshoreError('FSH_USAGE', `--within "${within}": expected a time of 100 ms or more, such as 3s`);
  const begun = now();
  let said = begun + QUIET_MS - EVERY_MS;
  return ({ stage, size, share, best }) => {
    const time = now();
    if (time - said >= EVERY_MS) {
      said = time;
      const what = stage === 'best' ? 'the best' : 'the best is proven; its alternatives by cost and coverage';
      const soFar =
        best === null
          ? 'no plan so far'
          : `so far $${Math.round(best.costUsd)} a month, ${(best.coverage * 100).toFixed(1)} % in time`;
      output.write(
        `planning for ${Math.round((time - begun) / 1_000)} s: ${what}, sets of ${size}: ${Math.floor(share * 100)} %; ${soFar}\n`,
      );
    }
    return time - begun >= limitMs * (best === null ? TIMES_WITHOUT_PLAN : SEARCH_SHARE);
  };
}
