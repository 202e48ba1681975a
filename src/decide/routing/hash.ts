import type { Address } from '../../base/address.ts';

/** 32 bits of a text, FNV-1a over its UTF-16 units. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** The finalizer of MurmurHash3: every bit of the input moves about half of the output's. */
export function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number in (0, 1] for a pair: the same for the same pair, spread evenly over all keys. */
export const unitOf = (key: number, other: number): number => (mix(Math.imul(key, 0x9e3779b1) ^ other) + 1) / 2 ** 32;

/**
 * What weights and shares are drawn by: one key for a /24 or /48, because that is as much as a resolver tells a DNS server,
 * and all planes have to draw alike. The address must be canonical.
 */
export function clientKey(address: Address): number {
  if (address.family === 4) return mix((address.words[0] & 0xffffff00) ^ 0x1b873593);
  const [a, b] = address.words;
  return mix(mix(a) ^ (b & 0xffff0000));
}
