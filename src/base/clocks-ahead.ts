/** How far two clocks of this machine are ahead of CLOCK_MONOTONIC. Both go on while the machine is suspended, which that one does not count. */
export interface ClocksAhead {
  /** CLOCK_BOOTTIME; null where it can't be read. */
  readonly bootMs: number | null;
  /** The wall clock: people and time servers move it, too. */
  readonly wallMs: number;
}

/** P2.2: what is less is how exactly the clocks are read, and how time servers correct them. */
const PAUSE_MS_MIN = 100;

/** Milliseconds between two readings that CLOCK_MONOTONIC did not count, because the machine was suspended. */
export function sleptMs(then: ClocksAhead, now: ClocksAhead): number {
  if (then.bootMs === null || now.bootMs === null) return 0;
  return asPause(now.bootMs - then.bootMs);
}

/**
 * The same with what the wall clock jumped ahead: a machine that its host stood still sees nothing else of it. It may as well be somebody who
 * set the clock. So it is for what can be looked at again (P2.2), not for what can't be taken back. One that was set back says nothing.
 */
export function pausedMs(then: ClocksAhead, now: ClocksAhead): number {
  return Math.max(sleptMs(then, now), asPause(now.wallMs - then.wallMs));
}

const asPause = (aheadMs: number): number => (aheadMs > PAUSE_MS_MIN ? aheadMs : 0);
