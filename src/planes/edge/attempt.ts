import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { headersForClient } from './headers.ts';

export type FailureCode = 'connect' | 'reset' | 'timeout' | 'given-up' | 'busy' | 'invalid';

/** How one try at one region ended. Only after `failed` and `passed-over` has the client seen nothing. */
export type AttemptEnd =
  | { readonly kind: 'answered'; readonly status: number }
  /** The region answered that it can't serve now, and another one will be asked. */
  | { readonly kind: 'passed-over'; readonly status: number }
  /** `sent: false` proves that the region got nothing. `sent: true` means that it may have. */
  | { readonly kind: 'failed'; readonly sent: boolean; readonly code: FailureCode; readonly text: string }
  /** The answer broke off after its beginning had gone to the client, whose connection was cut so that it notices. */
  | { readonly kind: 'broken'; readonly text: string }
  | { readonly kind: 'client-gone' };

export interface AttemptOptions {
  readonly response: ServerResponse;
  readonly timeoutMs: number;
  readonly holdBytes: number;
  /** Headers that the edge adds to the answer. */
  readonly added: Readonly<Record<string, string>>;
  /** Asked when the region answers 502, 503 or 504: may the answer be dropped, because another region will be asked? */
  mayPassOver(): boolean;
}

interface Head {
  readonly status: number;
  readonly message: string;
  readonly headers: Record<string, string | string[]>;
}

/**
 * One try of one request at one region: takes what undici reports and passes the answer to the client.
 *
 *   waiting ──written──▶ sent ──head──▶ holding ──last byte──▶ ended
 *                                └────▶ flowing ──last byte──▶ ended
 *
 * `waiting`: no byte has left; giving up now proves that nothing was sent. A small answer of known length is held until it is
 * whole, so that a crash in its middle can still be answered by another region; all others flow, with backpressure.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly end: Promise<AttemptEnd>;
  readonly #options: AttemptOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #settle: (end: AttemptEnd) => void;
  #phase: 'waiting' | 'sent' | 'holding' | 'flowing' | 'ended' = 'waiting';
  #controller: Dispatcher.DispatchController | null = null;
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
    this.#controller?.abort(new Error(text));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Aborting here, before undici writes, keeps the promise that nothing was sent.
    if (this.#phase === 'ended') return controller.abort(new Error('given up before it was sent'));
    this.#phase = 'sent';
    this.#controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    message = '',
  ): void {
    if (status < 200 || this.#phase === 'ended') return;
    if (status >= 502 && status <= 504 && this.#options.mayPassOver()) {
      this.#finish({ kind: 'passed-over', status });
      return;
    }
    const head = { status, message, headers: { ...headersForClient(headers), ...this.#options.added } };
    this.#head = head;
    this.#phase = 'holding';
    const { response, holdBytes } = this.#options;
    const hasBody = response.req.method !== 'HEAD' && status !== 204 && status !== 304;
    if (!hasBody || Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) <= holdBytes) return;
    this.#flow(head);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase === 'holding') this.#held.push(chunk);
    if (this.#phase === 'flowing' && !this.#options.response.write(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#phase === 'ended' || this.#head === null) return;
    const { response } = this.#options;
    const { status } = this.#head;
    if (this.#phase === 'holding') {
      response.writeHead(status, this.#head.message, this.#head.headers);
      const [only] = this.#held;
      response.end(this.#held.length === 1 ? only : Buffer.concat(this.#held));
    } else {
      response.end();
    }
    this.#finish({ kind: 'answered', status });
  }

  onResponseError(_controller: unknown, error: Error): void {
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

  readonly #onDrain = (): void => this.#controller?.resume();

  readonly #onClientClose = (): void => {
    if (this.#phase === 'ended') return;
    this.#finish({ kind: 'client-gone' });
    this.#controller?.abort(new Error('the client left'));
  };
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
