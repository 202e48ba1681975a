import type { Lsn } from '../base/lsn.ts';
import type { DatabaseStatus } from '../ports/database.ts';

/** So long without a break, and a WAL receiver is believed even if nothing was written meanwhile. */
const STEADY_MS = 3_000;

/**
 * Since when a standby gets no WAL. That a WAL receiver runs is no proof that it gets any: one whose upstream has removed what it
 * asks for is started again and again, is `streaming` for as long as the refusal takes, and so in many of our looks.
 */
export class ReceiverWatch {
  #silentSinceMs: number | null = null;
  #silentAt: Lsn | null = null;
  #receivingSinceMs: number | null = null;

  /** Null: WAL arrives, or this is no standby of anybody. */
  get silentSinceMs(): number | null {
    return this.#silentSinceMs;
  }

  see(local: DatabaseStatus, nowMs: number): void {
    if (local.state !== 'standby' || local.upstream === null) {
      this.#silentSinceMs = null;
      this.#receivingSinceMs = null;
    } else if (!local.receiving) {
      this.#silentSinceMs ??= nowMs;
      this.#silentAt = local.endLsn;
      this.#receivingSinceMs = null;
    } else {
      this.#receivingSinceMs ??= nowMs;
      if (local.endLsn !== this.#silentAt || nowMs - this.#receivingSinceMs >= STEADY_MS) this.#silentSinceMs = null;
    }
  }
}
