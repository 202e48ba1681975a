import { because, type Reason } from '../../base/reason.ts';
import { fenceStands } from './checks.ts';
import type { Observation } from './observation.ts';
import { isAsync } from './quorum.ts';
import type { Ended, Move } from './state.ts';
import { suspicion } from './suspicion.ts';

/**
 * F23 (P3.1): in async nobody can be detached from the old primary to stop it, so it must have ended before the epoch is
 * written: confirmed killed, or its lease ran out in the store, which is after its deadline. Null: it has, or RPO 0 is promised.
 */
export function whyNotEnded(o: Observation, isKilled: boolean): Reason | null {
  const record = o.store.sync?.value;
  if (record === undefined || !isAsync(record) || isKilled) return null;
  if (o.store.leaseGoneAtMs === null)
    return because(
      'lease-not-expired',
      `the lease of ${record.primary} stands: it may acknowledge writes until that has run out`,
    );
  const leftMs = Math.ceil(o.promisedUntilMs - o.nowMs);
  if (leftMs <= 0) return null;
  return because('promised', `this node has promised ${record.primary} not to take over for ${leftMs} ms more (P6)`);
}

/** By which of the proofs a move that a person asked for may write its epoch; a reason when by none. */
export function endedFor(o: Observation, move: Move): Ended | Reason {
  const record = o.store.sync?.value;
  if (record === undefined || !isAsync(record)) return null;
  if (move.handedOver !== null || suspicion(o).kind === 'confirmed-killed') return 'killed';
  if (move.force?.said === true) return 'operator-said';
  if (move.force !== null && fenceStands(o, { fenced: null })) return 'killed';
  return whyNotEnded(o, false) ?? 'lease-expired';
}
