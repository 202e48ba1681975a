import type { Entry, OpResult, TxnAnswer } from '../engine/engine.ts';
import type { EngineEvent } from '../engine/watches.ts';
import type { StoreFault } from './store.ts';

/**
 * Answers as etcd's JSON gateway writes them: bytes in base64, int64 as decimal strings, and every field that is
 * zero, empty or false left out.
 */
type Json = { readonly [name: string]: unknown };

export interface Header {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly revision: string;
  readonly raft_term: string;
}

export const headerOf = (clusterId: string, revision: number): Header => ({
  cluster_id: clusterId,
  member_id: '1',
  revision: String(revision),
  raft_term: '1',
});

const base64 = (key: string): string => Buffer.from(key, 'latin1').toString('base64');

/** Fields that are undefined are not written: `JSON.stringify` leaves them out. */
const orNothing = <T>(value: T, zero: T): T | undefined => (value === zero ? undefined : value);

export const entryJson = (entry: Entry): Json => ({
  key: base64(entry.key),
  create_revision: String(entry.createRevision),
  mod_revision: String(entry.modRevision),
  value: orNothing(entry.value, ''),
  lease: orNothing(entry.lease, '0'),
});

export const rangeJson = (header: object, entries: readonly Entry[]): Json => ({
  header,
  kvs: entries.length === 0 ? undefined : entries.map(entryJson),
  count: orNothing(String(entries.length), '0'),
});

export const txnJson = (header: Header, answer: TxnAnswer): Json => ({
  header,
  succeeded: orNothing(answer.succeeded, false),
  responses:
    answer.results.length === 0 ? undefined : answer.results.map((result) => resultJson(result, header.revision)),
});

function resultJson(result: OpResult, revision: string): Json {
  const header = { revision };
  if (result.kind === 'put') return { response_put: { header } };
  if (result.kind === 'range') return { response_range: rangeJson(header, result.entries) };
  return { response_delete_range: { header, deleted: orNothing(String(result.deleted), '0') } };
}

export const eventJson = (event: EngineEvent): Json =>
  event.kind === 'put'
    ? { kv: entryJson(event.entry) }
    : { type: 'DELETE', kv: { key: base64(event.key), mod_revision: String(event.modRevision) } };

/** An HTTP status and the body etcd's gateway would send for this gRPC code. */
export interface Failure {
  readonly status: number;
  readonly body: Json;
}

export const failure = (status: number, code: number, message: string): Failure => ({
  status,
  body: { error: message, message, code },
});

const GRPC: { readonly [C in StoreFault['code']]: { readonly status: number; readonly code: number } } = {
  'invalid-request': { status: 400, code: 3 },
  'lease-gone': { status: 404, code: 5 },
  'lease-exists': { status: 412, code: 9 },
  'store-full': { status: 429, code: 8 },
  'disk-full': { status: 429, code: 8 },
};

export const faultFailure = (fault: StoreFault): Failure =>
  failure(GRPC[fault.code].status, GRPC[fault.code].code, fault.why);
