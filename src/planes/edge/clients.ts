import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Address, canonical, inNetwork, type Network, parseAddress, parseNetwork } from '../../base/address.ts';
import { type PlaceId, placeId } from '../../base/ids.ts';
import { clientKey } from '../../decide/routing/hash.ts';
import { parseToldRoundTrips } from '../../decide/routing/told-round-trips.ts';
import { type Client, type ClientPlace, UNMAPPED } from '../../decide/routing/world.ts';
import type { EdgeConfig } from '../../ports/config.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { peerOf } from './peer.ts';
import type { Steering } from '../steering/steering.ts';

const TOLD_HEADER = 'farshore-rtt-ms';
const AFFINITY_COOKIE = 'farshore-region';

/** It names a region and no more: whoever forges one only chooses among the regions that may serve him. */
export const affinityCookie = (region: PlaceId): string =>
  `${AFFINITY_COOKIE}=${encodeURIComponent(region)}; Path=/; HttpOnly; SameSite=Lax`;

/** Who a connection or a trusted proxy says is there. */
interface Known {
  readonly text: string;
  readonly address: Address | null;
  readonly key: number;
}

/** Turns requests into clients of the routing decision: the address behind trusted proxies, its place, cookies and headers. */
export class Clients {
  readonly #steering: Steering;
  readonly #networks: readonly Network[];
  readonly #placeHeader: string | null;
  readonly #bySocket = new WeakMap<Socket, Known>();

  constructor(steering: Steering, trust: EdgeConfig['trust']) {
    this.#steering = steering;
    this.#networks = (trust?.networks ?? []).flatMap((text) => parseNetwork(text) ?? []);
    this.#placeHeader = trust?.placeHeader ?? null;
  }

  /** Does a client stay with the region that served him? */
  get pins(): boolean {
    return this.#steering.routing?.affinity === 'cookie';
  }

  of(request: IncomingMessage, method: Client['method']): Client {
    const peer = this.#peer(request.socket);
    const trusted = this.trusts(peer.address);
    const known = trusted ? this.#behind(request, peer) : peer;
    const routing = this.#steering.routing;
    const cookies =
      routing?.affinity === 'cookie' || (routing?.canary?.cookie ?? null) !== null ? request.headers.cookie : undefined;
    return {
      method,
      place: (trusted ? this.#named(request) : null) ?? this.placeOf(known.address),
      key: known.key,
      ...toldBy(request, routing),
      pinned: routing?.affinity === 'cookie' ? pinnedBy(cookies) : null,
      canary:
        routing?.canary === undefined || routing.canary === null ? false : isCanary(routing.canary, request, cookies),
    };
  }

  placeOf(address: Address | null): ClientPlace {
    return address === null ? UNMAPPED : this.#steering.geo.placeOf(address);
  }

  trusts(address: Address | null): boolean {
    return address !== null && this.#networks.some((network) => inNetwork(network, address));
  }

  #peer(socket: Socket): Known {
    const found = this.#bySocket.get(socket);
    if (found !== undefined) return found;
    const known = knownAs(peerOf(socket));
    this.#bySocket.set(socket, known);
    return known;
  }

  /** From the right: each trusted proxy tells who spoke to it; the first that is not trusted is the client. */
  #behind(request: IncomingMessage, peer: Known): Known {
    const header = request.headers['x-forwarded-for'];
    if (header === undefined) return peer;
    const hops = String(header).split(',').slice(-16);
    let last = peer;
    for (const hop of hops.toReversed()) {
      const known = knownAs(hop.trim());
      if (known.address === null) return last;
      last = known;
      if (!this.trusts(known.address)) return known;
    }
    return last;
  }

  /** What a trusted proxy says about the place: two letters of a country. */
  #named(request: IncomingMessage): ClientPlace | null {
    const value = this.#placeHeader === null ? undefined : request.headers[this.#placeHeader];
    if (typeof value !== 'string' || !/^[A-Za-z]{2}$/.test(value)) return null;
    const country = value.toUpperCase();
    return { place: country, country, source: 'asked' };
  }
}

function knownAs(text: string): Known {
  const parsed = parseAddress(text);
  const address = parsed === null ? null : canonical(parsed);
  return { text, address, key: address === null ? 0 : clientKey(address) };
}

/** Anybody may say it: it leads nobody but him, and not past a fence. A table without the policy latency has no use for it. */
function toldBy({ headers }: IncomingMessage, routing: RoutingPolicy | null): Pick<Client, 'rtts'> {
  const text = headers[TOLD_HEADER];
  if (typeof text !== 'string' || routing?.policies.includes('latency') === false) return {};
  const rtts = parseToldRoundTrips(text);
  return rtts === null ? {} : { rtts };
}

function pinnedBy(cookies: string | undefined): PlaceId | null {
  const value = cookieIn(cookies, AFFINITY_COOKIE);
  return value === null ? null : placeId(value);
}

function isCanary(
  canary: NonNullable<RoutingPolicy['canary']>,
  request: IncomingMessage,
  cookies: string | undefined,
): boolean {
  if (canary.header !== null) {
    const value = request.headers[canary.header.name];
    if (value !== undefined && (canary.header.value === null || String(value) === canary.header.value)) return true;
  }
  if (canary.cookie === null) return false;
  const value = cookieIn(cookies, canary.cookie.name);
  return value !== null && (canary.cookie.value === null || value === canary.cookie.value);
}

/** The value of a cookie as it was written, without quotes; null when there is none of this name. */
function cookieIn(header: string | undefined, name: string): string | null {
  for (const part of header?.split(';') ?? []) {
    const equals = part.indexOf('=');
    if (equals === -1 || part.slice(0, equals).trim() !== name) continue;
    return decoded(
      part
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    );
  }
  return null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
