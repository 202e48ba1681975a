import { because, type Reason } from '../base/reason.ts';
import type { Outcome } from '../base/result.ts';

/** A step that failed is tried again, later each time. */
const RETRY_MS = 250;
const RETRY_MS_MAX = 5_000;

/** Remembers the step that failed, why, and when it may be tried again. */
export class Retry {
  #atMs = 0;
  #failed: { readonly step: string; readonly why: Reason; readonly times: number } | null = null;

  isDue(nowMs: number): boolean {
    return nowMs >= this.#atMs;
  }

  /** While the same step fails again and again, why it fails says more than why it is tried. */
  explain(step: string | undefined, why: Reason): Reason {
    if (this.#failed !== null && step !== this.#failed.step && this.#failed.step !== 'prove-waits') {
      this.#failed = null;
      this.#atMs = 0;
    }
    return this.#failed?.step === step ? (this.#failed?.why ?? why) : why;
  }

  /** How often it has failed in a row; 0 when it did not. */
  note(step: string, ended: Outcome<unknown>, nowMs: number): number {
    if (ended.kind === 'done') {
      this.#failed = null;
      return 0;
    }
    const times = this.#failed?.step === step ? this.#failed.times + 1 : 1;
    const why = because(ended.kind === 'refused' ? ended.code : 'unknown', `${step}: ${ended.why}`);
    this.#failed = { step, why, times };
    this.#atMs = nowMs + Math.min(RETRY_MS * 2 ** Math.min(times - 1, 10), RETRY_MS_MAX);
    return times;
  }
}
