import type { ProcessEnd } from '../ports/status.ts';
import type { ProcessState } from './supervisor/protocol.ts';

const RECENT_MS = 5 * 60_000;
/** One that ended so often, each time soon after its start, will not come up by itself. */
const FAILING_FROM = 3;
/** As long as the supervisor takes to call a run healthy. */
const SETTLED_AFTER_MS = 10_000;

/** The processes that ended by themselves within the last five minutes, newest first. */
export function recentEnds(processes: readonly ProcessState[]): readonly ProcessEnd[] {
  return processes.flatMap((it) => endOf(it) ?? []).toSorted((a, b) => a.agoMs - b.agoMs);
}

function endOf(it: ProcessState): ProcessEnd | null {
  const end = it.lastUnasked;
  if (end === null || end.agoMs > RECENT_MS) return null;
  const runsAgain = it.state === 'running';
  return {
    name: it.name,
    place: it.place,
    how: end.how,
    atWallMs: end.atWallMs,
    agoMs: Math.round(end.agoMs),
    said: end.said,
    times: end.inARow,
    failing: end.inARow >= FAILING_FROM && !(runsAgain && it.sinceMs > SETTLED_AFTER_MS),
    runsAgain,
  };
}

/** `aws-eu-west-1-app ended 4 times (exit 1): Error: Cannot find module …` */
export function describeFailing(end: ProcessEnd): string {
  return `${end.name} ended ${end.times} times (${end.how})${end.said === '' ? '' : `: ${end.said}`}`;
}

/** `aws-eu-west-1-gateway ended 12 s ago (SIGKILL) and was started again`. */
export function describeEnd(end: ProcessEnd): string {
  const ago = `${Math.round(end.agoMs / 1_000)} s ago`;
  if (end.failing) return `${describeFailing(end)}; last ${ago}`;
  const then = end.runsAgain ? 'and was started again' : 'and waits to be started again';
  return `${end.name} ended ${ago} (${end.how}) ${then}`;
}
