import { z } from 'zod';
import { type EngineCompare, type EngineOp, NO_LEASE } from '../engine/engine.ts';
import { PAST_EVERY_KEY, type Range, oneKey } from '../engine/key-space.ts';

/**
 * The requests of etcd's v3 JSON gateway that this server answers. Strict: a field or a comparison that it does not
 * know is refused, because ignoring one would change what a transaction means (etcd's own gateway ignores them).
 */

/** Bytes in base64, as a byte string for keys. */
const bytes = z.base64().transform((text) => Buffer.from(text, 'base64').toString('latin1'));
/** Values stay base64, in the one canonical form, so that equal bytes are equal text. */
const value = z.base64().transform((text) => Buffer.from(text, 'base64').toString('base64'));
/** int64: a decimal string, or a number as the gateway also accepts. */
const int64 = z.union([z.string().regex(/^[0-9]{1,19}$/), z.number().int().nonnegative()]).transform(String);
const revision = int64.transform(Number).refine(Number.isSafeInteger, 'revision out of range');

const rangeFields = { key: bytes, range_end: bytes.optional() };
/** As in etcd: no end = one key, the end '\0' = everything from `key` on. */
function toRange(fields: { key: string; range_end?: string | undefined }): Range {
  if (fields.range_end === undefined || fields.range_end === '') return oneKey(fields.key);
  return { start: fields.key, end: fields.range_end === '\0' ? PAST_EVERY_KEY : fields.range_end };
}

const compare = z.union([
  z
    .strictObject({ key: bytes, target: z.literal('MOD'), result: z.literal('EQUAL'), mod_revision: revision })
    .transform((fields): EngineCompare => ({ key: fields.key, modRevision: fields.mod_revision })),
  z
    .strictObject({ key: bytes, target: z.literal('VALUE'), result: z.literal('EQUAL'), value })
    .transform((fields): EngineCompare => ({ key: fields.key, value: fields.value })),
]);

const operation = z.union([
  z
    .strictObject({
      request_put: z.strictObject({ key: bytes, value: value.default(''), lease: int64.default(NO_LEASE) }),
    })
    .transform(({ request_put: put }): EngineOp => ({ kind: 'put', ...put })),
  z
    .strictObject({ request_range: z.strictObject(rangeFields) })
    .transform((fields): EngineOp => ({ kind: 'range', range: toRange(fields.request_range) })),
  z
    .strictObject({ request_delete_range: z.strictObject(rangeFields) })
    .transform((fields): EngineOp => ({ kind: 'delete', range: toRange(fields.request_delete_range) })),
]);

export const txnRequest = z.strictObject({
  compare: z.array(compare).default([]),
  success: z.array(operation).default([]),
  failure: z.array(operation).default([]),
});

export const rangeRequest = z.strictObject(rangeFields).transform(toRange);

/** `ID` absent or 0: the server chooses. */
export const grantRequest = z.strictObject({ TTL: int64.transform(Number), ID: int64.default('0') });

export const leaseRequest = z.strictObject({ ID: int64 });

export const compactionRequest = z.strictObject({ revision });

export const watchRequest = z
  .strictObject({
    create_request: z.strictObject({
      ...rangeFields,
      start_revision: revision.default(0),
      progress_notify: z.boolean().default(false),
    }),
  })
  .transform(({ create_request: create }) => ({
    range: toRange(create),
    fromRevision: create.start_revision,
    progress: create.progress_notify,
  }));

export const nothing = z.strictObject({});
