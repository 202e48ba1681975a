import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { Coordination } from '../ports/coordination.ts';
import type { LeaseRecord, PositionRecord } from '../ports/records.ts';
import type { Log } from '../telemetry/log.ts';
import { type GroupStore, put } from './group-store.ts';

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
  #generation = 0;
  #leaseId: string | null = null;
  #deadlineMs: number | null = null;

  constructor(store: Coordination, group: GroupStore, clock: Clock, ttlMs: number, log: Log) {
    this.#store = store;
    this.#group = group;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#log = log;
  }

  /** CLOCK_MONOTONIC milliseconds; null when no lease was ever held in this reign. */
  get deadlineMs(): number | null {
    return this.#deadlineMs;
  }

  /** Begins to hold the lease of `epoch`, until `stop` or a newer `start`. */
  start(holder: NodeId, epoch: number, epochModRevision: number): void {
    const generation = ++this.#generation;
    this.#deadlineMs = null;
    void this.#hold(generation, holder, epoch, epochModRevision);
  }

  stop(): void {
    this.#generation += 1;
    this.#leaseId = null;
    this.#deadlineMs = null;
  }

  async #hold(generation: number, holder: NodeId, epoch: number, epochModRevision: number): Promise<void> {
    while (generation === this.#generation) {
      const sentAtMs = this.#clock.nowMs();
      const renewed =
        this.#leaseId === null
          ? await this.#acquire(holder, epoch, epochModRevision)
          : await this.#renew(this.#leaseId, epochModRevision);
      if (generation !== this.#generation) return;
      if (renewed) this.#deadlineMs = sentAtMs + this.#ttlMs;
      await this.#clock.sleep(this.#ttlMs / (renewed ? 3 : 10));
    }
  }

  async #acquire(holder: NodeId, epoch: number, epochModRevision: number): Promise<boolean> {
    const granted = await this.#store.grant(this.#ttlMs);
    if (granted.kind !== 'done') return false;
    const { keys } = this.#group;
    const record: LeaseRecord = { n: epoch, holder };
    const wrote = await this.#store.txn(
      [{ key: keys.epoch, modRevision: epochModRevision }],
      [{ put: keys.lease, value: JSON.stringify(record), lease: granted.value.id }],
    );
    if (wrote.kind !== 'done' || !wrote.value.succeeded) return false;
    this.#leaseId = granted.value.id;
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
