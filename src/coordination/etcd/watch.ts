import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { WatchEvent, WatchHandlers } from '../../ports/coordination.ts';
import { type WatchMessage, readWatchMessage, watchBody } from './codec.ts';
import { type Endpoint, after, post } from './exchange.ts';
import { Lines } from './lines.ts';

export interface WatchOptions {
  readonly endpoints: readonly Endpoint[];
  readonly clock: Clock;
  /** Until the store says that the watch is there. */
  readonly timeoutMs: number;
  readonly idleMs: number;
  readonly sameStore: (clusterId: string) => boolean;
  readonly prefix: string;
  readonly fromRevision: number;
  readonly handlers: WatchHandlers;
}

/** An answer line holds all events of some revisions. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * A watch as one chunked answer of JSON lines on a connection of its own. After `onEnd`, or after the returned
 * function was called, no handler is called any more.
 *
 * A stream can be dead without a sign: a link that swallows bytes closes nothing, and stock etcd reports progress only
 * every 10 minutes. So a stream that is silent for `idleMs` is replaced by one that begins at the next revision:
 * nothing is missed or told twice, and a store out of reach is noticed within `idleMs + timeoutMs`.
 */
export function watchStore(options: WatchOptions): () => void {
  const watch = new Watch(options);
  watch.open();
  return () => watch.stop();
}

class Watch {
  readonly #options: WatchOptions;
  #nextRevision: number;
  #request: ClientRequest | null = null;
  #cancelTimer: () => void = () => {};
  #over = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#nextRevision = options.fromRevision;
  }

  stop(): void {
    this.#over = true;
    this.#cancelTimer();
    this.#request?.destroy();
  }

  /** Opens the stream at the next revision, at the first endpoint that takes it. */
  open(turn = 0, failures: readonly string[] = []): void {
    const endpoint = this.#options.endpoints[turn];
    if (endpoint === undefined) return this.#end(failures.join('; '));
    const shareMs = Math.ceil(this.#options.timeoutMs / this.#options.endpoints.length);
    const body = watchBody(this.#options.prefix, this.#nextRevision);
    const request = post(endpoint, '/v3/watch', body, false);
    let created = false;
    const failed = (why: string): void => {
      // A stream that was replaced or stopped has nothing more to say.
      if (this.#request !== request) return;
      this.#drop();
      const where = `${endpoint.url.host}: ${why}`;
      if (created) this.#end(where);
      else this.open(turn + 1, [...failures, where]);
    };
    this.#request = request;
    this.#timer(shareMs, () => failed(`the watch was not there within ${shareMs} ms`));
    request.once('error', (error) => failed(messageOf(error)));
    request.once('response', (response) => {
      const take = (message: WatchMessage): void => {
        created = true;
        if (this.#request === request) this.#take(message);
      };
      readMessages(response, take, failed);
    });
    request.end(body);
  }

  #take(message: WatchMessage): void {
    this.#timer(this.#options.idleMs, () => {
      this.#drop();
      this.open();
    });
    if ('error' in message) return this.#end(message.error.message || 'the store ended the watch');
    const { header, created, canceled, compact_revision: compacted, cancel_reason: reason, events } = message.result;
    if (!this.#options.sameStore(header.cluster_id)) return this.#end(`another store answers: ${header.cluster_id}`);
    if (compacted > 0) return this.#end(`compacted: revisions up to ${compacted} are no longer kept`);
    if (canceled) return this.#end(reason || 'the store cancelled the watch');
    if (created) {
      if (this.#nextRevision === 0) this.#nextRevision = header.revision + 1;
      return;
    }
    if (events.length > 0) return this.#tell(events);
    this.#nextRevision = Math.max(this.#nextRevision, header.revision + 1);
    this.#options.handlers.onProgress?.(header.revision);
  }

  /** One message can hold several revisions, each whole and in order. */
  #tell(events: readonly WatchEvent[]): void {
    for (let start = 0, end = 0; start < events.length; start = end) {
      const revision = revisionOf(events[start]);
      while (end < events.length && revisionOf(events[end]) === revision) end++;
      const ofRevision = events.slice(start, end);
      if (this.#over) return;
      if (revision < this.#nextRevision) continue;
      this.#nextRevision = revision + 1;
      this.#options.handlers.onEvents(ofRevision, revision);
    }
  }

  #timer(delayMs: number, run: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = after(this.#options.clock, delayMs, () => !this.#over && run());
  }

  #drop(): void {
    const request = this.#request;
    this.#request = null;
    request?.destroy();
  }

  #end(why: string): void {
    if (this.#over) return;
    this.stop();
    this.#options.handlers.onEnd(why);
  }
}

const revisionOf = (event: WatchEvent | undefined): number =>
  event === undefined ? 0 : event.kind === 'put' ? event.kv.modRevision : event.modRevision;

/** Reads a chunked answer of JSON lines; `failed` is called once it is over, however it ended. */
function readMessages(
  response: IncomingMessage,
  take: (message: WatchMessage) => void,
  failed: (why: string) => void,
): void {
  if (response.statusCode !== 200) {
    response.resume();
    return failed(`status ${response.statusCode ?? 0}`);
  }
  const lines = new Lines(MAX_LINE_BYTES);
  response.on('data', (chunk: Buffer) => {
    let messages: WatchMessage[];
    try {
      messages = lines.push(chunk).map((line) => readWatchMessage(JSON.parse(line)));
    } catch (error) {
      return failed(`not what etcd sends: ${messageOf(error).slice(0, 200)}`);
    }
    for (const message of messages) take(message);
  });
  response.once('error', (error) => failed(messageOf(error)));
  response.once('close', () => failed('the store closed the watch'));
}
