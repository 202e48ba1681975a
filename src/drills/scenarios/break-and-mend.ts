import { FarshoreError } from '../../base/errors.ts';
import { knobsOf } from '../../spec/meaning.ts';
import type { UndoResult } from '../../world/faults/undo.ts';
import { monotonicMs } from '../monotonic.ts';
import type { Acts, Stage } from '../trial/scenario.ts';
import type { FaultSeen, UndoSeen } from '../trial/observation.ts';

/** A fault in force that a scenario may undo; `undo` may be called again. */
export interface Broken extends FaultSeen {
  /** What speaks against it being in force still; null when nothing does. */
  stillInForce(): Promise<string | null>;
  undo(): Promise<UndoResult>;
}

/** Traffic goes on this long after the group is whole: the return must not hurt. */
const AFTER_RETURN_MS = 2_000;

/** Breaks something, waits until those who must be served are, looks at the new primary, mends it, waits until all is whole. */
export async function breakAndMend(stage: Stage, inject: () => Promise<Broken>): Promise<Acts> {
  const fault = await inject();
  return mending(fault, async () => {
    const { effectiveMs, what, evidence } = fault;
    stage.mark('injected', `${what}: ${evidence}`, effectiveMs);
    await stage.stable(effectiveMs);
    await heldLongEnough(stage, effectiveMs);
    const afterPromotion = await stage.readNewPrimary();
    const lapsed = await fault.stillInForce();
    const undone = await fault.undo();
    const undo = await wholeAgain(stage, effectiveMs);
    return { injected: seen(fault, lapsed), afterPromotion, undo: withUndone(undo, undone) };
  });
}

/** Where nothing may move, the fault outlasts everything that could take it for a loss: no alarm means nothing before that. */
async function heldLongEnough({ expected, deployment, traffic }: Stage, fromMs: number): Promise<void> {
  if (expected.primary === 'move') return;
  const alarmMs = knobsOf(deployment).wedgedAfterMs + deployment.leaseTtlMs;
  await traffic.until(() => monotonicMs() > fromMs + alarmMs, Number.POSITIVE_INFINITY);
}

/** Does `work`, and undoes the fault whatever comes of it. What can't be undone is the worst news there is: it comes before any other error. */
export async function mending<T>(fault: Broken, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { complete, left } = await fault.undo();
    if (complete) throw error;
    throw new FarshoreError('FSH_UNDO_INCOMPLETE', `${fault.what} is not undone: ${left.join('; ')}`, error);
  }
}

/** That everything runs again does not say that the fault is gone: a link may still be cut, a disk slow. */
export const withUndone = (undo: UndoSeen, { complete, left }: UndoResult): UndoSeen =>
  complete ? undo : { ...undo, complete: false, why: left.join('; ') };

const seen = ({ fromMs, effectiveMs, processes, what, evidence }: Broken, lapsed: string | null): FaultSeen => ({
  fromMs,
  effectiveMs,
  processes,
  what,
  evidence,
  ...(lapsed === null ? {} : { lapsed }),
});

/** What was broken since `downFromMs` is mended now: how long until everybody confirms again. */
export async function wholeAgain(stage: Stage, downFromMs: number): Promise<UndoSeen> {
  const releasedMs = monotonicMs();
  stage.mark('undone', `${stage.expected.hit}: undone`, releasedMs);
  const { atMs, syncedMs, holds, why } = await stage.whole(releasedMs);
  if (atMs !== null) {
    stage.mark('whole', `everybody confirms again after ${((atMs - releasedMs) / 1000).toFixed(1)} s`, atMs);
    await stage.traffic.linger(AFTER_RETURN_MS);
  }
  return { complete: !holds, why, downFromMs, releasedMs, rejoinedMs: atMs, syncedMs };
}
