import type pg from 'pg';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { formatLsn, type Lsn, lsnToBigInt } from '../../base/lsn.ts';
import { hangUp, streamOf, within } from './connections.ts';
import { asFarshoreError } from './files.ts';
import { memberSlot, reserveMemberSlot } from './member-slots.ts';
import { WalQuery, segmentStart } from './wal-query.ts';
import { type WalPlace, WalSegments } from './wal-segments.ts';

const CONFIRM_EVERY_MS = 500;
const AGAIN_AFTER_MS = 250;
const LOOK_EVERY_MS = 10;
const RESERVE_TIMEOUT_MS = 15_000;
/** Whoever waits for WAL that does not come gives up after this long. */
const SILENT_MS_MAX = 30_000;

/** `undefined_file`: the segment is gone, which no later try can mend. */
const SEGMENT_IS_GONE = '58P01';
/** `object_not_in_prerequisite_state`, `undefined_object`: the slot has lost its WAL, or was removed because of that. */
const SLOT_IS_GONE = ['55000', '42704'];

/**
 * The WAL of an upstream, from before a copy of it began until the copy is used, beside the copy's own connection. What has arrived may
 * go there, so the primary keeps little however long the copy takes; between two connections the slot keeps it, up to
 * `max_slot_wal_keep_size`. It confirms nothing to any commit: its name is on no list.
 */
export class WalStream {
  /** Rejects when no try can go on any more. */
  readonly failed: Promise<never>;
  readonly #open: () => Promise<pg.Client>;
  readonly #member: NodeId;
  readonly #place: WalPlace;
  readonly #clock: Clock;
  readonly #segments: WalSegments;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  #written: bigint;
  #failure: FarshoreError | null = null;
  #fail: (error: FarshoreError) => void = () => undefined;

  constructor(open: () => Promise<pg.Client>, member: NodeId, from: Lsn, place: WalPlace, clock: Clock) {
    this.#open = open;
    this.#member = member;
    this.#place = place;
    this.#clock = clock;
    this.#segments = new WalSegments(place);
    this.#written = segmentStart(from, place.segmentBytes);
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined);
    this.#running = this.#run();
  }

  /** Resolves when everything before `lsn` is written. Counts its own looks, not the clock: while this process is frozen nobody is silent. */
  async reach(lsn: Lsn): Promise<void> {
    const wanted = lsnToBigInt(lsn);
    let silentMs = 0;
    for (let seen = this.#written; this.#written < wanted; seen = this.#written) {
      if (this.#failure !== null) throw this.#failure;
      if (silentMs > SILENT_MS_MAX)
        throw new FarshoreError('FSH_TIMEOUT', `no WAL of the copy came for ${SILENT_MS_MAX / 1000} s`);
      await this.#clock.sleep(LOOK_EVERY_MS);
      silentMs = seen === this.#written ? silentMs + LOOK_EVERY_MS : 0;
    }
  }

  /** Nothing more comes, and what came is on disk. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    await this.#segments.close();
  }

  /** Stops it, and makes what came ready to be used. */
  async end(): Promise<void> {
    await this.stop();
    await this.#segments.end();
  }

  async #run(): Promise<void> {
    let code = '';
    while (!this.#stopped.signal.aborted) {
      code = await this.#connection(SLOT_IS_GONE.includes(code)).catch(() => '');
      if (this.#failure === null && code === SEGMENT_IS_GONE)
        this.#giveUp(new FarshoreError('FSH_FAILED', 'the upstream has removed WAL that the copy needs'));
      if (this.#failure !== null) return;
      await this.#clock.sleep(AGAIN_AFTER_MS, this.#stopped.signal).catch(() => undefined);
    }
  }

  #giveUp(error: FarshoreError): void {
    this.#failure = error;
    this.#fail(error);
  }

  /** One connection, to its end: the code of the error that ended it. */
  async #connection(slotIsGone: boolean): Promise<string> {
    const client = await this.#open();
    const { signal } = this.#stopped;
    const query = new WalQuery(memberSlot(this.#member), formatLsn(this.#written), this.#place.timeline, {
      write: (at, bytes) => this.#write(at, bytes),
      written: () => this.#written,
      pause: () => streamOf(client).pause(),
      resume: () => streamOf(client).resume(),
    });
    const leave = (): void => query.end('');
    // Whatever is being waited for, also an answer that the network has lost, ends with it.
    const abandon = (): void => hangUp(client);
    client.once('end', leave);
    signal.addEventListener('abort', leave, { once: true });
    signal.addEventListener('abort', abandon, { once: true });
    try {
      // The segment may be there all the same: that is asked next.
      if (slotIsGone)
        await within(this.#clock, RESERVE_TIMEOUT_MS, () => reserveMemberSlot(client, this.#member, this.#clock));
      if (!signal.aborted) client.query(query);
      else leave();
      void this.#confirm(query);
      return await query.ended;
    } finally {
      signal.removeEventListener('abort', leave);
      signal.removeEventListener('abort', abandon);
      hangUp(client);
    }
  }

  async #confirm(query: WalQuery): Promise<void> {
    const over = new AbortController();
    void query.ended.then(() => over.abort());
    while (!over.signal.aborted) {
      query.confirm();
      await this.#clock.sleep(CONFIRM_EVERY_MS, over.signal).catch(() => undefined);
    }
  }

  async #write(at: bigint, bytes: Buffer): Promise<void> {
    try {
      if (at !== this.#written)
        throw new FarshoreError(
          'FSH_FAILED',
          `WAL came from ${formatLsn(at)} on, not from ${formatLsn(this.#written)}`,
        );
      await this.#segments.write(at, bytes);
    } catch (error) {
      this.#giveUp(asFarshoreError(error));
      throw error;
    }
    this.#written += BigInt(bytes.length);
  }
}
