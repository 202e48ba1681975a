/**
 * Samples in, verdict out: is a region worth sending a request to, as seen from one plane?
 *
 * Think of a doorman who is quick to close and slow to open. Two misses in a row close the door: every further request
 * would only find that out again, at its own cost. Opening takes more good answers than closing took misses, so a region
 * that limps (up, down, up) stays closed instead of flapping. Two more rules make it honest:
 *
 * - *Only checks open the door.* Answers to real requests keep a healthy region healthy, but a burst of cheap answers in one
 *   millisecond must not re-open a closed one. Checks come at a steady pace, so "four in a row" means about two seconds.
 * - *A second trip wire.* A region that fails one request in three never misses twice in a row for long. So misses also fill
 *   a bucket that only an unbroken run of good answers empties; a full bucket closes the door too.
 *
 * Nothing seen yet is `unknown`, never `unhealthy`: a plane that has just started must not refuse everybody.
 */
import { because, type Reason } from '../../base/reason.ts';

export interface Sample {
  readonly ok: boolean;
  /** `check`: asked on purpose, at a steady pace. `request`: what became of a user's request. */
  readonly source: 'check' | 'request';
  /** What happened, in a word: `ok`, `connect`, `timeout`, `reset`, `status-503`. */
  readonly code: string;
  readonly atMs: number;
}

export interface DetectorPolicy {
  /** So many misses in a row, from checks or requests, close the door. */
  readonly fall: number;
  /** So many good checks in a row open it. */
  readonly rise: number;
  /** So many misses without `leakAfter` good samples in a row between them close it too. */
  readonly bucket: number;
  readonly leakAfter: number;
}

export const DETECTOR_POLICY: DetectorPolicy = { fall: 2, rise: 4, bucket: 6, leakAfter: 20 };

/** A region's health as one plane sees it. `sinceMs`: when the state last changed, by the clock of the samples. */
export interface Verdict {
  readonly state: 'unknown' | 'healthy' | 'unhealthy';
  readonly sinceMs: number;
  /** It was unhealthy before: hold-down, slow start and manual failback are about such a region, and not about a new one. */
  readonly recovered: boolean;
  readonly why: Reason;
}

export interface Detector {
  readonly verdict: Verdict;
  readonly missesInRow: number;
  /** Good samples in a row while healthy, good checks in a row while unhealthy. */
  readonly goodInRow: number;
  readonly bucketFill: number;
}

export function newDetector(nowMs: number): Detector {
  const verdict: Verdict = {
    state: 'unknown',
    sinceMs: nowMs,
    recovered: false,
    why: because('unseen', 'nothing was seen of it yet'),
  };
  return { verdict, missesInRow: 0, goodInRow: 0, bucketFill: 0 };
}

/** A person lets the region serve again: what it did before is forgotten. */
export function forgive(detector: Detector): Detector {
  const verdict = forgivenVerdict(detector.verdict);
  return verdict === detector.verdict ? detector : { ...detector, verdict };
}

export const forgivenVerdict = (verdict: Verdict): Verdict =>
  verdict.recovered ? { ...verdict, recovered: false } : verdict;

/** Takes one sample in. Returns the same object when nothing changed, so that the busy case costs nothing. */
export function signal(detector: Detector, sample: Sample, policy: DetectorPolicy = DETECTOR_POLICY): Detector {
  return sample.ok ? good(detector, sample, policy) : miss(detector, sample, policy);
}

function good(detector: Detector, sample: Sample, policy: DetectorPolicy): Detector {
  const { verdict } = detector;
  if (verdict.state === 'unhealthy') {
    if (sample.source === 'request') return detector;
    const goodInRow = detector.goodInRow + 1;
    if (goodInRow < policy.rise) return { ...detector, missesInRow: 0, goodInRow };
    return turned('healthy', sample, because('rose', `${goodInRow} good checks in a row`));
  }
  if (verdict.state === 'unknown') return turned('healthy', sample, because('answers', 'it answers'));
  if (detector.missesInRow === 0 && detector.bucketFill === 0) return detector;
  const goodInRow = detector.goodInRow + 1;
  const bucketFill = goodInRow >= policy.leakAfter ? 0 : detector.bucketFill;
  return { verdict, missesInRow: 0, goodInRow, bucketFill };
}

function miss(detector: Detector, sample: Sample, policy: DetectorPolicy): Detector {
  const missesInRow = detector.missesInRow + 1;
  const bucketFill = Math.min(detector.bucketFill + 1, policy.bucket);
  const { verdict } = detector;
  if (verdict.state !== 'unhealthy') {
    if (missesInRow >= policy.fall) {
      return turned(
        'unhealthy',
        sample,
        because(sample.code, `${missesInRow} failures in a row, the last: ${sample.code}`),
      );
    }
    if (bucketFill >= policy.bucket) {
      const text = `${bucketFill} failures without ${policy.leakAfter} good answers in a row between them, the last: ${sample.code}`;
      return turned('unhealthy', sample, because('intermittent', text));
    }
  }
  return { verdict, missesInRow, goodInRow: 0, bucketFill };
}

function turned(state: 'healthy' | 'unhealthy', sample: Sample, why: Reason): Detector {
  const recovered = state === 'healthy' && why.code === 'rose';
  return { verdict: { state, sinceMs: sample.atMs, recovered, why }, missesInRow: 0, goodInRow: 0, bucketFill: 0 };
}
