import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PlaceId } from '../../base/ids.ts';
import type { Client, Route } from '../../decide/routing/world.ts';
import { affinityCookie, type Clients } from './clients.ts';
import { bodyOf } from './request-body.ts';
import { headersForRegion, originForm, requestIdOf } from './headers.ts';
import type { Replay } from './replay.ts';
import type { OutgoingRequest } from './upstream.ts';

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** How many failed tries the why header lists. */
const TRIES_SHOWN = 4;

interface Asked {
  readonly pins: boolean;
  readonly requestId: string;
  readonly timeoutMs: number | null;
  readonly idempotent: boolean;
}

const LONGEST_TIMEOUT_MS = 600_000;

/** How long the client will wait, as it says in `farshore-timeout-ms`; null when it does not, or makes no sense. */
function timeoutIn({ headers }: IncomingMessage): number | null {
  const text = headers['farshore-timeout-ms'];
  const ms = typeof text === 'string' && /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return ms > 0 && ms <= LONGEST_TIMEOUT_MS ? ms : null;
}

/** One request of a client on its way through the edge, and what became of the tries so far. */
export class Exchange {
  readonly response: ServerResponse;
  readonly receivedAtMs: number;
  readonly requestId: string;
  /** The client names it by a key, so that the application carries it out once however often it comes. */
  readonly idempotent: boolean;
  /** The client waits no longer than this, by the clock of `receivedAtMs`; infinite when it did not say. */
  readonly deadlineMs: number;
  /** A write went there and nobody knows what became of it: whatever comes later, it may have been carried out. */
  unknownAt: { readonly region: PlaceId; readonly text: string } | null = null;
  #request: OutgoingRequest;
  #client: Client;
  #replay: Replay | null = null;
  readonly #pins: boolean;
  readonly #failed: string[] = [];

  private constructor(
    response: ServerResponse,
    request: OutgoingRequest,
    receivedAtMs: number,
    client: Client,
    { pins, requestId, timeoutMs, idempotent }: Asked,
  ) {
    this.response = response;
    this.#request = request;
    this.receivedAtMs = receivedAtMs;
    this.#client = client;
    this.#pins = pins;
    this.requestId = requestId;
    this.idempotent = idempotent;
    this.deadlineMs = timeoutMs === null ? Number.POSITIVE_INFINITY : receivedAtMs + timeoutMs;
  }

  /** Rejects when the client leaves before its small body is here. */
  static async of(
    incoming: IncomingMessage,
    response: ServerResponse,
    holdBytes: number,
    nowMs: number,
    clients: Clients,
  ): Promise<Exchange> {
    const method = incoming.method ?? 'GET';
    const requestId = requestIdOf(incoming);
    const timeoutMs = timeoutIn(incoming);
    const headers = headersForRegion(incoming, requestId);
    if (timeoutMs !== null) headers.push('farshore-timeout-ms', String(timeoutMs));
    const request: OutgoingRequest = {
      kind: SAFE.has(method) ? 'read' : 'write',
      method,
      path: originForm(incoming.url ?? '/'),
      headers,
      body: await bodyOf(incoming, holdBytes),
    };
    return new Exchange(response, request, nowMs, clients.of(incoming, request.kind), {
      pins: clients.pins,
      requestId,
      timeoutMs,
      idempotent: incoming.headers['idempotency-key'] !== undefined,
    });
  }

  get request(): OutgoingRequest {
    return this.#request;
  }

  get client(): Client {
    return this.#client;
  }

  /** Null: an application has not asked for the primary. */
  get replay(): Replay | null {
    return this.#replay;
  }

  /** From here on it is a write: it has one target, and is sent there once. */
  goToPrimary(replay: Replay): void {
    this.#replay = replay;
    this.#request = { ...this.#request, kind: 'write' };
    this.#client = { ...this.#client, method: 'write' };
    this.noteFailure(replay.from, 'replay');
  }

  get clientGone(): boolean {
    return this.response.destroyed;
  }

  /** False once a region has had a part of a body that can't be produced again. */
  get canBeSentAgain(): boolean {
    const { body } = this.request;
    return body.kind !== 'stream' || !body.begun();
  }

  noteFailure(region: PlaceId, code: string): void {
    if (this.#failed.length < TRIES_SHOWN) this.#failed.push(`${code}@${region}`);
  }

  /** What the edge adds to an answer: who gave it, and why it was asked, as short codes. */
  addedHeaders(region: PlaceId, route: Route): readonly string[] {
    const added = ['x-farshore-region', region, 'x-farshore-why', this.why(route), 'x-request-id', this.requestId];
    const pin = this.#pins && this.request.kind === 'read' && region !== this.client.pinned;
    return pin ? [...added, 'set-cookie', affinityCookie(region)] : added;
  }

  why(route: Route): string {
    return this.#failed.length === 0 ? route.codes : [route.codes, ...this.#failed].join(',');
  }
}
