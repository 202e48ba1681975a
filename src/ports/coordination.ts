import type { Outcome } from '../base/result.ts';

/** One key as the store holds it. `modRevision` grows with every write; comparing it is how two writers exclude each other. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
  readonly createRevision: number;
  /** '0' when the key has no lease. Lease ids are decimal strings: they are 64-bit. */
  readonly lease: string;
}

export type Compare =
  /** True when the key's mod revision equals `modRevision`; 0 means that the key does not exist. */
  { readonly key: string; readonly modRevision: number } | { readonly key: string; readonly value: string };

export type Op =
  | { readonly put: string; readonly value: string; readonly lease?: string }
  | { readonly get: string }
  /** Every key that starts with the prefix. */
  | { readonly getPrefix: string }
  | { readonly delete: string };

export interface TxnResult {
  /** False when a comparison failed: then `orElse` was carried out instead. */
  readonly succeeded: boolean;
  /** The store's revision after the transaction. */
  readonly revision: number;
  /** One entry per operation: the keys that a get found; empty for puts and deletes. */
  readonly responses: readonly (readonly KeyValue[])[];
}

export type WatchEvent =
  | { readonly kind: 'put'; readonly kv: KeyValue }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: number };

export interface WatchHandlers {
  /** Events in order of revision; all events of one revision arrive in one call. */
  onEvents(events: readonly WatchEvent[], revision: number): void;
  /** The watch is over (cut, compacted, store restarted): read everything again and watch from there. */
  onEnd(why: string): void;
  /** The store said that it has delivered everything up to `revision`. */
  onProgress?(revision: number): void;
}

export interface Lease {
  readonly id: string;
  /** Granted by the store; may be longer than asked. */
  readonly ttlMs: number;
}

/**
 * The coordination store: linearizable transactions, leases, watches from a revision.
 * Every call is bounded by `timeoutMs` and ends `done`, `refused` (the store answered no) or `unknown` (it may have happened).
 */
export interface Coordination {
  txn(compare: readonly Compare[], then: readonly Op[], orElse?: readonly Op[]): Promise<Outcome<TxnResult>>;
  grant(ttlMs: number): Promise<Outcome<Lease>>;
  /** Refused with code `lease-gone` when the lease no longer exists. */
  keepAlive(leaseId: string): Promise<Outcome<Lease>>;
  revoke(leaseId: string): Promise<Outcome<void>>;
  /** Watches every key with the prefix, from `fromRevision` on (inclusive). Returns a function that stops it. */
  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): () => void;
  close(): Promise<void>;
}
