import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PlaceId } from '../../base/ids.ts';
import type { Route } from '../../decide/routing/world.ts';
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
  readonly #failed: string[] = [];

  private constructor(response: ServerResponse, request: OutgoingRequest, receivedAtMs: number) {
    this.response = response;
    this.request = request;
    this.receivedAtMs = receivedAtMs;
  }

  /** Rejects when the client leaves before its small body is here. */
  static async of(
    incoming: IncomingMessage,
    response: ServerResponse,
    holdBytes: number,
    nowMs: number,
  ): Promise<Exchange> {
    const method = incoming.method ?? 'GET';
    const request: OutgoingRequest = {
      kind: SAFE.has(method) ? 'read' : 'write',
      method,
      path: originForm(incoming.url ?? '/'),
      headers: headersForRegion(incoming),
      body: await bodyOf(incoming, holdBytes),
    };
    return new Exchange(response, request, nowMs);
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
    return ['x-farshore-region', region, 'x-farshore-why', this.why(route)];
  }

  why(route: Route): string {
    return this.#failed.length === 0 ? route.codes : [route.codes, ...this.#failed].join(',');
  }
}
