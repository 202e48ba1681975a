import * as http from 'node:http';
import * as https from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';

/** How one HTTP exchange ended. Only after `not-sent` is it certain that the store did nothing. */
export type Exchange =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  | { readonly kind: 'not-sent'; readonly why: string }
  | { readonly kind: 'cut'; readonly why: string };

/** What goes with every request as `authorization`; one for all endpoints of a client, so a new token reaches them all. */
export interface Credentials {
  token: string | null;
}

/** What an endpoint needs: its base URL, the client's credentials, and the connections to reuse. */
export interface Endpoint {
  readonly url: URL;
  readonly credentials: Credentials;
  readonly agent: http.Agent;
}

/** An answer to one of our calls is small; more than this is not from a store. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

export function endpointOf(text: string, credentials: Credentials): Endpoint {
  const url = new URL(text);
  const agent =
    url.protocol === 'https:'
      ? new https.Agent({ keepAlive: true, scheduling: 'lifo' })
      : new http.Agent({ keepAlive: true, scheduling: 'lifo' });
  return { url, credentials, agent };
}

/** A request ready to be ended with its body. `agent: false` = a connection of its own. */
export function post(endpoint: Endpoint, path: string, body: string, agent: http.Agent | false): http.ClientRequest {
  const headers: http.OutgoingHttpHeaders = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  // etcd without authentication refuses a request that carries a token.
  const { token } = endpoint.credentials;
  if (token !== null) headers['authorization'] = token;
  const request = endpoint.url.protocol === 'https:' ? https.request : http.request;
  return request(new URL(path, endpoint.url), { method: 'POST', headers, agent });
}

/** Calls `run` after `delayMs` unless cancelled. */
export function after(clock: Clock, delayMs: number, run: () => void): () => void {
  const cancel = new AbortController();
  clock.sleep(delayMs, cancel.signal).then(run, () => {});
  return () => cancel.abort();
}

/** Runs `sent` when the connection is there, which is when node hands the request to the kernel. */
export function whenSent(request: http.ClientRequest, sent: () => void): void {
  request.once('socket', (socket) => {
    if (!socket.connecting) sent();
    else socket.once(request.protocol === 'https:' ? 'secureConnect' : 'connect', sent);
  });
}

/** One request and its answer, within `totalMs`; the connection must be there within `connectMs`. Never rejects. */
export function exchange(
  clock: Clock,
  endpoint: Endpoint,
  call: { readonly path: string; readonly body: string },
  limits: { readonly connectMs: number; readonly totalMs: number },
): Promise<Exchange> {
  return new Promise((resolve) => {
    let sent = false;
    const request = post(endpoint, call.path, call.body, endpoint.agent);
    const end = (result: Exchange): void => {
      stopConnect();
      stopTotal();
      resolve(result);
    };
    const fail = (why: string): void => {
      end(sent ? { kind: 'cut', why } : { kind: 'not-sent', why });
      request.destroy();
    };
    const stopConnect = after(
      clock,
      limits.connectMs,
      () => !sent && fail(`no connection within ${limits.connectMs} ms`),
    );
    const stopTotal = after(clock, limits.totalMs, () => fail(`no answer within ${limits.totalMs} ms`));
    whenSent(request, () => (sent = true));
    request.once('error', (error) => fail(messageOf(error)));
    request.once('response', (response) => {
      collect(response).then(
        (body) => end({ kind: 'answered', status: response.statusCode ?? 0, body }),
        (error: unknown) => fail(`the answer was cut: ${messageOf(error)}`),
      );
    });
    request.end(call.body);
  });
}

export async function collect(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) throw new Error('not bytes');
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
