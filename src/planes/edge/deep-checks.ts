import type { Clock } from '../../base/clock.ts';
import type { EdgeConfig } from '../../ports/config.ts';
import { type Question, startChecks } from '../looks/checks.ts';
import type { Steering } from '../steering/steering.ts';

/** How soon a table that asks for deep checks is noticed when the one before did not. */
const IDLE_MS = 1_000;

/**
 * Asks each region whether it can write, as the route table says. The commit is the primary's agent's: it commits a row again and
 * again for the failover anyway, so that many edges cost the database nothing, no edge holds a password of it, and a look never
 * waits in a transaction of its own. Returns what stops one check each.
 */
export function startDeepChecks(
  upstreams: EdgeConfig['upstreams'],
  steering: Steering,
  clock: Clock,
): readonly (() => void)[] {
  return upstreams.map((upstream, index) =>
    startChecks({
      question: () => questionOf(upstream, steering),
      pace: () => {
        const deep = steering.deepCheck;
        return { everyMs: deep?.everyMs ?? IDLE_MS, timeoutMs: (deep?.timeoutMs ?? 0) + 2 * upstream.rttMs };
      },
      offsetMs: (index * IDLE_MS) / upstreams.length,
      clock,
      onFound: ({ code }) => {
        const kind = steering.deepCheck?.check;
        if (kind !== undefined) steering.deepSignal(upstream.region, kind, code);
      },
    }),
  );
}

/** Null: nothing is to be asked there. Commits are asked for where the table says that the primary is. */
function questionOf({ host, port, agents }: EdgeConfig['upstreams'][number], steering: Steering): Question | null {
  const deep = steering.deepCheck;
  if (deep === null) return null;
  if (deep.check === 'http') return { target: { host, port }, look: { kind: 'http', path: deep.path } };
  const agent = agents?.find(({ node }) => node === steering.table?.primary?.node);
  return agent === undefined
    ? null
    : { target: agent, look: { kind: 'http', path: `/commits?within=${deep.withinMs}` } };
}
