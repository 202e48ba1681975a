import { because } from '../../base/reason.ts';
import { endTakeover } from './moving.ts';
import type { Observation } from './observation.ts';
import { promoteAction } from './positioning.ts';
import { type FailoverState, overtaken, resultOf, stay, STEADY, type Step, takeoverOf } from './state.ts';

type Promoting = Extract<FailoverState, { kind: 'promoting' }>;

/** The target was ordered to promote itself. What it answers is checked against what its pulses say. */
export function decidePromoting(state: Promoting, o: Observation): Step {
  if (overtaken(state, o))
    return stay(STEADY, because('overtaken', `epoch ${state.epoch} was overtaken by ${o.store.epoch?.value.n}`));
  if (serves(state, o)) {
    const why = because('promoted', `${state.target} serves under epoch ${state.epoch}`);
    return endTakeover(takeoverOf(state), o, { state: elsewhere(state) ? 'failed' : 'done', why });
  }
  const result = resultOf(o, 'promote', state.epoch);
  if (o.nowMs - state.startedAtMs > o.knobs.takeoverPatienceMs) {
    const why = because(
      'promotion-unknown',
      `${state.target} was ordered to promote itself and does not serve after ${Math.round(o.nowMs - state.startedAtMs)} ms`,
    );
    return endTakeover(takeoverOf(state), o, { state: 'unknown', why });
  }
  const failed = result !== undefined && result.kind !== 'done';
  if (failed && o.nowMs - state.askedAtMs > o.knobs.brokenAfterMs) {
    return {
      state: { ...state, askedAtMs: o.nowMs },
      actions: [promoteAction(state, o)],
      why: because('promote-again', result.why),
    };
  }
  return stay(state, because('promoting', `waiting for ${state.target} to serve under epoch ${state.epoch}`));
}

/** Read back (P5): the target says itself, through its pulses or this agent's own database, that it is the open primary. */
function serves(state: Promoting, o: Observation): boolean {
  const result = resultOf(o, 'promote', state.epoch);
  if (result?.kind === 'done') return true;
  const pulse = o.peers.get(state.target)?.pulse;
  return pulse?.role === 'primary' && pulse.open && pulse.storedEpoch === state.epoch;
}

/** A person asked for another node: the change of primary is done, and not as asked. */
const elsewhere = (state: Promoting): boolean => state.move !== null && state.move.target !== state.target;
