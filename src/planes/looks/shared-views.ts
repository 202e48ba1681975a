import type { Clock } from '../../base/clock.ts';
import { FORGET_AFTER_MS, FRESH_FOR_MS, type Peer } from '../../decide/health/agreement.ts';
import { parseView, type View } from '../../decide/health/view.ts';
import type { Coordination, KeyValue } from '../../ports/coordination.ts';

export interface SharedViewsOptions {
  readonly coordination: Coordination;
  readonly clock: Clock;
  /** Every observer writes one key below it. */
  readonly prefix: string;
  readonly observer: string;
  readonly view: () => View;
  /** Something was heard, or nothing was for a while: count again. */
  readonly onHeard: () => void;
}

/** Between two words of an observer, and the least between two that have something new to say. */
const TELL_EVERY_MS = 2_000;
const TELL_AT_MOST_EVERY_MS = 250;
/** What a plane said goes from the store so long after its end. */
const LEASE_MS = 15_000;
const RETRY_MS = 1_000;
const REREAD_EVERY_MS = 10_000;
/** Deployments have tens of planes; more than this is somebody inventing them. */
const PEERS_MAX = 256;

/**
 * Tells the other planes what this one sees, and hears what they see. All that the store does here is carry it: no call is
 * waited for by a request or an answer, and when the store is gone nobody is heard.
 */
export class SharedViews {
  readonly #options: SharedViewsOptions;
  readonly #stopping = new AbortController();
  readonly #heard = new Map<string, { readonly peer: Peer; readonly revision: number }>();
  #news = new AbortController();
  #told = '';
  #lease: string | null = null;
  #writes = false;
  #watches = false;

  constructor(options: SharedViewsOptions) {
    this.#options = options;
    void this.#tell();
    void this.#hear();
  }

  /** Those that were heard within the last ten minutes. */
  get peers(): readonly Peer[] {
    return [...this.#heard.values()].map(({ peer }) => peer);
  }

  /** False when what others say now would not reach this plane. */
  get connected(): boolean {
    return this.#writes && this.#watches;
  }

  /** The view has changed: tell it soon. */
  changed(): void {
    if (JSON.stringify(this.#options.view()) !== this.#told) this.#news.abort();
  }

  /** Says no more, and takes back what it said. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#news.abort();
    if (this.#lease !== null) await this.#options.coordination.revoke(this.#lease);
  }

  async #tell(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#news = new AbortController();
      const writes = await this.#write();
      if (writes !== this.#writes) {
        this.#writes = writes;
        this.#options.onHeard();
      }
      await this.#pause(TELL_AT_MOST_EVERY_MS, signal);
      await this.#pause(TELL_EVERY_MS - TELL_AT_MOST_EVERY_MS, this.#news.signal);
      // Time alone makes others stale.
      if (!signal.aborted) this.#options.onHeard();
    }
  }

  async #write(): Promise<boolean> {
    const { coordination, prefix, observer, view } = this.#options;
    const lease = await this.#ownLease();
    if (lease === null || this.#stopping.signal.aborted) return false;
    const value = JSON.stringify(view());
    const outcome = await coordination.txn([], [{ put: `${prefix}${observer}`, value, lease }]);
    if (outcome.kind === 'done') this.#told = value;
    else this.#lease = null;
    return outcome.kind === 'done';
  }

  /** Kept alive with each word, so it ends soon after the last one. */
  async #ownLease(): Promise<string | null> {
    const { coordination } = this.#options;
    if (this.#lease !== null) {
      const kept = await coordination.keepAlive(this.#lease);
      if (kept.kind === 'done') return this.#lease;
    }
    const granted = await coordination.grant(LEASE_MS);
    this.#lease = granted.kind === 'done' ? granted.value.id : null;
    return this.#lease;
  }

  async #hear(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const revision = await this.#read();
      if (revision !== null) await this.#watchFrom(revision + 1);
      this.#watches = false;
      if (!signal.aborted) this.#options.onHeard();
      await this.#pause(RETRY_MS, signal);
    }
  }

  /** Returns the revision of what was read; null when the store did not answer. */
  async #read(): Promise<number | null> {
    const { coordination, prefix, onHeard } = this.#options;
    const outcome = await coordination.txn([], [{ getPrefix: prefix }]);
    if (outcome.kind !== 'done' || this.#stopping.signal.aborted) return null;
    for (const kv of outcome.value.responses[0] ?? []) this.#take(kv);
    this.#forget();
    this.#watches = true;
    onHeard();
    return outcome.value.revision;
  }

  async #watchFrom(revision: number): Promise<void> {
    const { coordination, prefix, onHeard } = this.#options;
    const ended = new AbortController();
    const stop = coordination.watch(prefix, revision, {
      onEvents: (events) => {
        for (const event of events) {
          if (event.kind === 'put') this.#take(event.kv);
          else this.#leaves(event.key);
        }
        onHeard();
      },
      onEnd: () => ended.abort(),
    });
    const over = AbortSignal.any([ended.signal, this.#stopping.signal]);
    while (!over.aborted) {
      await this.#pause(REREAD_EVERY_MS, over);
      if (!over.aborted && (await this.#read()) === null) break;
    }
    stop();
  }

  /** A key that was not written since says nothing new: whoever wrote it may be gone. */
  #take({ key, value, modRevision }: KeyValue): void {
    const { prefix, observer, clock } = this.#options;
    const who = key.slice(prefix.length);
    const before = this.#heard.get(who);
    if (who === observer || before?.revision === modRevision) return;
    const view = parseView(value);
    if (view === null || (before === undefined && this.#heard.size >= PEERS_MAX)) return;
    this.#heard.set(who, { peer: { view, heardAtMs: clock.nowMs() }, revision: modRevision });
  }

  /** Who takes back a word that is fresh has ended in order. Of one that was silent before, the lease has run out: it is missing. */
  #leaves(key: string): void {
    const { prefix, clock } = this.#options;
    const who = key.slice(prefix.length);
    const heardAtMs = this.#heard.get(who)?.peer.heardAtMs ?? 0;
    if (clock.nowMs() - heardAtMs <= FRESH_FOR_MS) this.#heard.delete(who);
  }

  #forget(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [who, { peer }] of this.#heard) if (nowMs - peer.heardAtMs > FORGET_AFTER_MS) this.#heard.delete(who);
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    try {
      await this.#options.clock.sleep(delayMs, signal);
    } catch {
      // Stopped or woken; the loops look at the signals.
    }
  }
}
