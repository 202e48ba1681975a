import { compareLsn, type Lsn } from '../base/lsn.ts';

const POINTS_MAX = 5_000;

/** How long the best standby lacks what the primary has written, by the primary's own clock alone. */
export class Lag {
  /** The first is the newest that the best standby has; the others it does not have. */
  #points: { readonly atMs: number; lsn: Lsn }[] = [];
  #best: Lsn | null = null;

  /** `flushed`: what each standby that counts was seen to have. */
  note(nowMs: number, endLsn: Lsn, flushed: readonly Lsn[]): void {
    for (const lsn of flushed) if (this.#best === null || compareLsn(lsn, this.#best) > 0) this.#best = lsn;
    const last = this.#points.at(-1);
    // Many that nobody has: the newest stands for later ones, which only makes the lag look longer.
    if (last !== undefined && this.#points.length >= POINTS_MAX) last.lsn = endLsn;
    else this.#points.push({ atMs: nowMs, lsn: endLsn });
    while (this.#points.length > 1 && this.#has(this.#points[1]?.lsn)) this.#points.shift();
  }

  #has(lsn: Lsn | undefined): boolean {
    return lsn !== undefined && this.#best !== null && compareLsn(lsn, this.#best) <= 0;
  }

  lagMs(nowMs: number): number {
    const [since] = this.#points;
    return since === undefined || this.#has(this.#points.at(-1)?.lsn) ? 0 : nowMs - since.atMs;
  }

  clear(): void {
    this.#points = [];
    this.#best = null;
  }
}
