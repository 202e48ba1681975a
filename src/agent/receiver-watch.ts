import type { DatabaseStatus } from '../ports/database.ts';

/** Since when a standby gets no WAL although it follows somebody. */
export class ReceiverWatch {
  #silentSinceMs: number | null = null;

  /** Null: WAL arrives, or this is no standby of anybody. */
  get silentSinceMs(): number | null {
    return this.#silentSinceMs;
  }

  see(local: DatabaseStatus, nowMs: number): void {
    const isSilent = local.state === 'standby' && local.upstream !== null && !local.receiving;
    this.#silentSinceMs = isSilent ? (this.#silentSinceMs ?? nowMs) : null;
  }
}
