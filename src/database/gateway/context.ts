import type { SecureContext } from 'node:tls';
import type { GatewayConfig, GatewayStatus } from '../../ports/gateway.ts';
import type { Admission } from './admission.ts';
import { encodeLine, type Preface } from './preface.ts';
import type { Relay } from './relay.ts';
import type { Authority, Binding } from './table.ts';

/** Where a CancelRequest for a connection goes. */
export type CancelTarget = { readonly path: string } | { readonly host: string; readonly port: number };

/** One relayed connection. */
export interface Session {
  readonly door: 'rw' | 'ro' | 'peer';
  readonly binding: Binding;
  readonly relay: Relay;
  readonly cancelTarget: CancelTarget;
}

export type Counters = { -readonly [K in keyof GatewayStatus['counters']]: number };

/** What all connections of one gateway share. */
export interface GatewayContext {
  readonly config: GatewayConfig;
  readonly authority: Authority;
  readonly counters: Counters;
  readonly sessions: Set<Session>;
  /** By the key in BackendKeyData, in hex. */
  readonly cancelKeys: Map<string, Session>;
  readonly token: string;
  readonly secureContext: SecureContext | null;
  readonly admission: Admission;
  /** Connections that wait for a primary. */
  waiting: number;
  /** Connections to the local PostgreSQL that are being opened and have no session yet. */
  dialling: number;
  /** Closes every connection that may not live on. Called when a peer told of a newer epoch. */
  sweep(): void;
}

export const postgresPath = (config: GatewayConfig): string =>
  `${config.postgres.socketDir}/.s.PGSQL.${config.postgres.port}`;

/** The line that begins a connection to another gateway. */
export const prefaceFor = (gateway: GatewayContext, want: Preface['want']): Buffer =>
  encodeLine({
    farshore: 1,
    token: gateway.token,
    want,
    epoch: gateway.authority.epoch,
    leftMs: gateway.authority.leftMs,
  });

/** How long a client may take to say what it wants, and a gateway to answer another. */
export const HANDSHAKE_MS = 10_000;
/** Connections at the same time, all doors together. PostgreSQL's own limit is met first. */
export const MAX_CONNECTIONS = 5_000;
