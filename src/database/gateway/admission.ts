/** After this a place is given back by itself: who is far away, slow or silent delays nobody for longer. */
const HOLD_MS = 25;

/**
 * How many connections PostgreSQL begins at the same time. After a takeover all clients come back at once, and each new
 * backend costs some 10 ms of a processor: begun together they end together, late. One for each processor at a time the first of
 * them writes at once, and the last no later: where clients are far away as many begin in a second as with four times the places
 * and four times the hold.
 */
export class Admission {
  readonly #places: number;
  /** In order of arrival, writers before readers; each takes over a place that stays taken. */
  readonly #waiting = { rw: new Set<() => void>(), ro: new Set<() => void>() };
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** Waits for a place. The answer gives it back, once; null: there was none in time, or who waited is `gone`. */
  async enter(timeoutMs: number, gone: AbortSignal, want: 'rw' | 'ro' = 'rw'): Promise<(() => void) | null> {
    if (gone.aborted) return null;
    if (this.#taken < this.#places) this.#taken += 1;
    else if (!(await this.#turn(timeoutMs, gone, this.#waiting[want]))) return null;
    let held = true;
    const leave = (): void => {
      if (!held) return;
      held = false;
      clearTimeout(timer);
      this.#passOn();
    };
    const timer = setTimeout(leave, HOLD_MS);
    return leave;
  }

  #turn(timeoutMs: number, gone: AbortSignal, queue: Set<() => void>): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (hasPlace: boolean): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', giveUp);
        queue.delete(called);
        resolve(hasPlace);
      };
      const called = (): void => end(true);
      const giveUp = (): void => end(false);
      const timer = setTimeout(giveUp, timeoutMs);
      gone.addEventListener('abort', giveUp, { once: true });
      queue.add(called);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting.rw.size > 0 ? this.#waiting.rw : this.#waiting.ro;
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    next();
  }
}
