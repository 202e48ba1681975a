import { monotonicMs } from '../monotonic.ts';
import type { Acts, Stage } from '../trial/scenario.ts';
import type { FaultSeen, UndoSeen } from '../trial/observation.ts';

/** A fault in force that a scenario may undo; `undo` may be called again. */
export interface Broken extends FaultSeen {
  undo(): Promise<void>;
}

/** Traffic goes on this long after the group is whole: the return must not hurt. */
const AFTER_RETURN_MS = 2_000;

/** Breaks something, waits until those who must be served are, looks at the new primary, mends it, waits until all is whole. */
export async function breakAndMend(stage: Stage, inject: () => Promise<Broken>): Promise<Acts> {
  const fault = await inject();
  try {
    const { effectiveMs, what, evidence } = fault;
    stage.mark('injected', `${what}: ${evidence}`, effectiveMs);
    await stage.stable(effectiveMs);
    const afterPromotion = await stage.readNewPrimary();
    await fault.undo();
    const undo = await wholeAgain(stage, effectiveMs);
    return { injected: seen(fault), afterPromotion, undo };
  } finally {
    await fault.undo();
  }
}

const seen = ({ fromMs, effectiveMs, processes, what, evidence }: Broken): FaultSeen => ({
  fromMs,
  effectiveMs,
  processes,
  what,
  evidence,
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
