import type { Emit } from '../explore.ts';
import { packState, unpackState } from './pack.ts';
import type { QuorumScope } from './scope.ts';
import { noChange, noTakeover, nodeOf, NOBODY, type State, TAKEOVER, UNKNOWN, WAITING } from './state.ts';

/** Reports one event: what `apply` does to a copy of the state, and the sentence it returns when that breaks an invariant. */
export type Report = (label: string, apply: (s: State) => string | null) => void;

export interface Look {
  readonly scope: QuorumScope;
  readonly now: State;
  readonly report: Report;
}

export function lookAt(scope: QuorumScope, now: State, emit: Emit<State>): Look {
  const key = packState(now);
  const report: Report = (label, apply) => {
    const next = unpackState(key, scope.writes, scope.regions.length);
    const violation = apply(next);
    forgetOvertaken(scope, next);
    emit(label, next, violation);
  };
  return { scope, now, report };
}

/** For events that can't break anything. */
export const quietly =
  (apply: (s: State) => void) =>
  (s: State): null => {
    apply(s);
    return null;
  };

/** An overtaken takeover can do nothing more, unless its promote order is already out: forgetting it saves states. */
function forgetOvertaken(scope: QuorumScope, s: State): void {
  if (scope.mistake === 'create-revision') return;
  for (const n of s.nodes) {
    const { step, epoch } = n.takeover;
    if (step !== TAKEOVER.none && step !== TAKEOVER.ordered && epoch !== s.epoch) n.takeover = noTakeover();
  }
}

/** Whatever the agent of this node was doing is over. */
export function stopAgent(s: State, node: number): void {
  Object.assign(nodeOf(s, node), { takeover: noTakeover(), change: noChange(), order: 0 });
}

/** Every session ends; a commit in flight is unknown to its client. A promote order dies with the agent that had it. */
export function stopPostgres(s: State, node: number): void {
  Object.assign(nodeOf(s, node), { gate: 0, lists: [], upstream: NOBODY, reign: 0 });
  for (const write of s.writes) if (write.st === WAITING && write.at === node) write.st = UNKNOWN;
  for (const { takeover } of s.nodes)
    if (takeover.step === TAKEOVER.ordered && takeover.target === node) takeover.step = TAKEOVER.recorded;
}
