import { isIPv4, isIPv6 } from 'node:net';
import { err, ok, type Result } from '../../../base/result.ts';
import type { DnsRecordType } from '../../../ports/dns.ts';
import { wireName, type WireName } from './name.ts';

/** What stands behind a record's length. */
export type Rdata = Uint8Array;

export function rdataOfAddress(text: string): Result<Rdata, string> {
  if (isIPv4(text)) return ok(Uint8Array.from(text.split('.').map(Number)));
  if (isIPv6(text) && !text.includes('%')) return ok(bytesOfIpv6(text));
  return err(`"${text}" is not an address`);
}

/** `text` is an IPv6 address without a zone. */
export function bytesOfIpv6(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const tail = text.lastIndexOf(':') + 1;
  const isMixed = text.includes('.');
  const v4 = isMixed ? text.slice(tail).split('.').map(Number) : [];
  const hex = isMixed
    ? `${text.slice(0, tail)}${(((v4[0] ?? 0) << 8) | (v4[1] ?? 0)).toString(16)}:${(((v4[2] ?? 0) << 8) | (v4[3] ?? 0)).toString(16)}`
    : text;
  const [left = '', right] = hex.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((it) => Number.parseInt(it, 16)));
  const head = groups(left);
  const end = right === undefined ? [] : groups(right);
  const all = [...head, ...Array.from({ length: Math.max(0, 8 - head.length - end.length) }, () => 0), ...end];
  all.slice(0, 8).forEach((group, i) => {
    bytes[2 * i] = group >>> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

/** Character strings of up to 255 bytes each; a longer text becomes several. */
export function rdataOfText(text: string): Rdata {
  const all = Buffer.from(text, 'utf8');
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < all.length; at += 255) {
    const part = all.subarray(at, at + 255);
    parts.push(Uint8Array.of(part.length), part);
  }
  return Buffer.concat(parts);
}

interface Soa {
  readonly primary: WireName;
  readonly contact: WireName;
  readonly serial: number;
  readonly refreshSec: number;
  readonly retrySec: number;
  readonly expireSec: number;
  /** How long "there is none" may be remembered (RFC 2308). */
  readonly negativeSec: number;
}

export const rdataOfSoa = (soa: Soa): Rdata =>
  Buffer.concat([
    soa.primary,
    soa.contact,
    ...[soa.serial, soa.refreshSec, soa.retrySec, soa.expireSec, soa.negativeSec].map(u32),
  ]);

/** ServiceMode with the owner as target (RFC 9460): `1 . alpn=… ipv4hint=… ipv6hint=…`. Keys in growing order. */
export function rdataOfHttps(alpn: readonly string[], addresses: readonly Rdata[]): Rdata {
  const protocols = Buffer.concat(
    alpn.map((it) => Buffer.concat([Uint8Array.of(it.length), Buffer.from(it, 'latin1')])),
  );
  const v4 = addresses.filter((it) => it.length === 4);
  const v6 = addresses.filter((it) => it.length === 16);
  const params = [
    ...(alpn.length > 0 ? [[1, protocols] as const] : []),
    ...(v4.length > 0 ? [[4, Buffer.concat(v4)] as const] : []),
    ...(v6.length > 0 ? [[6, Buffer.concat(v6)] as const] : []),
  ];
  return Buffer.concat([
    u16(1),
    Uint8Array.of(0),
    ...params.flatMap(([key, value]) => [u16(key), u16(value.length), value]),
  ]);
}

/** "No, not all of it" (RFC 8482 §4.2). */
export const RDATA_MINIMAL_ANY: Rdata = Buffer.concat([rdataOfText('RFC8482'), rdataOfText('')]);

const number = (text: string | undefined, max: number): number | null => {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return null;
  return Number(text) <= max ? Number(text) : null;
};

/** A record of the configuration that never changes, as people write it: `MX` `10 mail.shop.example`. */
export function rdataOfStatic(type: DnsRecordType, value: string): Result<Rdata, string> {
  const words = value.trim().split(/\s+/);
  switch (type) {
    case 'TXT':
      return ok(rdataOfText(value));
    case 'A':
    case 'AAAA': {
      const address = rdataOfAddress(value.trim());
      if (!address.ok || (address.value.length === 4) === (type === 'A')) return address;
      return err(`"${value}" is not an address of ${type}`);
    }
    case 'CNAME':
      return wireName(value.trim());
    case 'MX': {
      const preference = number(words[0], 65_535);
      const host = wireName(words[1] ?? '');
      if (preference === null || words.length !== 2) return err(`"${value}": expected "10 mail.shop.example"`);
      return host.ok ? ok(Buffer.concat([u16(preference), host.value])) : host;
    }
    case 'SRV': {
      const [priority, weight, port] = [0, 1, 2].map((i) => number(words[i], 65_535));
      const host = wireName(words[3] ?? '');
      if (priority == null || weight == null || port == null || words.length !== 4)
        return err(`"${value}": expected "priority weight port host"`);
      return host.ok ? ok(Buffer.concat([u16(priority), u16(weight), u16(port), host.value])) : host;
    }
    case 'CAA': {
      const said = /^(\d{1,3})\s+([a-z0-9]{1,15})\s+"?([^"]*)"?$/.exec(value.trim());
      const [, flags, tag = '', issuer = ''] = said ?? [];
      if (number(flags, 255) === null) return err(`"${value}": expected 0 issue "ca.example"`);
      return ok(
        Buffer.concat([Uint8Array.of(Number(flags)), Uint8Array.of(tag.length), Buffer.from(tag + issuer, 'latin1')]),
      );
    }
  }
}

export const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff);
export const u32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
