/** What an injection saw: the canary's words and when. Times are CLOCK_MONOTONIC milliseconds, the same for all processes of this machine. */
export interface Seen {
  readonly what: string;
  /** The canary: how it was proved from outside that the fault is in force. */
  readonly evidence: string;
  /** When the injection began. */
  readonly fromMs: number;
  /** When it was in force: clocks of a drill start here. */
  readonly effectiveMs: number;
  /** When the canary had proved it. */
  readonly provenMs: number;
  /** Processes that it hit; null when it hits none. */
  readonly processes: number | null;
}

export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
