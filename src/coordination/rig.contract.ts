import type { Coordination } from '../ports/coordination.ts';

/** One running store under test, and the means to wait on its clock. */
export interface Rig {
  connect(): Coordination;
  /** Lets `ms` pass: on a virtual clock at once. */
  sleep(ms: number): Promise<void>;
  nowMs(): number;
  /** Forgets the watch history up to `revision`. */
  compact(revision: number): Promise<void>;
  /** How long after its TTL a lease may still live. */
  readonly expiryLateMs: number;
  close(): Promise<void>;
}
