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
  /** In order of arrival; each takes over a place that stays taken. */
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** Waits for a place. The answer gives it back, once; null: there was none in time, or who waited is `gone`. */
  async enter(timeoutMs: number, gone: AbortSignal): Promise<(() => void) | null> {
    if (gone.aborted) return null;
    if (this.#taken < this.#places) this.#taken += 1;
    else if (!(await this.#turn(timeoutMs, gone))) return null;
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

  #turn(timeoutMs: number, gone: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (hasPlace: boolean): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', giveUp);
        this.#waiting.delete(called);
        resolve(hasPlace);
      };
      const called = (): void => end(true);
      const giveUp = (): void => end(false);
      const timer = setTimeout(giveUp, timeoutMs);
      gone.addEventListener('abort', giveUp, { once: true });
      this.#waiting.add(called);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    next();
  }
}
