import type { ServerResponse } from 'node:http';
import { eventJson } from './answers.ts';
import { badRequest, header } from './calls.ts';
import type { Failure } from './answers.ts';
import { watchRequest } from './requests.ts';
import type { Store } from './store.ts';

/** A watcher that takes its events slower than this is cut off: it reads everything again. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
/** etcd's own default is 10 minutes; a watcher here learns within seconds that it is still heard. */
const PROGRESS_EVERY_MS = 1_000;

/**
 * Answers a watch with one JSON object a line until either side closes. Returns a failure when the request was not
 * understood and nothing was written.
 */
export function streamWatch(store: Store, body: unknown, response: ServerResponse): Failure | null {
  const parsed = watchRequest.safeParse(body);
  if (!parsed.success) return badRequest(parsed.error);
  const { range, fromRevision, progress } = parsed.data;
  const send = (result: object): void => {
    response.write(`${JSON.stringify({ result: { header: header(store), ...result } })}\n`);
    if (response.writableLength > MAX_BACKLOG_BYTES) response.destroy();
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  send({ created: true });
  let compacted = false;
  const stop = store.watches.open(range, fromRevision, {
    events: (events) => send({ events: events.map(eventJson) }),
    compacted: (revision) => {
      compacted = true;
      send({ canceled: true, compact_revision: String(revision) });
      response.end();
    },
  });
  if (compacted) return null;
  // Everything published was written to this stream before, so the header's revision is what the watcher has.
  const beats = progress ? setInterval(() => send({}), PROGRESS_EVERY_MS) : undefined;
  response.once('close', () => {
    clearInterval(beats);
    stop();
  });
  return null;
}
