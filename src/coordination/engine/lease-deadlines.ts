/**
 * When each lease may expire, on a monotonic clock. P2.4: never earlier than a full TTL after the last keepalive that
 * was answered, and a full TTL for every lease after a pause, because nobody could renew while this process stood still.
 * An expiry that comes late is safe; one that comes early is not.
 */
export class LeaseDeadlines {
  readonly #leases = new Map<string, { readonly ttlMs: number; deadlineMs: number }>();
  #seenMs: number;
  #seenWallMs: number;
  readonly #pauseMs: number;

  /** `pauseMs`: two looks further apart than this, or a wall clock that moved by 100 ms more or less, mean a pause. */
  constructor(pauseMs: number, nowMs: number, wallMs: number) {
    this.#pauseMs = pauseMs;
    this.#seenMs = nowMs;
    this.#seenWallMs = wallMs;
  }

  start(id: string, ttlMs: number, nowMs: number): void {
    this.#leases.set(id, { ttlMs, deadlineMs: nowMs + ttlMs });
  }

  /** A keepalive was answered. Never moves a deadline back. */
  renew(id: string, nowMs: number): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) lease.deadlineMs = Math.max(lease.deadlineMs, nowMs + lease.ttlMs);
  }

  drop(id: string): void {
    this.#leases.delete(id);
  }

  /** Call at every tick. Answers true when it noticed a pause; then every lease has a full TTL again. */
  look(nowMs: number, wallMs: number): boolean {
    const passedMs = nowMs - this.#seenMs;
    const wallPassedMs = wallMs - this.#seenWallMs;
    this.#seenMs = nowMs;
    this.#seenWallMs = wallMs;
    const paused = passedMs > this.#pauseMs || Math.abs(wallPassedMs - passedMs) > WALL_JUMP_MS;
    if (paused) for (const id of this.#leases.keys()) this.renew(id, nowMs);
    return paused;
  }

  isDue(id: string, nowMs: number): boolean {
    const lease = this.#leases.get(id);
    return lease !== undefined && lease.deadlineMs <= nowMs;
  }

  due(nowMs: number): string[] {
    return [...this.#leases.keys()].filter((id) => this.isDue(id, nowMs));
  }

  /** The earliest deadline; null without leases. */
  nextMs(): number | null {
    const deadlines = [...this.#leases.values()].map((lease) => lease.deadlineMs);
    return deadlines.length === 0 ? null : Math.min(...deadlines);
  }
}

/** P2.2. */
const WALL_JUMP_MS = 100;
