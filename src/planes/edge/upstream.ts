import { Pool } from 'undici';
import type { PlaceId } from '../../base/ids.ts';
import { Attempt, type AttemptEnd, type AttemptOptions } from './attempt.ts';
import type { EdgeLimits } from './limits.ts';
import type { RequestBody } from './request-body.ts';

export interface OutgoingRequest {
  readonly kind: 'read' | 'write';
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  readonly body: RequestBody;
}

export interface UpstreamAddress {
  readonly region: PlaceId;
  readonly host: string;
  readonly port: number;
  readonly rttMs: number;
}

/** One region's application as reached from here: its connections, and the tries that are under way. */
export class Upstream {
  readonly address: UpstreamAddress;
  readonly #pool: Pool;
  readonly #limits: EdgeLimits;
  readonly #inFlight = { read: new Set<Attempt>(), write: new Set<Attempt>() };
  #tries = 0;

  constructor(address: UpstreamAddress, limits: EdgeLimits) {
    this.address = address;
    this.#limits = limits;
    // No limit on connections: undici's queue behind a limit can stall when a connection fails. We bound the tries instead.
    this.#pool = new Pool(`http://${address.host}:${address.port}`, {
      pipelining: 1,
      connect: { timeout: limits.connectTimeoutMs + 2 * address.rttMs },
      // Attempt bounds the time to the answer itself.
      headersTimeout: 0,
    });
  }

  get inFlight(): number {
    return this.#inFlight.read.size + this.#inFlight.write.size;
  }

  /** Tries begun since the start. */
  get tries(): number {
    return this.#tries;
  }

  /** Sends the request and passes the answer on. Never rejects. */
  async attempt(request: OutgoingRequest, options: AttemptOptions): Promise<AttemptEnd> {
    if (this.inFlight >= this.#limits.maxInFlightPerRegion) {
      return { kind: 'failed', sent: false, code: 'busy', text: `${this.inFlight} requests are in flight already` };
    }
    const attempt = new Attempt(options);
    const inFlight = this.#inFlight[request.kind];
    inFlight.add(attempt);
    this.#tries += 1;
    const { method, path, headers, body } = request;
    this.#pool.dispatch({ method: method as 'GET', path, headers, body: forUndici(body) }, attempt);
    const end = await attempt.end;
    inFlight.delete(attempt);
    return end;
  }

  /** Ends the tries of one kind that have no answer yet, because the region looks dead and there is a better one. */
  giveUp(kind: 'read' | 'write', why: string): void {
    for (const attempt of this.#inFlight[kind]) attempt.giveUp('given-up', why);
  }

  destroy(): Promise<void> {
    return this.#pool.destroy();
  }
}

type UndiciBody = NonNullable<Parameters<Pool['dispatch']>[0]['body']> | null;

function forUndici(body: RequestBody): UndiciBody {
  if (body.kind === 'none') return null;
  // undici takes any async iterable; its types know only some.
  return body.kind === 'held' ? body.bytes : (body.source as unknown as UndiciBody);
}
