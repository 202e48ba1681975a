import { createHash, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type Result, err, ok } from '../../base/result.ts';
import { type Failure, failure } from './answers.ts';
import { type Call, callsOf } from './calls.ts';
import type { Store } from './store.ts';
import { streamWatch } from './watch-stream.ts';

/** etcd's own bound on a request. */
const MAX_BODY_BYTES = 1_572_864;
/** Longer than clients keep idle connections, so that a request does not meet a connection that is closing. */
const IDLE_CONNECTION_MS = 600_000;
const MAX_CONNECTIONS = 1_024;

/** The HTTP half of the embedded store: etcd's v3 JSON gateway, for the calls our client makes. Not listening yet. */
export function createStoreServer(store: Store, token: string): Server {
  const expected = digest(token);
  const calls = callsOf(store);
  const limits = { maxHeaderSize: 8_192, requestTimeout: 30_000, headersTimeout: 10_000 };
  const server = createServer({ ...limits, keepAliveTimeout: IDLE_CONNECTION_MS }, (request, response) => {
    const url = request.url ?? '';
    const known = calls.get(url);
    // Constant time: a digest has one length, whatever was sent.
    if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) {
      refuse(request, response, failure(401, 16, 'etcdserver: invalid auth token'));
    } else if (request.method !== 'POST') refuse(request, response, failure(405, 12, 'every call is a POST'));
    else if (url === '/v3/watch') void handle(request, response, watchCall(store));
    else if (known === undefined) refuse(request, response, failure(404, 12, 'this store does not know this call'));
    else void handle(request, response, known);
  });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A watch writes its own answer; `null` tells that it did. */
const watchCall =
  (store: Store): Call =>
  async (body, response) => {
    const failed = streamWatch(store, body, response);
    return failed === null ? ok(null) : err(failed);
  };

async function handle(request: IncomingMessage, response: ServerResponse, call: Call): Promise<void> {
  const body = await readJson(request);
  if (!body.ok) return refuse(request, response, body.error);
  const answer = await call(body.value, response);
  if (response.headersSent || response.destroyed) return;
  if (answer.ok) respond(response, 200, answer.value);
  else respond(response, answer.error.status, answer.error.body);
}

async function readJson(request: IncomingMessage): Promise<Result<unknown, Failure>> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      if (!Buffer.isBuffer(chunk)) return err(failure(400, 3, 'not bytes'));
      size += chunk.length;
      if (size > MAX_BODY_BYTES) return err(failure(400, 3, 'etcdserver: request is too large'));
      chunks.push(chunk);
    }
    return ok(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch {
    return err(failure(400, 3, 'the body is not one JSON object'));
  }
}

function respond(response: ServerResponse, status: number, json: unknown): void {
  const body = JSON.stringify(json);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Answers without reading the rest of the request, and closes the connection. */
function refuse(request: IncomingMessage, response: ServerResponse, failed: Failure): void {
  if (response.destroyed) return;
  response.setHeader('connection', 'close');
  respond(response, failed.status, failed.body);
  request.resume();
}
