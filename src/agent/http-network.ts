import { Agent as HttpAgent, request, type ClientRequest } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { LineCutter } from '../base/lines.ts';

import type { AttestAnswer, OrderReply, PeerAddresses, PeerNetwork, Pulse, PulseHandlers } from '../ports/agent.ts';
import type { Secrets } from '../ports/config.ts';
import { askDoorWhileBroken } from './door.ts';

/** How soon a broken pulse stream is opened again. */
const REOPEN_MS = 40;
/** A stream that is open and says nothing at all is given up after this and opened again; silence was judged long before. */
const STREAM_IDLE_MS = 10_000;
/** A try to open it that gets no answer: behind a cut link; the next one may get through as soon as the link is up. */
const OPEN_TIMEOUT_MS = 1_500;
/** Less than the server keeps an idle connection. */
const WARM_EVERY_MS = 10_000;
const PULSE_LINE_CHARS_MAX = 64 * 1024;

/** Pulses and orders over HTTP, through the links. */
export function httpNetwork(peers: readonly PeerAddresses[], tokens: Tokens, clock: Clock): PeerNetwork {
  const addresses = new Map(peers.map((peer) => [peer.node, peer.agent]));
  const doors = new Map(peers.map((peer) => [peer.node, peer.gateway]));
  const headers = { authorization: `Bearer ${tokens.agentToken}` };
  // Orders keep their connection, so that an order costs one round trip.
  const keepAlive = new HttpAgent({ keepAlive: true, maxSockets: 4 });
  return {
    listen: (node, handlers) => {
      const stream = new PulseStream(addresses.get(node), headers, clock, handlers);
      const stopAsking = askDoorWhileBroken(stream, doors.get(node) ?? null, tokens.gatewayToken, clock, handlers);
      stream.open();
      const stopWarming = keepWarm(addresses.get(node), keepAlive, clock);
      return () => {
        stopAsking();
        stopWarming();
        stream.close();
      };
    },
    order: (node, order, timeoutMs) =>
      post<OrderReply>(addresses.get(node), '/orders', headers, keepAlive, order, timeoutMs),
    attest: (node, asked, timeoutMs) =>
      post<AttestAnswer>(addresses.get(node), '/attest', headers, keepAlive, asked, timeoutMs),
  };
}

/** Keeps one idle connection open, so that an order in the middle of a takeover does not first wait for a new one. */
function keepWarm(address: Address, agent: HttpAgent, clock: Clock): () => void {
  const over = new AbortController();
  const knock = async (): Promise<void> => {
    while (!over.signal.aborted) {
      if (address !== undefined) {
        const knocked = request({ ...address, path: '/liveness', agent, timeout: WARM_EVERY_MS });
        // Whether the peer lives is for the pulses to say.
        knocked.on('error', () => undefined);
        knocked.on('timeout', () => knocked.destroy());
        knocked.on('response', (response) => response.resume());
        knocked.end();
      }
      await clock.sleep(WARM_EVERY_MS, over.signal).catch(() => undefined);
    }
  };
  void knock();
  return () => over.abort(new Error('no longer needed'));
}

type NoAnswer =
  | { readonly kind: 'refused'; readonly code: string; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string };
type Address = PeerAddresses['agent'] | undefined;
type Tokens = Pick<Secrets, 'agentToken' | 'gatewayToken'>;

class PulseStream {
  readonly #address: Address;
  readonly #headers: Record<string, string>;
  readonly #clock: Clock;
  readonly #handlers: PulseHandlers;
  #request: ClientRequest | null = null;
  #closed = false;
  #broken = true;
  /** Called when the stream breaks. */
  onBreak: () => void = () => undefined;

  constructor(address: Address, headers: Record<string, string>, clock: Clock, handlers: PulseHandlers) {
    this.#address = address;
    this.#headers = headers;
    this.#clock = clock;
    this.#handlers = handlers;
  }

  get broken(): boolean {
    return this.#broken && !this.#closed;
  }

  open(): void {
    if (this.#closed || this.#address === undefined) return;
    let over = false;
    const broken = (why: string) => {
      if (over) return;
      over = true;
      this.#request?.destroy();
      this.#broken = true;
      this.#handlers.onBroken(why);
      this.onBreak();
      void this.#clock.sleep(REOPEN_MS).then(() => this.open());
    };
    const sent = request({
      ...this.#address,
      path: '/pulse',
      headers: this.#headers,
      agent: false,
      timeout: OPEN_TIMEOUT_MS,
    });
    this.#request = sent;
    sent.on('timeout', () => broken('silent for too long'));
    sent.on('error', (error) => broken(messageOf(error)));
    sent.on('response', (response) => {
      if (response.statusCode !== 200) return broken(`HTTP ${response.statusCode}`);
      sent.setTimeout(STREAM_IDLE_MS);
      response.setEncoding('utf8');
      const cutter = new LineCutter(PULSE_LINE_CHARS_MAX);
      response.on('data', (chunk: string) => {
        const lines = cutter.push(chunk);
        if (lines === null) broken('a line is too long');
        else for (const line of lines) this.#hear(line);
      });
      response.on('error', (error) => broken(messageOf(error)));
      response.on('close', () => broken('the stream ended'));
    });
    sent.end();
  }

  #hear(line: string): void {
    this.#broken = false;
    this.#handlers.onPulse(JSON.parse(line) as Pulse);
  }

  close(): void {
    this.#closed = true;
    this.#request?.destroy();
  }
}

/** One question and its answer. */
function post<T extends OrderReply | AttestAnswer>(
  address: Address,
  path: string,
  headers: Record<string, string>,
  agent: HttpAgent,
  asked: unknown,
  timeoutMs: number,
): Promise<T | NoAnswer> {
  if (address === undefined)
    return Promise.resolve({ kind: 'refused', code: 'no-address', why: 'this node has no address here' });
  const body = JSON.stringify(asked);
  return new Promise((resolve) => {
    const unknown = (why: string) => resolve({ kind: 'unknown', why });
    const sent = request(
      {
        ...address,
        path,
        method: 'POST',
        agent,
        timeout: timeoutMs,
        headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => unknown(messageOf(error)));
        response.on('end', () => {
          if (response.statusCode !== 200) return unknown(`HTTP ${response.statusCode}`);
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as T);
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    sent.on('error', (error) => unknown(messageOf(error)));
    sent.end(body);
  });
}
