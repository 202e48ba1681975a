import type { LinkFault } from '../../ports/link.ts';
import { DelayLine, type LineTime } from './delay-line.ts';

/** Bytes in flight per direction over all connections of a route. */
export const LINE_BYTES = 8 * 1024 * 1024;

const realTime: LineTime = {
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.floor(delayMs));
    return () => clearTimeout(timer);
  },
};

/** Both directions of one service over a link, with the fault that it is under and that fault's lease. */
export class RouteLines {
  readonly forward: DelayLine;
  readonly back: DelayLine;
  #fault: LinkFault = { state: 'up', extraDelayMs: 0 };
  #expiry: NodeJS.Timeout | null = null;
  #expiresAtMs: number | null = null;

  constructor(delayMs: number, returnDelayMs: number) {
    this.forward = new DelayLine(realTime, delayMs, LINE_BYTES, Math.random);
    this.back = new DelayLine(realTime, returnDelayMs, LINE_BYTES, Math.random);
  }

  get isCut(): boolean {
    return this.#fault.state === 'cut';
  }

  get isSlow(): boolean {
    return this.#fault.extraDelayMs > 0 || (this.#fault.lossShare ?? 0) > 0;
  }

  get expiresInMs(): number | null {
    return this.#expiresAtMs === null ? null : Math.max(0, this.#expiresAtMs - performance.now());
  }

  set(fault: LinkFault, expiresInMs: number | null): void {
    this.close();
    this.#expiresAtMs = null;
    const before = this.#fault.state;
    this.#fault = fault;
    for (const line of [this.forward, this.back]) {
      line.setExtraDelay(fault.extraDelayMs);
      line.setLosses(fault.lossShare ?? 0);
      if (fault.state === before) continue;
      if (fault.state === 'cut') line.cut();
      else line.heal();
    }
    if (expiresInMs === null) return;
    this.#expiresAtMs = performance.now() + expiresInMs;
    this.#expiry = setTimeout(() => this.set({ state: 'up', extraDelayMs: 0 }, null), expiresInMs);
  }

  close(): void {
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.#expiry = null;
  }
}
