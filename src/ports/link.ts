import type { PlaceId } from '../base/ids.ts';

/** The state a link is told to be in. */
export interface LinkFault {
  readonly state: 'up' | 'cut';
  /** Added to each direction: a slow link. */
  readonly extraDelayMs: number;
  /** This share of what is sent, 0 to 1, is lost once and comes 200 ms and a delay later, with all that follows on its connection. */
  readonly lossShare?: number;
  /** The routes that it concerns, by service (`store`, `postgres`); without it all of them. Each keeps a lease of its own. */
  readonly services?: readonly string[];
}

/**
 * The relay's control socket: a Unix socket, one JSON object a line, every request answered by its `id`.
 * A fault carries a lease: without a refresh within `expiresInMs` the link is up again, so a killed drill never leaves it cut.
 */
export type LinkRequest =
  | { readonly id: number; readonly do: 'status' }
  /** The whole desired state. Without `expiresInMs` it stays; only `up` without delay may do that. */
  | ({ readonly id: number; readonly do: 'set'; readonly expiresInMs?: number } & LinkFault)
  /** `place` died: what it had not put on the wire yet dies with it, and its peers see a reset one delay later. */
  | { readonly id: number; readonly do: 'drop-egress'; readonly place: PlaceId };

export interface LinkStatus {
  readonly pid: number;
  readonly from: PlaceId;
  readonly to: PlaceId;
  /** The worst of its routes. */
  readonly state: 'up' | 'cut' | 'slow';
  /** Services that are cut; all of them when the whole link is. */
  readonly cutServices: readonly string[];
  /** Round trip that the link is told to have, faults excluded. */
  readonly targetRttMs: number;
  /** Median of the last round trips of one byte through sockets and both directions; null before the first. */
  readonly measuredRttMs: number | null;
  readonly measuredAgeMs: number | null;
  readonly connections: number;
  readonly bytes: { readonly forward: number; readonly back: number };
  readonly inFlightBytes: { readonly forward: number; readonly back: number };
  readonly droppedBytes: number;
  /** Of the fault that ends last. */
  readonly faultExpiresInMs: number | null;
}

export type LinkReply =
  | { readonly id: number; readonly ok: true; readonly status: LinkStatus }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly why: string };
