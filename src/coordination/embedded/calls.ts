import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { type Result, err, ok } from '../../base/result.ts';
import { type Failure, type Header, failure, faultFailure, headerOf, rangeJson, txnJson } from './answers.ts';
import { compactionRequest, grantRequest, leaseRequest, nothing, rangeRequest, txnRequest } from './requests.ts';
import type { Store, StoreFault } from './store.ts';

/** One call of the gateway: the parsed JSON body in, the answer's JSON out. */
export type Call = (body: unknown, response: ServerResponse) => Promise<Result<unknown, Failure>>;

const VERSION = 'farshore-store/1';

export function callsOf(store: Store): ReadonlyMap<string, Call> {
  return new Map<string, Call>([
    ['/v3/kv/txn', call(txnRequest, (request) => txn(store, request))],
    ['/v3/kv/range', call(rangeRequest, (range) => read(store, range))],
    ['/v3/kv/compaction', call(compactionRequest, ({ revision }) => compact(store, revision))],
    ['/v3/lease/grant', call(grantRequest, (request) => grant(store, request))],
    ['/v3/lease/keepalive', call(leaseRequest, ({ ID }, response) => keepAlive(store, ID, response))],
    ['/v3/lease/revoke', call(leaseRequest, ({ ID }) => revoke(store, ID))],
    ['/v3/maintenance/status', call(nothing, () => status(store))],
  ]);
}

/** The present header, for answers that do not depend on a revision of their own. */
export const header = (store: Store): Header => headerOf(store.clusterId, store.watches.revision);

export const badRequest = (error: z.ZodError): Failure =>
  failure(400, 3, `not a request this store knows: ${z.prettifyError(error).replaceAll('\n', ' ')}`);

function call<S extends z.ZodType>(
  schema: S,
  run: (request: z.output<S>, response: ServerResponse) => Promise<Result<unknown, Failure>>,
): Call {
  return async (body, response) => {
    const request = schema.safeParse(body);
    return request.success ? run(request.data, response) : err(badRequest(request.error));
  };
}

/** The JSON of a result, or the failure as etcd would say it. */
const answer = <T>(result: Result<T, StoreFault>, json: (value: T) => unknown): Result<unknown, Failure> =>
  result.ok ? ok(json(result.value)) : err(faultFailure(result.error));

async function txn(store: Store, request: z.output<typeof txnRequest>): Promise<Result<unknown, Failure>> {
  const result = await store.run((engine) => engine.txn(request.compare, request.success, request.failure));
  return answer(result, (value) => txnJson(headerOf(store.clusterId, value.revision), value));
}

async function read(store: Store, range: z.output<typeof rangeRequest>): Promise<Result<unknown, Failure>> {
  const result = await store.run((engine) =>
    ok({ value: { revision: engine.revision, entries: engine.read(range) }, change: null }),
  );
  return answer(result, (value) => rangeJson(headerOf(store.clusterId, value.revision), value.entries));
}

async function grant(store: Store, request: z.output<typeof grantRequest>): Promise<Result<unknown, Failure>> {
  const id = request.ID === '0' ? String((randomBytes(8).readBigUInt64BE() >> 1n) | 1n) : request.ID;
  const result = await store.run((engine) => engine.grant(id, Math.max(1, request.TTL)));
  return answer(result, (lease) => ({ header: header(store), ID: lease.id, TTL: String(lease.ttlSeconds) }));
}

/** Streaming in etcd, so the answer is wrapped in `result`; a lease that is gone has no TTL. */
async function keepAlive(store: Store, id: string, response: ServerResponse): Promise<Result<unknown, Failure>> {
  const lease = store.keepAlive(id);
  // P2.4: the TTL counts from the moment the answer went out.
  response.once('finish', () => store.renewed(id));
  const ttl = lease === null ? undefined : String(lease.ttlSeconds);
  return ok({ result: { header: header(store), ID: id, TTL: ttl } });
}

async function revoke(store: Store, id: string): Promise<Result<unknown, Failure>> {
  return answer(await store.run((engine) => engine.revoke(id)), () => ({ header: header(store) }));
}

/** The history is in memory only: after a restart it begins at the last snapshot, whatever was compacted before. */
async function compact(store: Store, revision: number): Promise<Result<unknown, Failure>> {
  const { watches } = store;
  if (revision <= watches.compactRevision) {
    return err(failure(400, 11, 'etcdserver: mvcc: required revision has been compacted'));
  }
  if (revision > watches.revision) {
    return err(failure(400, 11, 'etcdserver: mvcc: required revision is a future revision'));
  }
  watches.compact(revision);
  return ok({ header: header(store) });
}

async function status(store: Store): Promise<Result<unknown, Failure>> {
  const { stateBytes, logBytes } = store.sizes;
  return ok({
    header: header(store),
    version: VERSION,
    dbSize: String(logBytes),
    dbSizeInUse: String(stateBytes),
    leader: '1',
  });
}
