/** Lets many requests wait for "something changed": a new route table, a region that turned healthy or not. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  get waiting(): number {
    return this.#waiting.size;
  }

  notify(): void {
    const woken = [...this.#waiting];
    for (const wake of woken) wake();
  }

  /** Resolves at the next change, or after `atMostMs`. */
  next(atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(0, atMostMs));
      this.#waiting.add(wake);
    });
  }
}
