import type { PlaceId } from '../base/ids.ts';
import type { GeoConfig, StoreKind } from './config.ts';

/** The file a DNS server is started with: `farshore dns FILE`. */
export interface DnsConfig {
  /** As for the edge: absent or null when the policies need no database of places. */
  readonly geo?: GeoConfig | null;
  /** Where the server stands. */
  readonly place: PlaceId;
  readonly deployment: string;
  readonly group: string;
  /** UDP and TCP. Addresses of interfaces, not a wildcard: an answer must leave from the address that was asked. */
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  /** HTTP on loopback: `GET /.farshore/dns`. */
  readonly status: { readonly host: string; readonly port: number };
  readonly storeUrls: readonly string[];
  readonly storeKind: StoreKind;
  readonly secretsPath: string;
  /** Which server answered, for those who ask (NSID); null: nobody is told. */
  readonly nsid: string | null;
  readonly rateLimit: {
    /** Answers per second by UDP to one /24 or /56; 0 = no limit. */
    readonly perSecond: number;
    /** Every so many-th answer over the limit is a truncated one, the others are not sent. 0: none is sent. */
    readonly slip: number;
    /** Networks without a limit: `127.0.0.0/8`. */
    readonly exempt: readonly string[];
  };
  readonly zones: readonly DnsZone[];
  readonly healthPath: string;
  /** Who signs the certificates of the regions, for checks by TLS: a PEM file. Absent or null: whom this machine trusts. */
  readonly caPath?: string | null;
  readonly regions: readonly {
    readonly region: PlaceId;
    /** Where users reach it: what is answered. */
    readonly addresses: readonly string[];
    /** Where this server looks whether it serves, and the RTT of the way in milliseconds. */
    readonly check: { readonly host: string; readonly port: number; readonly rttMs: number };
  }[];
}

export interface DnsZone {
  /** `shop.example`. */
  readonly name: string;
  /** Grows with every change of what is written here. */
  readonly serial: number;
  /** Mailbox of whoever is in charge, as a name: `hostmaster.shop.example`. */
  readonly contact: string;
  /** Names of the servers of this zone; their addresses when they are names inside it. */
  readonly nameservers: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** Names led by routing: `@` (the zone itself), `www`, or with a dot at the end an absolute name. */
  readonly hosts: readonly string[];
  /** Protocols that hosts speak, for their HTTPS record; empty: they have none. */
  readonly alpn: readonly string[];
  readonly records: readonly { readonly name: string; readonly type: DnsRecordType; readonly value: string }[];
  /** How long an answer that depends on routing may be kept; half of it while a region is lost. */
  readonly ttlSec: number;
  readonly staticTtlSec: number;
  readonly negativeTtlSec: number;
}

/** Records that never change. */
export const DNS_RECORD_TYPES = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'SRV', 'TXT'] as const;
export type DnsRecordType = (typeof DNS_RECORD_TYPES)[number];
