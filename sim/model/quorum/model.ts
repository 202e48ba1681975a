import type { Emit, Model } from '../explore.ts';
import { changeEvents, changeInPostgres, lateRequestEvents } from './change.ts';
import { type Look, lookAt, stopAgent, stopPostgres } from './events.ts';
import { agentActs, confirmersOf, wantedList } from './facts.ts';
import { clientEvents, faultEvents, postgresEvents, repairEvents } from './node-events.ts';
import { packState, unpackState } from './pack.ts';
import { orderEvents, reignEvents, repointEvents } from './reign.ts';
import type { QuorumScope } from './scope.ts';
import {
  ACKNOWLEDGED,
  bit,
  CHANGE,
  DOWN,
  initialState,
  NOBODY,
  nodeOf,
  type NodeSet,
  PRIMARY,
  RUNNING,
  sizeOf,
  STANDBY,
  type State,
  UNKNOWN,
  UNSENT,
} from './state.ts';
import { promotionEvents, takeoverEvents } from './takeover.ts';

/** The protocol for one group whose mode promises RPO 0: P1, P3, P4, P5, P6 and P8.1, and what progress means for it. */
export interface QuorumModel extends Model<State> {
  /** The state after repair of everything but the nodes in `dead`, with one new write to come. */
  repaired(from: State, dead: NodeSet): State;
  /** With `dead` gone for good, was it promised that a write is acknowledged again without an operator? */
  mustServe(state: State, dead: NodeSet): boolean;
  /** The write that came after the repair was acknowledged. */
  readonly isServed: (state: State) => boolean;
}

export function quorumModel(scope: QuorumScope): QuorumModel {
  const unpack = (key: string): State => unpackState(key, scope.writes, scope.regions.length);
  return {
    initial: () => initialState(scope, wantedList(scope, confirmersOf(scope, 0))),
    pack: packState,
    unpack,
    successors: (now, emit) => successors(scope, now, emit),
    repaired: (from, dead) => repaired(scope, unpack(packState(from)), dead),
    mustServe: (state, dead) => mustServe(scope, state, dead),
    isServed: (state) => state.calm === 1 && state.writes[scope.writes]?.st === ACKNOWLEDGED,
  };
}

function successors(scope: QuorumScope, now: State, emit: Emit<State>): void {
  const look = lookAt(scope, now, emit);
  now.nodes.forEach((n, i) => {
    clientEvents(look, i);
    postgresEvents(look, i);
    faultEvents(look, i);
    repairEvents(look, i);
    if (agentActs(n)) agentEvents(look, i);
    promotionEvents(look, i);
  });
  lateRequestEvents(look);
}

function agentEvents(look: Look, i: number): void {
  const n = nodeOf(look.now, i);
  reignEvents(look, i);
  if (n.store > 0) {
    takeoverEvents(look, i);
    if (n.postgres === PRIMARY && look.now.epoch === n.reign) {
      repointEvents(look, i);
      changeEvents(look, i);
    }
  }
  orderEvents(look, i);
  if (n.change.step !== CHANGE.none) changeInPostgres(look, i);
}

function repaired(scope: QuorumScope, s: State, dead: NodeSet): State {
  const { repairTakeovers: takeovers, repairChanges: changes } = scope;
  Object.assign(s, { faults: 0, takeovers, changes, calm: 1, dead, cut: 0 });
  s.nodes.forEach((n, i) => {
    Object.assign(n, { frozen: RUNNING, store: 1 });
    if ((dead & bit(i)) !== 0) {
      if (n.postgres !== DOWN) stopPostgres(s, i);
      n.postgres = DOWN;
      stopAgent(s, i);
    } else if (n.postgres === DOWN) Object.assign(n, { postgres: STANDBY, upstream: NOBODY });
  });
  for (const write of s.writes) if (write.st !== ACKNOWLEDGED) write.st = UNKNOWN;
  s.writes.push({ st: UNSENT, at: 0, epoch: 0 });
  return s;
}

function mustServe(scope: QuorumScope, s: State, dead: NodeSet): boolean {
  if (dead === 0) return true;
  // The only node that is known to hold everything is gone.
  if (s.w === 0 && (dead & bit(s.primary)) !== 0) return false;
  if (scope.whenAlone === 'serve') return true;
  const regionsLeft = new Set(scope.regions.filter((_, node) => (dead & bit(node)) === 0));
  return regionsLeft.size >= 2 && scope.regions.length - sizeOf(dead) >= 2;
}
