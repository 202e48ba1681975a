/** For the tests of the DNS plane: a zone in three regions, and a compass that goes by the first byte of an IPv4 address. */
import { decode, encode, type Packet } from 'dns-packet';
import { placeId } from '../../base/ids.ts';
import type { DnsConfig, DnsZone } from '../../ports/dns.ts';
import type { Address } from '../../base/address.ts';
import { readAddress } from './network.ts';
import { type Compass, Responder, type Transport } from './respond.ts';
import { buildZone, Names } from './zone.ts';

export const REGIONS: DnsConfig['regions'] = [
  { region: placeId('aws:eu-west-1'), addresses: ['192.0.2.1', '2001:db8:1::1'] },
  { region: placeId('aws:us-east-1'), addresses: ['192.0.2.2', '2001:db8:2::1'] },
  // No IPv6 there.
  { region: placeId('gcp:asia-east1'), addresses: ['192.0.2.3'] },
].map((it) => ({ ...it, check: { host: '127.0.0.1', port: 1, rttMs: 0 } }));
export const NOBODY = REGIONS.length;

export const ZONE: DnsZone = {
  name: 'shop.example',
  serial: 2_026_112_701,
  contact: 'hostmaster.shop.example',
  nameservers: [
    { name: 'ns1.shop.example', addresses: ['192.0.2.53', '2001:db8::53'] },
    { name: 'ns2.shop.example', addresses: ['198.51.100.53'] },
  ],
  hosts: ['@', 'www', 'api.deep'],
  alpn: ['h2', 'http/1.1'],
  records: [
    { name: '@', type: 'TXT', value: 'v=spf1 -all' },
    { name: '@', type: 'MX', value: '10 mail.shop.example' },
    { name: '@', type: 'CAA', value: '0 issue "ca.example"' },
    { name: 'mail', type: 'A', value: '192.0.2.25' },
    { name: 'docs', type: 'CNAME', value: 'docs.host.example' },
    { name: '_sip._tcp', type: 'SRV', value: '1 2 5060 mail.shop.example' },
    { name: 'long', type: 'TXT', value: 'x'.repeat(2_000) },
  ],
  ttlSec: 20,
  staticTtlSec: 3_600,
  negativeTtlSec: 30,
};

/** 10.0.0.0/8 is in the first region, 11.0.0.0/8 in the second, 12.0.0.0/8 in the third; nobody serves 13.0.0.0/8. */
export const FIRST_BYTE: Compass = {
  lead: (client) => (client.family === 4 ? Math.max(0, Math.min(NOBODY, (client.words[0] >>> 24) - 10)) : 0),
  scopeOf: (client) => (client.family === 4 ? 8 : 0),
};

export function responderOf(zone: Partial<DnsZone> = {}, compass: Compass = FIRST_BYTE, nsid: string | null = null) {
  const nodes = buildZone({ ...ZONE, ...zone }, REGIONS);
  if (!nodes.ok) throw new Error(nodes.error);
  return new Responder({ names: new Names(nodes.value), compass, nsid, tcpIdleMs: 10_000 });
}

export const FROM: Address = readAddress('10.1.2.3');

export interface Asking {
  readonly from?: Address;
  readonly transport?: Transport;
  readonly edns?: boolean;
  readonly udpBytes?: number;
  readonly flags?: number;
  readonly ednsFlags?: number;
  readonly version?: number;
  readonly options?: readonly { readonly code: number; readonly data: Uint8Array }[];
  readonly class?: 'IN' | 'CH' | 'ANY';
}

/** A query as another implementation writes it. */
export function queryOf(name: string, type: string, asking: Asking = {}): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: asking.udpBytes ?? 1_232,
    extendedRcode: 0,
    ednsVersion: asking.version ?? 0,
    flags: asking.ednsFlags ?? 0,
    options: (asking.options ?? []).map(({ code, data }) => ({ code, data: Buffer.from(data) })),
  };
  const packet = {
    type: 'query',
    id: 0x1234,
    flags: asking.flags ?? 0,
    questions: [{ name, type, class: asking.class ?? 'IN' }],
    additionals: asking.edns === false ? [] : [opt],
  };
  return encode(packet as unknown as Packet);
}

export function ask(responder: Responder, name: string, type: string, asking: Asking = {}) {
  const query = queryOf(name, type, asking);
  const answer = responder.respond(query, asking.from ?? FROM, asking.transport ?? 'udp');
  if (answer === null) throw new Error('no answer');
  return { query, answer, ...read(answer) };
}

/** An answer as another implementation reads it. */
export function read(answer: Buffer) {
  const packet = decode(answer);
  const opt = packet.additionals?.find((it) => it.type === 'OPT');
  return {
    rcode: (answer[3] ?? 0) & 0xf,
    aa: packet.flag_aa,
    tc: packet.flag_tc,
    ra: packet.flag_ra,
    questions: packet.questions ?? [],
    answers: (packet.answers ?? []).map(shown),
    authorities: (packet.authorities ?? []).map(shown),
    additionals: (packet.additionals ?? []).filter((it) => it.type !== 'OPT').map(shown),
    opt: opt?.type === 'OPT' ? opt : null,
  };
}

const shown = (record: object): string => {
  const { name, type, ttl, data } = record as { name: string; type: string; ttl?: number; data?: unknown };
  return `${name} ${ttl ?? 0} ${type} ${textOf(data)}`;
};

const textOf = (data: unknown): string => {
  if (typeof data === 'string') return data;
  if (Array.isArray(data)) return data.map(String).join('|');
  return Buffer.isBuffer(data) ? data.toString('hex') : JSON.stringify(data);
};

/** The option of RFC 7871: family, source bits, scope, address. */
export const subnetOption = (family: number, bits: number, address: readonly number[], scope = 0) => ({
  code: 8,
  data: Uint8Array.from([0, family, bits, scope, ...address]),
});
