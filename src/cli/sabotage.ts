import type { NodeId } from '../base/ids.ts';
import { because } from '../base/reason.ts';
import { decideFailover } from '../decide/failover/decide.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { type FailoverState, type Step, takeoverOf } from '../decide/failover/state.ts';
import type { Position } from '../ports/database.ts';
import type { FenceRecord } from '../ports/records.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * Mistakes that `farshore drill selftest` makes on purpose, to show that a drill goes red. Only a process that was started
 * with FARSHORE_SABOTAGE makes them, and it says so in its log at every start. The decisions themselves hold no switch.
 */
export function sabotagedDecision(name: string | undefined, log: Log): typeof decideFailover | null {
  if (name !== 'promote-without-position') return null;
  log.warn('sabotage', 'this agent promotes without proof of the position, on purpose: it loses acknowledged writes');
  return promoteWithoutPosition;
}

/** Breaks P3.2: the least preferred member is promoted as soon as it was read, whatever the others hold. */
function promoteWithoutPosition(state: FailoverState, o: Observation): Step {
  if (state.kind !== 'fencing') return decideFailover(state, o);
  const { epoch, record } = state;
  const victim = o.policy.promotable.findLast((node) => node !== record.value.primary);
  const position = victim === undefined ? undefined : positionOf(victim, state.positions, o);
  // The honest decision goes on asking; it is stopped from ending in a proof.
  if (victim === undefined || position === undefined) return decideFailover(state, { ...o, results: [] });
  const takeover = takeoverOf(state);
  const fence: FenceRecord = { epoch, kind: 'quorum-detached', by: o.me, atWallMs: 0, evidence: [] };
  return {
    state: { ...takeover, kind: 'positioning', target: victim, position },
    actions: [{ do: 'record-takeover', takeover, target: victim, fence }],
    why: because('sabotage', `${victim} is promoted without a position quorum`),
  };
}

function positionOf(node: NodeId, before: ReadonlyMap<NodeId, Position>, o: Observation): Position | undefined {
  for (const result of o.results)
    if (result.of === 'detach' && result.kind === 'done' && result.node === node) return result.position;
  return before.get(node);
}
