import { z } from 'zod';
import type { Compare, KeyValue, Op, TxnResult, WatchEvent } from '../../ports/coordination.ts';
import { toBytes } from '../byte-strings.ts';
import { PAST_EVERY_KEY, prefixRange } from '../engine/key-space.ts';

/**
 * The JSON of etcd's v3 gateway: bytes in base64, int64 as decimal strings, and fields that are zero left out of
 * answers. Answers are read strictly in what we use and not at all in the rest.
 */
const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const bytesBase64 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('base64');

const text = z.base64().transform((encoded) => Buffer.from(encoded, 'base64').toString('utf8'));
const int64 = z.string().regex(/^[0-9]{1,20}$/);
/** Revisions stay far below 2^53. */
const revision = int64.transform(Number).refine(Number.isSafeInteger, 'revision beyond 2^53').default(0);

const header = z.object({ cluster_id: int64.default('0'), revision });
const kv = z
  .object({
    key: text,
    value: text.default(''),
    mod_revision: revision,
    create_revision: revision,
    lease: int64.default('0'),
  })
  .transform(
    (fields): KeyValue => ({
      key: fields.key,
      value: fields.value,
      modRevision: fields.mod_revision,
      createRevision: fields.create_revision,
      lease: fields.lease,
    }),
  );

const txnSchema = z.object({
  header,
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({ response_range: z.object({ kvs: z.array(kv).default([]) }).optional() })).default([]),
});
const grantSchema = z.object({ header, ID: int64, TTL: int64.transform(Number) });
const keepAliveSchema = z.object({
  result: z.object({ header, ID: int64.default('0'), TTL: int64.transform(Number).default(0) }),
});
const headerSchema = z.object({ header });
const loginSchema = z.object({ header, token: z.string().min(1) });
const eventSchema = z
  .object({ type: z.enum(['PUT', 'DELETE']).default('PUT'), kv })
  .transform(
    ({ type, kv: entry }): WatchEvent =>
      type === 'PUT' ? { kind: 'put', kv: entry } : { kind: 'delete', key: entry.key, modRevision: entry.modRevision },
  );
const watchSchema = z.union([
  z.object({
    result: z.object({
      header,
      created: z.boolean().default(false),
      canceled: z.boolean().default(false),
      cancel_reason: z.string().default(''),
      compact_revision: revision,
      events: z.array(eventSchema).default([]),
    }),
  }),
  z.object({ error: z.looseObject({ message: z.string().default('') }) }),
]);
const errorSchema = z.object({ code: z.number().int(), message: z.string().optional(), error: z.string().optional() });

export type WatchMessage = z.output<typeof watchSchema>;

/** One call: its path, the body, and how to read the answer. `clusterId` tells a store from one made again. */
export interface EtcdCall<T> {
  readonly path: string;
  readonly body: string;
  /** Sending it twice does no harm, so another endpoint may be tried after a first one may have got it. */
  readonly repeatable: boolean;
  /** Undefined = the lease is gone. Throws when the answer is not what etcd sends. */
  readonly read: (json: unknown) => { readonly clusterId: string; readonly value: T | undefined };
}

export function txnCall(compare: readonly Compare[], then: readonly Op[], orElse: readonly Op[]): EtcdCall<TxnResult> {
  return {
    path: '/v3/kv/txn',
    body: JSON.stringify({ compare: compare.map(compareJson), success: then.map(opJson), failure: orElse.map(opJson) }),
    repeatable: [...then, ...orElse].every((op) => 'get' in op || 'getPrefix' in op),
    read: (json) => {
      const answer = txnSchema.parse(json);
      const expected = (answer.succeeded ? then : orElse).length;
      if (answer.responses.length !== expected)
        throw new Error(`${answer.responses.length} results for ${expected} operations`);
      const responses = answer.responses.map((response) => response.response_range?.kvs ?? []);
      const value = { succeeded: answer.succeeded, revision: answer.header.revision, responses };
      return { clusterId: answer.header.cluster_id, value };
    },
  };
}

export const grantCall = (ttlMs: number): EtcdCall<{ id: string; ttlMs: number }> => ({
  path: '/v3/lease/grant',
  body: JSON.stringify({ TTL: String(Math.max(1, Math.ceil(ttlMs / 1000))) }),
  repeatable: false,
  read: (json) => {
    const {
      header: { cluster_id: clusterId },
      ID,
      TTL,
    } = grantSchema.parse(json);
    return { clusterId, value: { id: ID, ttlMs: TTL * 1000 } };
  },
});

/** A wrong password and a store without users are both refused: nothing is ever written to a store that asks nobody who it is. */
export const loginCall = (name: string, password: string): EtcdCall<string> => ({
  path: '/v3/auth/authenticate',
  body: JSON.stringify({ name, password }),
  repeatable: true,
  read: (json) => {
    const { header: from, token } = loginSchema.parse(json);
    return { clusterId: from.cluster_id, value: token };
  },
});

export const keepAliveCall = (id: string): EtcdCall<{ id: string; ttlMs: number }> => ({
  path: '/v3/lease/keepalive',
  body: JSON.stringify({ ID: id }),
  repeatable: true,
  read: (json) => {
    const {
      header: { cluster_id: clusterId },
      TTL,
    } = keepAliveSchema.parse(json).result;
    return { clusterId, value: TTL === 0 ? undefined : { id, ttlMs: TTL * 1000 } };
  },
});

export const revokeCall = (id: string): EtcdCall<true> => ({
  path: '/v3/lease/revoke',
  body: JSON.stringify({ ID: id }),
  repeatable: false,
  read: (json) => ({ clusterId: headerSchema.parse(json).header.cluster_id, value: true }),
});

/** `fragment` is not asked for: without it etcd sends all events of one revision in one message. */
export const watchBody = (prefix: string, fromRevision: number): string =>
  JSON.stringify({
    create_request: { ...rangeJson(prefix), start_revision: String(fromRevision), progress_notify: true },
  });

export const readWatchMessage = (json: unknown): WatchMessage => watchSchema.parse(json);

/** The gRPC code and message of an error body; null when it is not one. */
export function readError(json: unknown): { readonly code: number; readonly message: string } | null {
  const error = errorSchema.safeParse(json);
  return error.success ? { code: error.data.code, message: error.data.message ?? error.data.error ?? '' } : null;
}

function compareJson(compare: Compare): object {
  const shared = { key: base64(compare.key), result: 'EQUAL' };
  return 'modRevision' in compare
    ? { ...shared, target: 'MOD', mod_revision: String(compare.modRevision) }
    : { ...shared, target: 'VALUE', value: base64(compare.value) };
}

function opJson(op: Op): object {
  if ('put' in op) return { request_put: { key: base64(op.put), value: base64(op.value), lease: op.lease ?? '0' } };
  if ('get' in op) return { request_range: { key: base64(op.get) } };
  if ('getPrefix' in op) return { request_range: rangeJson(op.getPrefix) };
  return { request_delete_range: { key: base64(op.delete) } };
}

function rangeJson(prefix: string): { key: string; range_end: string } {
  const { start, end } = prefixRange(toBytes(prefix));
  // '\0' is how etcd writes "to the last key there is".
  return { key: bytesBase64(start), range_end: bytesBase64(end === PAST_EVERY_KEY ? '\0' : end) };
}
