import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { headersForClient } from './headers.ts';

export type FailureCode = 'connect' | 'reset' | 'timeout' | 'given-up' | 'busy' | 'invalid';

/** How one try at one region ended. Only after `failed`, `passed-over` and `replay` has the client seen nothing. */
export type AttemptEnd =
  | { readonly kind: 'answered'; readonly status: number }
  /** The region answered that it can't serve now, and another one will be asked. */
  | { readonly kind: 'passed-over'; readonly status: number }
  /** The application changed nothing and asks for the primary, by this value of `farshore-replay`. */
  | { readonly kind: 'replay'; readonly value: string }
  /** `sent: false` proves that the region got nothing. `sent: true` means that it may have. */
  | { readonly kind: 'failed'; readonly sent: boolean; readonly code: FailureCode; readonly text: string }
  /** The answer broke off after its beginning had gone to the client, whose connection was cut so that it notices. */
  | { readonly kind: 'broken'; readonly text: string }
  | { readonly kind: 'client-gone' };

export interface AttemptOptions {
  readonly response: ServerResponse;
  readonly timeoutMs: number;
  readonly holdBytes: number;
  /** Headers that the edge adds to the answer: names and values in turn. */
  readonly added: readonly string[];
  /** Asked when the region answers 502, 503 or 504: may the answer be dropped, because another region will be asked? */
  mayPassOver(): boolean;
}

interface Head {
  readonly status: number;
  readonly message: string;
  readonly headers: string[];
}

/** A held body up to this size leaves in one write with its head, as a text of one byte a character: `writev` costs more than the copy. */
const ONE_WRITE_BYTES = 4_096;

/**
 * One try of one request at one region: takes what undici reports and passes the answer to the client.
 *
 *   waiting ──written──▶ sent ──head──▶ holding ──last byte──▶ ended
 *                                └────▶ flowing ──last byte──▶ ended
 *
 * `waiting`: no byte has left; giving up now proves that nothing was sent. A small answer of known length is held until it is
 * whole, so that a crash in its middle can still be answered by another region; all others flow, with backpressure.
 *
 * It speaks the older of undici's two ways of reporting, which its core calls directly: the newer one is made of it, and costs
 * an object for each answer's headers.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly end: Promise<AttemptEnd>;
  readonly #options: AttemptOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #settle: (end: AttemptEnd) => void;
  #phase: 'waiting' | 'sent' | 'holding' | 'flowing' | 'ended' = 'waiting';
  #abort: ((error: Error) => void) | null = null;
  #resume: (() => void) | null = null;
  #head: Head | null = null;
  #held: Buffer[] = [];

  constructor(options: AttemptOptions) {
    this.#options = options;
    const { promise, resolve } = settled();
    this.end = promise;
    this.#settle = resolve;
    this.#timer = setTimeout(() => this.giveUp('timeout', `no answer in ${options.timeoutMs} ms`), options.timeoutMs);
    options.response.on('close', this.#onClientClose);
  }

  /** Ends the try, unless the client is getting its answer already. */
  giveUp(code: 'timeout' | 'given-up', text: string): void {
    if (this.#phase === 'ended' || this.#phase === 'flowing') return;
    this.#fail(code, text);
    this.#abort?.(new Error(text));
  }

  onConnect(abort: (error?: Error) => void): void {
    // Aborting here, before undici writes, keeps the promise that nothing was sent.
    if (this.#phase === 'ended') return abort(new Error('given up before it was sent'));
    this.#phase = 'sent';
    this.#abort = abort;
  }

  /** `false` asks undici to pause. */
  onHeaders(status: number, raw: readonly Buffer[], resume: () => void, message: string): boolean {
    if (status < 200 || this.#phase === 'ended') return true;
    if (status >= 502 && status <= 504 && this.#options.mayPassOver()) {
      this.#finish({ kind: 'passed-over', status });
      return true;
    }
    const { headers, lengthBytes, replay } = headersForClient(raw);
    if (replay !== null) {
      this.#finish({ kind: 'replay', value: replay });
      return true;
    }
    this.#resume = resume;
    headers.push(...this.#options.added);
    const head = { status, message, headers };
    this.#head = head;
    this.#phase = 'holding';
    const { response, holdBytes } = this.#options;
    const hasBody = response.req.method !== 'HEAD' && status !== 204 && status !== 304;
    if (hasBody && (lengthBytes === null || lengthBytes > holdBytes)) this.#flow(head);
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#phase === 'holding') this.#held.push(chunk);
    return this.#phase !== 'flowing' || this.#options.response.write(chunk);
  }

  onComplete(): void {
    if (this.#phase === 'ended' || this.#head === null) return;
    const { response } = this.#options;
    const { status } = this.#head;
    if (this.#phase === 'holding') {
      response.writeHead(status, this.#head.message, this.#head.headers);
      const [only] = this.#held;
      const body = only !== undefined && this.#held.length === 1 ? only : Buffer.concat(this.#held);
      if (body.length > ONE_WRITE_BYTES) response.end(body);
      else endInOneWrite(response, body.toString('latin1'));
    } else {
      response.end();
    }
    this.#finish({ kind: 'answered', status });
  }

  onError(error: Error): void {
    if (this.#phase === 'ended') return;
    const { response } = this.#options;
    if (response.destroyed || (response.req.destroyed && !response.req.complete)) {
      this.#finish({ kind: 'client-gone' });
    } else if (this.#phase === 'flowing') {
      this.#finish({ kind: 'broken', text: error.message });
      response.destroy();
    } else {
      this.#fail(codeOf(error, this.#phase === 'waiting'), error.message);
    }
  }

  #flow(head: Head): void {
    const { response } = this.#options;
    this.#phase = 'flowing';
    clearTimeout(this.#timer);
    response.on('drain', this.#onDrain);
    response.writeHead(head.status, head.message, head.headers);
    response.flushHeaders();
  }

  #fail(code: FailureCode, text: string): void {
    this.#finish({ kind: 'failed', sent: this.#phase !== 'waiting', code, text });
  }

  #finish(end: AttemptEnd): void {
    this.#phase = 'ended';
    this.#held = [];
    clearTimeout(this.#timer);
    this.#options.response.off('close', this.#onClientClose);
    this.#options.response.off('drain', this.#onDrain);
    this.#settle(end);
  }

  readonly #onDrain = (): void => this.#resume?.();

  readonly #onClientClose = (): void => {
    if (this.#phase === 'ended') return;
    this.#finish({ kind: 'client-gone' });
    this.#abort?.(new Error('the client left'));
  };
}

/**
 * `end(text)` would hold the text back until it has an empty second piece beside it, and send the two as a list, which costs the edge a
 * tenth of its time. So the text is let go by itself, and ended then. Without a socket it waits for an earlier answer on this connection.
 */
function endInOneWrite(response: ServerResponse, text: string): void {
  const { socket } = response;
  if (socket === null || text === '') return void response.end(text, 'latin1');
  response.write(text, 'latin1');
  socket.uncork();
  response.end();
}

function codeOf(error: Error, nothingSent: boolean): FailureCode {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return 'invalid';
  if (nothingSent) return 'connect';
  return code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT' ? 'timeout' : 'reset';
}

function settled(): { promise: Promise<AttemptEnd>; resolve: (end: AttemptEnd) => void } {
  let resolve: (end: AttemptEnd) => void = () => undefined;
  const promise = new Promise<AttemptEnd>((settle) => (resolve = settle));
  return { promise, resolve };
}
