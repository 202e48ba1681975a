import type { Clock } from '../base/clock.ts';
import { type ClocksAhead, sleptMs } from '../base/clocks-ahead.ts';
import type { NodeId } from '../base/ids.ts';
import type { Outcome } from '../base/result.ts';
import type { Coordination } from '../ports/coordination.ts';
import type { LeaseRecord, PositionRecord } from '../ports/records.ts';
import type { Log } from '../telemetry/log.ts';
import { type GroupStore, put } from './group-store.ts';

/** Two clocks may run at rates that differ: the holder counts its time a little short. */
const OF_THE_TTL = 0.99;
const LOOK_EVERY_MS = 5;

/** What async asks beyond the store's word. */
export interface LeaseDuty {
  /** Tells the keeper, which kills at the deadline. */
  killAt(epoch: number, deadlineMs: number, ahead: ClocksAhead | undefined): Promise<Outcome<void>>;
  /** P6: does every promotable member stand back? */
  allAttest(epoch: number, timeoutMs: number): Promise<boolean>;
  /** A primary that commits nothing must not keep others from taking over. */
  mayRenew(): boolean;
}

/**
 * The right to act for a bounded time (P1.2, P2.1). The deadline counts from when the keepalive was sent, and moves only
 * when the keepalive and the comparison of the epoch after it both succeeded.
 */
export class ReignLease {
  readonly #store: Coordination;
  readonly #group: GroupStore;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #log: Log;
  /** Null in RPO-0 modes: there the deadline ends no primary (P2.3). */
  readonly #duty: LeaseDuty | null;
  #generation = 0;
  #leaseId: string | null = null;
  #epoch = 0;
  #deadlineMs: number | null = null;
  /** The machine's other clocks when what the deadline counts from was sent (P2.2). */
  #ahead: ClocksAhead | undefined;
  /** When the store's last renewal was sent. */
  #renewedAtMs = 0;
  #armed = false;

  constructor(
    store: Coordination,
    group: GroupStore,
    clock: Clock,
    ttlMs: number,
    log: Log,
    duty: LeaseDuty | null = null,
  ) {
    this.#store = store;
    this.#group = group;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#log = log;
    this.#duty = duty;
  }

  /** CLOCK_MONOTONIC milliseconds; null when no lease was ever held in this reign. */
  get deadlineMs(): number | null {
    return this.#deadlineMs;
  }

  get ahead(): ClocksAhead | undefined {
    return this.#ahead;
  }

  /** Begins to hold the lease of `epoch`, until `stop` or a newer `start`. One that is held goes on. */
  start(holder: NodeId, epoch: number, epochModRevision: number): void {
    if (this.#epoch === epoch) return;
    const generation = ++this.#generation;
    this.#epoch = epoch;
    this.#leaseId = null;
    this.#deadlineMs = null;
    this.#armed = false;
    this.#renewedAtMs = this.#clock.nowMs();
    void this.#hold(generation, holder, epoch, epochModRevision);
    if (this.#duty !== null) void this.#holdByOthers(generation, epoch, this.#duty);
  }

  stop(): void {
    this.#generation += 1;
    this.#epoch = 0;
    this.#leaseId = null;
    this.#deadlineMs = null;
    this.#armed = false;
  }

  /**
   * Async, before anything is acknowledged: waits for the first deadline and gives it to the keeper, which then has each later one
   * before the gateway does. False when there is none in time.
   */
  async arm(timeoutMs: number): Promise<boolean> {
    const generation = this.#generation;
    const untilMs = this.#clock.nowMs() + timeoutMs;
    while (this.#deadlineMs === null && this.#clock.nowMs() < untilMs && generation === this.#generation)
      await this.#clock.sleep(LOOK_EVERY_MS);
    const deadlineMs = this.#deadlineMs;
    if (generation !== this.#generation || deadlineMs === null || this.#duty === null) return false;
    this.#armed = true;
    const told = await this.#duty.killAt(this.#epoch, deadlineMs, this.#ahead);
    return told.kind === 'done' && generation === this.#generation && !this.#isOver(deadlineMs);
  }

  async #hold(generation: number, holder: NodeId, epoch: number, epochModRevision: number): Promise<void> {
    while (generation === this.#generation) {
      const ahead = this.#clock.ahead?.();
      const sentAtMs = this.#clock.nowMs();
      const renewed = await this.#tryToRenew(generation, holder, epoch, epochModRevision);
      if (generation !== this.#generation) return;
      if (renewed) {
        this.#renewedAtMs = sentAtMs;
        await this.#moveDeadline(generation, epoch, sentAtMs, ahead);
      }
      await this.#clock.sleep(this.#ttlMs / (renewed ? 3 : 10));
    }
  }

  async #tryToRenew(generation: number, holder: NodeId, epoch: number, epochModRevision: number): Promise<boolean> {
    if (this.#duty?.mayRenew() === false) return false;
    if (this.#leaseId === null) return this.#acquire(generation, holder, epoch, epochModRevision);
    return this.#renew(this.#leaseId, epochModRevision);
  }

  /** P6: while the store does not answer, the word of every node that could take over holds the deadline up. */
  async #holdByOthers(generation: number, epoch: number, duty: LeaseDuty): Promise<void> {
    while (generation === this.#generation) {
      await this.#clock.sleep(this.#ttlMs / 6);
      if (generation !== this.#generation) return;
      const ahead = this.#clock.ahead?.();
      const sentAtMs = this.#clock.nowMs();
      if (this.#deadlineMs === null || sentAtMs - this.#renewedAtMs < this.#ttlMs / 2 || !duty.mayRenew()) continue;
      const all = await duty.allAttest(epoch, this.#ttlMs / 3);
      if (generation !== this.#generation) return;
      if (all) await this.#moveDeadline(generation, epoch, sentAtMs, ahead);
    }
  }

  /** `ahead`: as it was when the request was sent; a pause since then, also before the answer, counts. */
  async #moveDeadline(
    generation: number,
    epoch: number,
    sentAtMs: number,
    ahead: ClocksAhead | undefined,
  ): Promise<void> {
    const before = this.#deadlineMs;
    const next = sentAtMs + this.#ttlMs * OF_THE_TTL;
    // The two ways to renew may answer in another order than they were asked.
    if (before !== null && next <= before) return;
    if (this.#duty !== null && this.#armed) {
      // Past it nothing may go on as if it had not passed: the keeper kills, and the node begins anew as a standby.
      if (before !== null && this.#isOver(before)) return;
      const told = await this.#duty.killAt(epoch, next, ahead);
      if (told.kind !== 'done' || generation !== this.#generation) return;
    }
    if (this.#deadlineMs !== null && next <= this.#deadlineMs) return;
    this.#deadlineMs = next;
    this.#ahead = ahead;
  }

  /** As the keeper sees it. */
  #isOver(deadlineMs: number): boolean {
    const now = this.#clock.ahead?.();
    const slept = this.#ahead === undefined || now === undefined ? 0 : sleptMs(this.#ahead, now);
    return this.#clock.nowMs() + slept >= deadlineMs;
  }

  async #acquire(generation: number, holder: NodeId, epoch: number, epochModRevision: number): Promise<boolean> {
    const granted = await this.#store.grant(this.#ttlMs);
    if (granted.kind !== 'done') return false;
    const { keys } = this.#group;
    const record: LeaseRecord = { n: epoch, holder };
    const wrote = await this.#store.txn(
      [{ key: keys.epoch, modRevision: epochModRevision }],
      [{ put: keys.lease, value: JSON.stringify(record), lease: granted.value.id }],
    );
    if (wrote.kind !== 'done' || !wrote.value.succeeded) return false;
    if (generation === this.#generation) this.#leaseId = granted.value.id;
    return true;
  }

  async #renew(leaseId: string, epochModRevision: number): Promise<boolean> {
    const kept = await this.#store.keepAlive(leaseId);
    if (kept.kind === 'refused' && kept.code === 'lease-gone') {
      this.#log.warn('lease-gone', 'the lease ran out; a new one is taken while the epoch stands');
      this.#leaseId = null;
      return false;
    }
    if (kept.kind !== 'done') return false;
    return this.#group.epochStands(epochModRevision);
  }
}

/**
 * Publishes the last position that is replicated as the mode promises (P1.4). It may only disqualify a candidate. Compares
 * the sync record too: a position confirmed by a set that is no longer the recorded one would disqualify the wrong node.
 */
export async function publishPosition(
  group: GroupStore,
  compare: { readonly epoch: number; readonly sync: number },
  position: PositionRecord,
): Promise<void> {
  const { keys } = group;
  await group.write(
    [
      { key: keys.epoch, modRevision: compare.epoch },
      { key: keys.sync, modRevision: compare.sync },
    ],
    [put(keys.position, position)],
    'position',
  );
}
