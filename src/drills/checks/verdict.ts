import { messageOf } from '../../base/errors.ts';

export type Verdict = 'pass' | 'fail' | 'inconclusive';

/** What one checker found. `figures` go into the report as they are. */
export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly why: string;
}

/** The worst wins: a failure is a failure whatever else could not be told, and only passes make a pass. */
export function worstOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('fail')) return 'fail';
  return verdicts.length === 0 || verdicts.includes('inconclusive') ? 'inconclusive' : 'pass';
}

/** A checker that throws has found nothing out: inconclusive, never a pass. */
export function guarded(check: string, run: () => Omit<Finding, 'check'>): Finding {
  try {
    return { check, ...run() };
  } catch (error) {
    return { check, verdict: 'inconclusive', why: `the checker itself failed: ${messageOf(error)}` };
  }
}

export const pass = (why: string) => ({ verdict: 'pass', why }) as const;
export const fail = (why: string) => ({ verdict: 'fail', why }) as const;
export const inconclusive = (why: string) => ({ verdict: 'inconclusive', why }) as const;
