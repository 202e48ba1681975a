import { type Address, parseAddress } from '../../base/address.ts';

/** `text` as Node shows the address of a peer: `203.0.113.9`, `2001:db8::1`, `fe80::1%eth0`. Runs for every packet. */
export function readAddress(text: string): Address {
  if (text.includes(':')) return parseAddress(text) ?? NOWHERE;
  let word = 0;
  let part = 0;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (char === DOT) {
      word = (word << 8) | part;
      part = 0;
    } else part = part * 10 + char - ZERO;
  }
  return { family: 4, words: [((word << 8) | part) >>> 0] };
}

const NOWHERE: Address = { family: 6, words: [0, 0, 0, 0] };
const DOT = 0x2e;
const ZERO = 0x30;

/** `bytes`: at least four, or sixteen. */
export function addressOfBytes(bytes: Uint8Array, family: 4 | 6): Address {
  if (family === 4) return { family, words: [wordAt(bytes, 0)] };
  return { family, words: [wordAt(bytes, 0), wordAt(bytes, 4), wordAt(bytes, 8), wordAt(bytes, 12)] };
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;

/**
 * How many bits come before the IPv4 address in an IPv6 one that only carries it: mapped, NAT64 and Teredo 96, 6to4 16. Zero
 * for any other. The scope of an answer that was found by the carried address is longer by them.
 */
export function carrierBits(address: Address): number {
  if (address.family === 4) return 0;
  const [a, b, c] = address.words;
  if (a === 0 && b === 0 && c === 0xffff) return 96;
  if (a === 0x0064ff9b && b === 0 && c === 0) return 96;
  if (a === 0x20010000) return 96;
  return a >>> 16 === 0x2002 ? 16 : 0;
}
