import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PlaceId } from '../../base/ids.ts';
import type { Client, Route } from '../../decide/routing/world.ts';
import { affinityCookie, type Clients } from './clients.ts';
import { bodyOf } from './request-body.ts';
import { headersForRegion, originForm } from './headers.ts';
import type { OutgoingRequest } from './upstream.ts';

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** How many failed tries the why header lists. */
const TRIES_SHOWN = 4;

/** One request of a client on its way through the edge, and what became of the tries so far. */
export class Exchange {
  readonly response: ServerResponse;
  readonly request: OutgoingRequest;
  readonly receivedAtMs: number;
  readonly client: Client;
  readonly #pins: boolean;
  readonly #failed: string[] = [];

  private constructor(
    response: ServerResponse,
    request: OutgoingRequest,
    receivedAtMs: number,
    client: Client,
    pins: boolean,
  ) {
    this.response = response;
    this.request = request;
    this.receivedAtMs = receivedAtMs;
    this.client = client;
    this.#pins = pins;
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
    const request: OutgoingRequest = {
      kind: SAFE.has(method) ? 'read' : 'write',
      method,
      path: originForm(incoming.url ?? '/'),
      headers: headersForRegion(incoming),
      body: await bodyOf(incoming, holdBytes),
    };
    return new Exchange(response, request, nowMs, clients.of(incoming, request.kind), clients.pins);
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
    const added = ['x-farshore-region', region, 'x-farshore-why', this.why(route)];
    const pin = this.#pins && this.request.kind === 'read' && region !== this.client.pinned;
    return pin ? [...added, 'set-cookie', affinityCookie(region)] : added;
  }

  why(route: Route): string {
    return this.#failed.length === 0 ? route.codes : [route.codes, ...this.#failed].join(',');
  }
}
