import type { OperationRecord } from '../../ports/records.ts';

export interface Phase {
  readonly name: string;
  /** When it ended, after t0. */
  readonly endMs: number;
  /** From the end of the phase before it (the first: from t0). They add up to the whole. */
  readonly tookMs: number;
  readonly what: string;
}

/**
 * The steps of a takeover on the drill's clock. A step's wall time is when it was noted, at its end; `toMonotonic`
 * converts it with one offset of this machine. What lies before the first step is the suspicion.
 */
export function phasesOf(
  operation: OperationRecord,
  t0Ms: number,
  firstAckMs: number | null,
  toMonotonic: (wallMs: number) => number,
): readonly Phase[] {
  const ends = operation.steps.map((step) => ({
    name: step.name,
    endMs: toMonotonic(step.atWallMs) - t0Ms,
    what: step.what,
  }));
  const first = operation.steps[0];
  const suspected =
    first === undefined
      ? []
      : [{ name: 'suspect', endMs: toMonotonic(first.atWallMs - first.tookMs) - t0Ms, what: operation.reason.text }];
  const before = [...suspected, ...ends].toSorted((a, b) => a.endMs - b.endMs);
  return withDurations(firstAckMs === null ? before : insertFirstAck(before, firstAckMs - t0Ms));
}

type End = Omit<Phase, 'tookMs'>;

/** The client's first acknowledgement usually comes before the takeover's last steps (re-pointing the others). */
function insertFirstAck(ends: readonly End[], endMs: number): readonly End[] {
  const ack = { name: 'first-ack', endMs, what: 'the first write acknowledged by the new primary' };
  return [...ends, ack].toSorted((a, b) => a.endMs - b.endMs);
}

const withDurations = (ends: readonly End[]): readonly Phase[] =>
  ends.map((end, place) => ({ ...end, tookMs: end.endMs - (ends[place - 1]?.endMs ?? 0) }));
