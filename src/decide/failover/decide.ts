import { unreachable } from '../../base/result.ts';
import { decideFencing } from './fencing.ts';
import type { Observation } from './observation.ts';
import { decideMoving } from './moving.ts';
import { decidePositioning } from './positioning.ts';
import { decidePromoting } from './promoting.ts';
import type { FailoverState, StateKind, Step } from './state.ts';
import { decideSteady } from './steady.ts';
import { decideSuspecting } from './suspecting.ts';

/** Where each state may lead. Total: a state that is missing does not compile; a test checks every step against it. */
export const TRANSITIONS = {
  steady: ['steady', 'suspecting', 'moving'],
  suspecting: ['suspecting', 'steady', 'moving', 'fencing'],
  moving: ['moving', 'steady', 'fencing'],
  fencing: ['fencing', 'positioning', 'moving', 'steady'],
  positioning: ['positioning', 'promoting', 'moving', 'steady'],
  promoting: ['promoting', 'moving', 'steady'],
} as const satisfies Record<StateKind, readonly StateKind[]>;

/** Append only: dashboards and alerts depend on these numbers. */
export const STATE_GAUGE = {
  steady: 0,
  suspecting: 1,
  fencing: 2,
  positioning: 3,
  promoting: 4,
  moving: 5,
} as const satisfies Record<StateKind, number>;

/** One look, one decision. Pure: the same state and observation give the same step. */
export function decideFailover(state: FailoverState, o: Observation): Step {
  switch (state.kind) {
    case 'steady':
      return decideSteady(o);
    case 'suspecting':
      return decideSuspecting(state, o);
    case 'moving':
      return decideMoving(state, o);
    case 'fencing':
      return decideFencing(state, o);
    case 'positioning':
      return decidePositioning(state, o);
    case 'promoting':
      return decidePromoting(state, o);
    default:
      return unreachable(state);
  }
}
