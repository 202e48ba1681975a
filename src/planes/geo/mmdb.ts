import { Reader, type Response } from 'mmdb-lib';
import type { GeoRows } from '../../decide/routing/geo-table.ts';

type Words = readonly [number, number];
interface Range {
  readonly first: Words;
  last: Words;
  readonly place: number;
}

/** Where IPv6 trees keep IPv4 again: mapped, 6to4, Teredo, NAT64. Those addresses are looked up as IPv4. */
const ALIASES: readonly (readonly [Words, number])[] = [
  [[0, 0], 64],
  [[0x20020000, 0], 16],
  [[0x20010000, 0], 32],
  [[0x0064ff9b, 0], 64],
];

/**
 * Every range of an MMDB database. The tree is walked once, node by node; what a leaf says is read by mmdb-lib, once per
 * record. A record is a country (`country_code`, or MaxMind's `country.iso_code`), or a place with its country.
 * @throws for bytes that are no such database
 */
export function mmdbRows(bytes: Buffer): GeoRows {
  const reader = new Reader(bytes);
  const { nodeCount, recordSize, ipVersion } = reader.metadata;
  const child = childReader(bytes, recordSize);
  const places: { place: string; country: string | null }[] = [];
  const byName = new Map<string, number>();
  const byRecord = new Map<number, number | null>();
  const placeAt = (record: number, address: () => string): number | null => {
    const known = byRecord.get(record);
    if (known !== undefined) return known;
    const found = placeIn(reader.get(address()));
    const key = found === null ? '' : `${found.place}/${found.country ?? ''}`;
    const index = found === null ? null : (byName.get(key) ?? places.push(found) - 1);
    if (index !== null) byName.set(key, index);
    byRecord.set(record, index);
    return index;
  };
  const v4: { first: number; last: number; place: number }[] = [];
  const add4 = (first: number, last: number, place: number) => {
    const before = v4.at(-1);
    if (before !== undefined && before.place === place && before.last + 1 === first) before.last = last;
    else v4.push({ first, last, place });
  };
  const walk4 = (node: number, word: number, depth: number): void => {
    if (node === nodeCount) return;
    if (node > nodeCount) {
      const place = placeAt(node, () => textOf4(word));
      if (place !== null) add4(word, word + 2 ** (32 - depth) - 1, place);
      return;
    }
    if (depth >= 32) return;
    walk4(child(node, 0), word, depth + 1);
    walk4(child(node, 1), word + 2 ** (31 - depth), depth + 1);
  };
  const v6: Range[] = [];
  const walk6 = (node: number, [a, b]: Words, depth: number): void => {
    if (node === nodeCount || ALIASES.some(([[x, y], length]) => depth === length && a === x && b === y)) return;
    if (node > nodeCount || depth === 64) {
      const leaf = firstLeaf(node, nodeCount, child, depth);
      const place = leaf === null ? null : placeAt(leaf.record, () => textOf6([a, b], leaf.low));
      if (place === null) return;
      const last: Words = [(a | lowBits(32 - depth)) >>> 0, (b | lowBits(64 - depth)) >>> 0];
      const before = v6.at(-1);
      if (before !== undefined && before.place === place && follows(before.last, a, b)) before.last = last;
      else v6.push({ first: [a, b], last, place });
      return;
    }
    walk6(child(node, 0), [a, b], depth + 1);
    const right: Words = depth < 32 ? [(a | (1 << (31 - depth))) >>> 0, b] : [a, (b | (1 << (63 - depth))) >>> 0];
    walk6(child(node, 1), right, depth + 1);
  };
  if (ipVersion === 4) walk4(0, 0, 0);
  else {
    let root4 = 0;
    for (let depth = 0; depth < 96 && root4 < nodeCount; depth += 1) root4 = child(root4, 0);
    walk4(root4, 0, 0);
    walk6(0, [0, 0], 0);
  }
  return { places, v4, v6 };
}

/** Behind a /64 only the first leaf counts: nobody hands out less. */
function firstLeaf(
  node: number,
  nodeCount: number,
  child: (node: number, side: 0 | 1) => number,
  depth: number,
): { readonly record: number; readonly low: Words } | null {
  let at = node;
  let [a, b] = [0, 0];
  for (let bit = depth; at < nodeCount && bit < 128; bit += 1) {
    const left = child(at, 0);
    const side = left === nodeCount ? 1 : 0;
    if (side === 1 && bit < 96) a = (a | (1 << (95 - bit))) >>> 0;
    if (side === 1 && bit >= 96) b = (b | (1 << (127 - bit))) >>> 0;
    at = side === 1 ? child(at, 1) : left;
  }
  return at > nodeCount ? { record: at, low: [a, b] } : null;
}

function childReader(bytes: Buffer, recordSize: number): (node: number, side: 0 | 1) => number {
  switch (recordSize) {
    case 24:
      return (node, side) => bytes.readUIntBE(node * 6 + side * 3, 3);
    case 28:
      return (node, side) => {
        const at = node * 7;
        const middle = bytes.readUInt8(at + 3);
        return side === 0
          ? (middle >>> 4) * 2 ** 24 + bytes.readUIntBE(at, 3)
          : (middle & 15) * 2 ** 24 + bytes.readUIntBE(at + 4, 3);
      };
    case 32:
      return (node, side) => bytes.readUInt32BE(node * 8 + side * 4);
    default:
      throw new Error(`records of ${recordSize} bits are not known`);
  }
}

function placeIn(response: Response | null): { place: string; country: string | null } | null {
  if (typeof response !== 'object' || response === null) return null;
  const record = response as unknown as Readonly<Record<string, unknown>>;
  const iso = countryOf(record);
  if (typeof record['place'] === 'string') return { place: record['place'], country: iso };
  return iso === null ? null : { place: iso, country: iso };
}

function countryOf(record: Readonly<Record<string, unknown>>): string | null {
  const plain = record['country_code'] ?? record['country'];
  const nested =
    typeof plain === 'object' && plain !== null ? (plain as Readonly<Record<string, unknown>>)['iso_code'] : plain;
  return typeof nested === 'string' && /^[A-Z]{2}$/.test(nested) ? nested : null;
}

const follows = ([x, y]: Words, a: number, b: number): boolean =>
  y === 0xffffffff ? a === x + 1 && b === 0 : a === x && b === y + 1;
const lowBits = (bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? 0xffffffff : 2 ** bits - 1);
const textOf4 = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
const textOf6 = ([a, b]: Words, [c, d]: Words): string =>
  [a, b, c, d].flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]).join(':');
