import type { NodeId } from '../base/ids.ts';
import { done, type Outcome, unknown } from '../base/result.ts';
import type { AttestAnswer, AttestAsked } from '../ports/agent.ts';
import type { RegionDatabase } from '../ports/database.ts';
import type { AgentDeps } from './context.ts';
import type { LeaseDuty, ReignLease } from './lease.ts';

/** What a node knows that is asked to attest. */
export interface Attesting {
  readonly nowMs: number;
  readonly ttlMs: number;
  /** The newest epoch that it has heard of, from the store or by an order. */
  readonly highestEpoch: number;
  /** Who the record names as primary. */
  readonly primary: NodeId | null;
  /** It drives a change of primary itself. */
  readonly isDriving: boolean;
}

/**
 * P6: the promise of a node not to take over. Without the store's word it keeps a primary alive, so it must outlive a restart
 * of the agent: instead of writing it down, an agent counts as bound for one TTL after its start.
 */
export class StandBackPromise {
  #untilMs: number;

  constructor(startedAtMs: number, ttlMs: number) {
    this.#untilMs = startedAtMs + ttlMs;
  }

  get untilMs(): number {
    return this.#untilMs;
  }

  ask(asked: AttestAsked, me: Attesting): AttestAnswer {
    const refuse = (code: string, why: string): AttestAnswer => ({ kind: 'refused', code, why });
    if (me.highestEpoch > asked.epoch)
      return refuse('newer-epoch', `epoch ${me.highestEpoch} is known here, ${asked.epoch} is over`);
    if (me.primary !== asked.by) return refuse('not-primary', `${me.primary ?? 'nobody'} is the primary known here`);
    if (me.isDriving) return refuse('takeover-runs', 'this node is changing the primary');
    this.#untilMs = Math.max(this.#untilMs, me.nowMs + me.ttlMs);
    return { kind: 'done' };
  }
}

/** What an async primary's lease asks of the node around it. */
export function leaseDuty(deps: AgentDeps, database: RegionDatabase, mayRenew: () => boolean): LeaseDuty {
  const { node: me, policy } = deps.config;
  const others = policy.promotable.filter((node) => node !== me);
  return {
    killAt: (epoch, deadlineMs, ahead) => database.killAt(epoch, deadlineMs, ahead),
    mayRenew,
    // Every promotable member, or it is nobody's word.
    async allAttest(epoch, timeoutMs) {
      const asked = { epoch, by: me };
      const answers = await Promise.all(others.map((node) => deps.network.attest(node, asked, timeoutMs)));
      return answers.every((answer) => answer.kind === 'done');
    },
  };
}

/** How long an opening waits for the first deadline before it is tried again. */
const ARM_MS = 2_000;

/** Before an async primary opens: what it acknowledges may be lost, so it can be salvaged (P8.3), and its end is known (P2.3). */
export async function arm(database: RegionDatabase, lease: ReignLease): Promise<Outcome<void>> {
  const kept = await database.keepSalvageSlot(null);
  if (kept.kind !== 'done') return kept;
  return (await lease.arm(ARM_MS)) ? done(undefined) : unknown('no lease was granted in time');
}
