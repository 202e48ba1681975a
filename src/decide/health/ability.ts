/**
 * Deep checks: can a region also write? They decide about its role, never about whether it is used. A region that answers and
 * can't write keeps its reads; were it taken away, one fault of the database, which all regions share, would take every region
 * away at once.
 *
 * Only what a region says counts. Silence is what shallow checks are about: a region that nobody reaches is down, and whether it
 * could write is not known.
 */
import type { PlaceId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import { DETECTOR_POLICY, type Detector, type DetectorPolicy, newDetector, signal, type Verdict } from './detector.ts';
import type { View } from './view.ts';

/** What a deep check asks. `http`: the application. `commit`: the agent of the primary's node, for its newest commit. */
export type DeepKind = 'http' | 'commit';

/** Does what was met speak for or against writing; null: for neither. `code` as a look reports it. */
export function saysOfWriting(code: string, kind: DeepKind, seen: Verdict['state']): boolean | null {
  if (code === 'ok') return true;
  if (code.startsWith('status-')) return false;
  // The application answers its shallow check in time and not this one: it waits for what it needs to write.
  return kind === 'http' && code === 'timeout' && seen === 'healthy' ? false : null;
}

/** Of regions that most of those who ask heard it from: why. For a plane that asks nobody itself, as DNS. */
export function heardReadOnly(views: readonly View[]): ReadonlyMap<PlaceId, Reason> {
  const asking = views.filter(({ readOnly }) => readOnly !== undefined);
  const told = new Set(asking.flatMap(({ readOnly }) => readOnly ?? []));
  return new Map(
    [...told].flatMap((region) => {
      const by = asking.filter(({ readOnly }) => readOnly?.includes(region));
      if (2 * by.length <= asking.length) return [];
      return [[region, because('read-only', `${by.length} of ${asking.length} observers heard so from it`)]];
    }),
  );
}

/** Which regions say that they can't write, by what each of them answered so far. */
export class Abilities {
  readonly #detectors = new Map<PlaceId, Detector>();
  #policy: DetectorPolicy = DETECTOR_POLICY;

  /** Of those that can't write now: why. */
  get readOnly(): ReadonlyMap<PlaceId, Reason> {
    return new Map(
      [...this.#detectors].flatMap(([region, { verdict }]) =>
        verdict.state === 'unhealthy' ? [[region, because('read-only', verdict.why.text)]] : [],
      ),
    );
  }

  set policy(policy: DetectorPolicy) {
    this.#policy = policy;
  }

  /** What was heard until now is about another database, or was another question. */
  forget(): void {
    this.#detectors.clear();
  }

  /** Takes one answer in. True when a region's role is another one. */
  take(region: PlaceId, canWrite: boolean, code: string, atMs: number): boolean {
    const before = this.#detectors.get(region) ?? newDetector(atMs);
    const after = signal(before, { ok: canWrite, source: 'check', code, atMs }, this.#policy);
    this.#detectors.set(region, after);
    return (after.verdict.state === 'unhealthy') !== (before.verdict.state === 'unhealthy');
  }
}
