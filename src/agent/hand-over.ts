import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import { done, type Outcome, refused } from '../base/result.ts';
import type { Observation } from '../decide/failover/observation.ts';
import type { Order, OrderReply } from '../ports/agent.ts';
import type { Position, RegionDatabase } from '../ports/database.ts';
import type { GatewayControl } from '../ports/gateway.ts';
import type { GroupStore } from './group-store.ts';
import type { Permit } from './order-desk.ts';

/** Sessions may end their transaction this long; then they are cut, and a commit in flight gets 08007. */
const DRAIN_MS_MAX = 250;
const LOOK_EVERY_MS = 5;

export interface Stopped {
  readonly position: Position;
  readonly evidence: string;
  /** Of a hand-over: when its door began to close. */
  readonly closedAtMs?: number;
}

/** What was handed over, for which operation: the node stays stopped for a moment, and a driver that asks again hears the same. */
export class HandedOver {
  #last: { readonly order: Order; readonly atMs: number; readonly stopped: Stopped } | null = null;

  note(order: Order, atMs: number, stopped: Stopped): void {
    this.#last = { order, atMs, stopped };
  }

  stoppedFor({ operation, epoch }: Order): Stopped | null {
    const last = this.#last;
    return last?.order.operation === operation && last.order.epoch === epoch ? last.stopped : null;
  }

  /** Until the epoch moves, or the operation is over: a start now would only compete with the promotion. */
  staysStopped({ store, nowMs, knobs }: Observation): boolean {
    const last = this.#last;
    return (
      last !== null &&
      store.epoch?.value.n === last.order.epoch &&
      store.request?.value.id === last.order.operation &&
      nowMs - last.atMs < knobs.takeoverPatienceMs
    );
  }
}

/** What the driver hears: times as lengths, since its clock is another one. */
export const replyOf = ({ closedAtMs, ...stopped }: Stopped, beganAtMs: number, nowMs: number): OrderReply => ({
  kind: 'done',
  ...stopped,
  tookMs: nowMs - beganAtMs,
  ...(closedAtMs === undefined ? {} : { closedForMs: nowMs - closedAtMs }),
});

/** What the hand-over needs of the node around it. */
export interface HandingNode {
  readonly me: NodeId;
  readonly database: RegionDatabase;
  readonly gateway: GatewayControl | null;
  readonly group: GroupStore;
  readonly clock: Clock;
  isOpen(): boolean;
  /** `closing`: new connections wait, each session ends with its transaction. `closed`: nobody writes any more. `open`: as before. */
  door(state: 'closing' | 'closed' | 'open'): void;
}

/**
 * A planned end of a reign (P5): checkpoint while it still serves, then the door, then a fast stop, which ends only when
 * every standby that streams has the last WAL. Until the stop everything can be undone, and is when a step fails.
 */
export async function handOver(node: HandingNode, order: Order, permit: Permit): Promise<Outcome<Stopped>> {
  const before = await whyNotHandOver(node, order);
  if (before !== null) return before;
  const { database } = node;
  const checkpointed = await database.checkpoint();
  if (checkpointed.kind !== 'done') return refused('checkpoint-failed', checkpointed.why);
  const status = await database.status();
  if (status.systemId === null) return refused('not-serving', `PostgreSQL is ${status.state}`);
  // A checkpoint may have taken long: what was asked may be cancelled by now.
  const again = await whyNotHandOver(node, order);
  if (again !== null) return again;
  node.door('closing');
  const closedAtMs = node.clock.nowMs();
  await drained(node, order);
  const overtaken = permit.valid() ? null : refused('overtaken', 'newer work was accepted before the stop');
  const over = overtaken ?? whyCancelled(node, order);
  if (over !== null) {
    node.door('open');
    return over;
  }
  node.door('closed');
  const stopped = await database.stop('fast');
  if (stopped.kind !== 'done') return stopped;
  const { evidence, end } = stopped.value;
  if (end === null) return refused('not-serving', `stopped, but not cleanly: ${evidence}`);
  const position = { ...end, systemId: status.systemId, storedEpoch: status.storedEpoch };
  return done({ position, evidence, closedAtMs });
}

/** Asks the store: does the epoch stand, is this node its primary, and is the operation still wanted? */
async function whyNotHandOver(node: HandingNode, order: Order): Promise<Outcome<never> | null> {
  const [reign, asked] = await Promise.all([node.group.readReign(), node.group.readOperation(order.operation)]);
  if (reign.kind !== 'done') return refused('store-unreachable', reign.why);
  if (asked.kind !== 'done') return refused('store-unreachable', asked.why);
  const { epoch, sync } = reign.value;
  if (epoch?.modRevision !== order.epochModRevision)
    return refused('overtaken', `the store is at epoch ${epoch?.value.n ?? 0}, the order is of epoch ${order.epoch}`);
  if (sync?.value.primary !== node.me || sync.value.epoch !== order.epoch)
    return refused('not-primary', `${sync?.value.primary ?? 'nobody'} is the recorded primary`);
  if (asked.value.slot?.value.id !== order.operation || asked.value.record?.value.driver !== order.by)
    return refused('cancelled', `${order.operation} was cancelled, or is carried out by another node`);
  return node.isOpen() ? null : refused('not-serving', 'this node is the recorded primary and not open');
}

/**
 * A cancel that this node has heard of through its watch. Nobody writes by now, so no round trip to the store is spent on
 * it: one that comes too late for this is still seen by the write of the epoch, and the primary takes over from itself.
 */
function whyCancelled({ group }: HandingNode, { operation }: Order): Outcome<never> | null {
  const isCancelled = group.journal.some(({ id, state }) => id === operation && state === 'cancelled');
  return isCancelled ? refused('cancelled', `${operation} was cancelled before the stop`) : null;
}

async function drained(node: HandingNode, order: Order): Promise<void> {
  const untilMs = node.clock.nowMs() + DRAIN_MS_MAX;
  while (node.gateway !== null && node.clock.nowMs() < untilMs && whyCancelled(node, order) === null) {
    const answer = await node.gateway.status();
    // Counted only once the gateway has the table that closes it.
    const closing = answer.kind === 'done' && answer.value.table?.closing === true;
    if (closing && answer.value.connections.writers === 0) return;
    await node.clock.sleep(LOOK_EVERY_MS);
  }
}
