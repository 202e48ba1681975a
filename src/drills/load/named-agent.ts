import { Resolver } from 'node:dns';
import { Agent, type AgentOptions, type ClientRequestArgs } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { monotonicMs } from '../monotonic.ts';
import type { HttpCohortConfig } from './config.ts';

const TRIES = { timeout: 1_000, tries: 2 } as const;

/**
 * The connections of a client that goes by a name, as browsers and drivers do: it asks a resolver, and keeps what it heard for as
 * long as the answer says, or for good. A connection that is open stays where it is: only new ones ask.
 */
export class NamedAgent extends Agent {
  readonly #resolve: NonNullable<HttpCohortConfig['resolve']>;
  readonly #resolver = new Resolver(TRIES);
  #known: { readonly address: string; readonly untilMs: number } | null = null;

  constructor(options: AgentOptions, resolve: NonNullable<HttpCohortConfig['resolve']>) {
    super(options);
    this.#resolve = resolve;
    this.#resolver.setServers([`127.0.0.1:${resolve.resolverPort}`]);
  }

  override createConnection(
    { host, port }: ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const open = (address: string): void => {
      const to = this.#resolve.reach[address] ?? { host: address, port: Number(port) };
      callback?.(null, connect(to));
    };
    if (this.#known !== null && monotonicMs() < this.#known.untilMs) {
      open(this.#known.address);
      return undefined;
    }
    this.#resolver.resolve4(host ?? '', { ttl: true }, (error, found) => {
      const [first] = found ?? [];
      // The type wants a socket even when there is none.
      if (error !== null || first === undefined)
        return callback?.(error ?? new Error(`no address for ${host}`), undefined as unknown as Duplex);
      const forMs = this.#resolve.once ? Number.POSITIVE_INFINITY : first.ttl * 1_000;
      this.#known = { address: first.address, untilMs: monotonicMs() + forMs };
      open(first.address);
    });
  }
}
