import type { NodeId } from '../base/ids.ts';
import type { Outcome } from '../base/result.ts';
import type { Observation } from '../decide/failover/observation.ts';
import { isDetachable, isHeard } from '../decide/failover/suspicion.ts';
import type { DatabaseStatus } from '../ports/database.ts';
import type { OrderDesk } from './order-desk.ts';
import type { StandbyDuty } from './standby.ts';

/** The planned move that is carried out now and is to make this node primary; null when none is. */
export function expectedHere({ store, me }: Observation): {
  readonly operation: string;
  readonly primary: NodeId;
  readonly epoch: number;
} | null {
  const { request, epoch, sync } = store;
  const primary = sync?.value.primary;
  if (request?.value.state !== 'running' || request.value.kind === 'failover') return null;
  if (request.value.request?.target !== me || primary === undefined || primary === me) return null;
  if (epoch === null || epoch.value.n !== request.value.request.epoch || sync?.value.epoch !== epoch.value.n)
    return null;
  return { operation: request.value.id, primary, epoch: epoch.value.n };
}

/**
 * On the target of a planned move: what its promotion would wait for is done before it is ordered. Nothing here is a step of the
 * takeover (P5): each is asked for again by its order, checked against the store then, and found done.
 */
export class Arrival {
  readonly #duty: StandbyDuty;
  readonly #desk: OrderDesk;
  readonly #ended: (step: string, ended: Outcome<unknown>) => void;
  #preparedFor = '';
  #cutOffFor = '';
  /** The primary that was heard to be open, since it is heard. One whose agent has just started is not open yet either, and serves. */
  #openSeen: NodeId | null = null;
  /** The last look. */
  #seen: Observation | null = null;

  constructor(duty: StandbyDuty, desk: OrderDesk, ended: (step: string, ended: Outcome<unknown>) => void) {
    this.#duty = duty;
    this.#desk = desk;
    this.#ended = ended;
  }

  tick(o: Observation, local: DatabaseStatus): void {
    this.#seen = o;
    this.#hear(o);
    const expected = expectedHere(o);
    if (expected === null || local.state !== 'standby' || this.#desk.busy !== null) return;
    const { operation, primary, epoch } = expected;
    if (local.upstream?.node !== primary) return;
    if (local.receiving && this.#preparedFor !== operation) {
      this.#preparedFor = operation;
      const isReachable = (node: NodeId): boolean => node !== primary && isDetachable(o, node);
      this.#run(epoch, 'prepare', (permit) => this.#duty.prepare(epoch + 1, isReachable, permit));
    }
    if (this.#openSeen === primary && isClosed(o, primary) && this.#cutOffFor !== operation) {
      this.#cutOffFor = operation;
      this.#run(epoch, 'cut-off', (permit) => this.#duty.cutOff(permit, () => this.#isExpected(operation, primary)));
    }
  }

  #hear(o: Observation): void {
    const primary = o.store.sync?.value.primary ?? null;
    if (primary === null || !isHeard(o, primary)) this.#openSeen = null;
    else if (o.peers.get(primary)?.pulse?.open === true) this.#openSeen = primary;
  }

  /** Cancelled, or open again: what it was to wait for does not come. */
  #isExpected(operation: string, primary: NodeId): boolean {
    const o = this.#seen;
    return o !== null && expectedHere(o)?.operation === operation && isClosed(o, primary);
  }

  #run(epoch: number, step: string, work: Parameters<OrderDesk['run']>[2]): void {
    void this.#desk.run(epoch, step, work).then((ended) => this.#ended(step, ended));
  }
}

/** It says itself that nobody writes any more, and is being stopped. The end of its stream says that all of it came. */
const isClosed = (o: Observation, primary: NodeId): boolean =>
  isHeard(o, primary) && o.peers.get(primary)?.pulse?.open === false;
