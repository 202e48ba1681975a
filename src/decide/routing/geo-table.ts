/**
 * From addresses to places, fast enough for every request and every DNS query. Ranges are compiled once into sorted flat
 * arrays without gaps, with an index by the first bits; a look-up is two reads of the index and a short binary search.
 * IPv6 is kept by its first 64 bits: nobody hands out less than a /64.
 */
import type { GeoOverride } from '../../ports/routing.ts';
import { type Address, canonical, maskOf, parseNetwork } from '../../base/address.ts';
import { type ClientPlace, UNMAPPED } from './world.ts';

/** Rows of a database: every address from `first` to `last` (both included) is at `places[place]`. In any order, without overlap. */
export interface GeoRows {
  readonly places: readonly { readonly place: string; readonly country: string | null }[];
  readonly v4: readonly { readonly first: number; readonly last: number; readonly place: number }[];
  /** The first 64 bits as two unsigned words. */
  readonly v6: readonly {
    readonly first: readonly [number, number];
    readonly last: readonly [number, number];
    readonly place: number;
  }[];
}

export const NO_ROWS: GeoRows = { places: [], v4: [], v6: [] };

/** A code per boundary: from `starts[i]` to the next one all addresses have `codes[i]`. The first boundary is 0. */
interface Flat {
  readonly high: Uint32Array;
  /** Null for IPv4. */
  readonly low: Uint32Array | null;
  readonly codes: Uint16Array;
  /** By the bits in front of the last `shift` of 32: the last boundary at or before them. One entry more than there are values. */
  readonly index: Uint32Array;
  readonly shift: number;
}

export interface GeoTable {
  readonly size: number;
  placeOf(address: Address): ClientPlace;
  /** The code of the place, for `places`; 0 is unmapped. */
  codeOf(address: Address): number;
  readonly places: readonly ClientPlace[];
  /** The same addresses by what a plane answers them: places that `classOf` maps to one number become one. */
  merged(classOf: (code: number) => number): GeoClasses;
}

export interface GeoClasses {
  classOf(address: Address): number;
  /**
   * The leading bits of the largest block around the address of which all addresses have its class: the scope of a DNS answer
   * (RFC 7871). Up to 32, or 64 for IPv6. Of an address that only carries an IPv4 one, that one's.
   */
  scopeOf(address: Address): number;
  /** Every address, in order, without gaps: from `first` up to the `first` of the next one of its family. */
  ranges(): readonly GeoRange[];
}

export interface GeoRange {
  readonly family: 4 | 6;
  /** The first 64 bits; of IPv4 the first word alone. */
  readonly first: Word64;
  readonly class: number;
}

export type Word64 = readonly [number, number];
type Bound = { readonly at: Word64; code: number };
type Row = { readonly first: Word64; readonly last: Word64; readonly code: number };

/** @throws never; overrides that are no networks are left out, `farshore validate` reports them. */
export function compileGeo(rows: GeoRows, overrides: readonly GeoOverride[]): GeoTable {
  const places: ClientPlace[] = [
    UNMAPPED,
    ...rows.places.map(({ place, country }) => ({ place, country, source: 'database' as const })),
  ];
  const v4: Row[] = rows.v4.map(({ first, last, place }) => ({ first: [first, 0], last: [last, 0], code: place + 1 }));
  const v6: Row[] = rows.v6.map(({ first, last, place }) => ({ first, last, code: place + 1 }));
  const layers = overrides
    .flatMap((override) => {
      const network = parseNetwork(override.network);
      return network === null ? [] : [{ network, override }];
    })
    // The longest prefix is laid on last, so it is what counts.
    .toSorted((a, b) => a.network.length - b.network.length);
  const over: { readonly v4: Row[]; readonly v6: Row[] } = { v4: [], v6: [] };
  for (const { network, override } of layers) {
    const code = places.push({ place: override.place, country: override.country, source: 'override' }) - 1;
    const { family, words } = network.address;
    const [a, b] = family === 4 ? [words[0], 0] : words;
    const lastA = (a | ~maskOf(network.length)) >>> 0;
    const lastB = family === 4 ? 0 : (b | ~maskOf(network.length - 32)) >>> 0;
    (family === 4 ? over.v4 : over.v6).push({ first: [a, b], last: [lastA, lastB], code });
  }
  return new CompiledGeo(
    flatten(overlay(v4, over.v4, step4), false),
    flatten(overlay(v6, over.v6, step6), true),
    places,
  );
}

class CompiledGeo implements GeoTable {
  readonly places: readonly ClientPlace[];
  readonly #v4: Flat;
  readonly #v6: Flat;

  constructor(v4: Flat, v6: Flat, places: readonly ClientPlace[]) {
    this.#v4 = v4;
    this.#v6 = v6;
    this.places = places;
  }

  get size(): number {
    return this.#v4.codes.length + this.#v6.codes.length;
  }

  codeOf(address: Address): number {
    const { family, words } = canonical(address);
    if (family === 4) return this.#v4.codes[find4(this.#v4, words[0])] ?? 0;
    return this.#v6.codes[find6(this.#v6, words[0], words[1])] ?? 0;
  }

  placeOf(address: Address): ClientPlace {
    return this.places[this.codeOf(address)] ?? UNMAPPED;
  }

  merged(classOf: (code: number) => number): GeoClasses {
    const classes = Int32Array.from(this.places, (_, code) => classOf(code));
    return new MergedGeo(merge(this.#v4, classes), merge(this.#v6, classes));
  }
}

class MergedGeo implements GeoClasses {
  readonly #v4: Flat;
  readonly #v6: Flat;

  constructor(v4: Flat, v6: Flat) {
    this.#v4 = v4;
    this.#v6 = v6;
  }

  classOf(address: Address): number {
    const { family, words } = canonical(address);
    if (family === 4) return this.#v4.codes[find4(this.#v4, words[0])] ?? 0;
    return this.#v6.codes[find6(this.#v6, words[0], words[1])] ?? 0;
  }

  scopeOf(address: Address): number {
    const { family, words } = canonical(address);
    const flat = family === 4 ? this.#v4 : this.#v6;
    const [a, b] = family === 4 ? [words[0], 0] : [words[0], words[1]];
    const at = family === 4 ? find4(flat, a) : find6(flat, a, b);
    const low: Word64 = [flat.high[at] ?? 0, flat.low?.[at] ?? 0];
    const next = at + 1;
    const end = next === flat.codes.length ? null : ([flat.high[next] ?? 0, flat.low?.[next] ?? 0] as const);
    return blockLength([a, b], low, end, family === 4 ? 32 : 64);
  }

  ranges(): readonly GeoRange[] {
    const of = (family: 4 | 6, { high, low, codes }: Flat): readonly GeoRange[] =>
      Array.from(codes, (code, i) => ({ family, first: [high[i] ?? 0, low?.[i] ?? 0], class: code }));
    return [...of(4, this.#v4), ...of(6, this.#v6)];
  }
}

function merge(flat: Flat, classes: Int32Array): Flat {
  const high = new Uint32Array(flat.codes.length);
  const low = flat.low === null ? null : new Uint32Array(flat.codes.length);
  const codes = new Uint16Array(flat.codes.length);
  let count = 0;
  let last = -1;
  for (let i = 0; i < flat.codes.length; i += 1) {
    const code = classes[flat.codes[i] as number] as number;
    if (code === last) continue;
    last = code;
    high[count] = flat.high[i] as number;
    if (low !== null) low[count] = flat.low?.[i] as number;
    codes[count] = code;
    count += 1;
  }
  return indexed(high.slice(0, count), low?.slice(0, count) ?? null, codes.slice(0, count));
}

/** The shortest prefix of `at` whose whole block lies from `low` up to, not including, `end` (null: to the last address). */
function blockLength(at: Word64, low: Word64, end: Word64 | null, most: number): number {
  for (let length = 0; length < most; length += 1) {
    const first: Word64 = [(at[0] & maskOf(length)) >>> 0, (at[1] & maskOf(length - 32)) >>> 0];
    const last: Word64 = [(at[0] | ~maskOf(length)) >>> 0, most === 32 ? 0 : (at[1] | ~maskOf(length - 32)) >>> 0];
    if (compare(first, low) >= 0 && (end === null || compare(last, end) < 0)) return length;
  }
  return most;
}

function find4({ high, index, shift }: Flat, word: number): number {
  let low = index[word >>> shift] ?? 0;
  let top = index[(word >>> shift) + 1] ?? 0;
  while (low < top) {
    const middle = (low + top + 1) >>> 1;
    if ((high[middle] as number) <= word) low = middle;
    else top = middle - 1;
  }
  return low;
}

function find6({ high, low: lows, index, shift }: Flat, a: number, b: number): number {
  let low = index[a >>> shift] ?? 0;
  let top = index[(a >>> shift) + 1] ?? 0;
  while (low < top) {
    const middle = (low + top + 1) >>> 1;
    const word = high[middle] as number;
    if (word < a || (word === a && ((lows as Uint32Array)[middle] as number) <= b)) low = middle;
    else top = middle - 1;
  }
  return low;
}

/** Sorted, without gaps and without two neighbours of one code. */
function flatten(rows: readonly Row[], wide: boolean): Flat {
  const next = wide ? step6 : step4;
  const bounds: Bound[] = [{ at: [0, 0], code: 0 }];
  const mark = (at: Word64, code: number) => {
    const last = bounds.at(-1);
    if (last === undefined || last.code === code) return;
    if (compare(last.at, at) === 0) {
      const before = bounds.at(-2);
      if (before?.code === code) bounds.pop();
      else last.code = code;
    } else bounds.push({ at, code });
  };
  for (const { first, last, code } of rows) {
    mark(first, code);
    const after = next(last);
    if (after !== null) mark(after, 0);
  }
  return flatOf(bounds, wide);
}

function flatOf(bounds: readonly Bound[], wide: boolean): Flat {
  const high = Uint32Array.from(bounds, ({ at }) => at[0]);
  const low = wide ? Uint32Array.from(bounds, ({ at }) => at[1]) : null;
  return indexed(
    high,
    low,
    Uint16Array.from(bounds, ({ code }) => code),
  );
}

/** More boundaries than this are worth an index by 16 bits, a quarter of a megabyte; fewer are found as fast by 8. */
const MANY = 1_024;

/** Entry `i`: the last boundary at or before the first address that begins with `i`. The search of `i` ends at entry `i + 1`. */
function indexed(high: Uint32Array, low: Uint32Array | null, codes: Uint16Array): Flat {
  const shift = high.length > MANY ? 16 : 24;
  const index = new Uint32Array(2 ** (32 - shift) + 1);
  let from = 0;
  for (let i = 0; i < high.length; i += 1) {
    const isLast = i + 1 === high.length;
    const until = isLast ? index.length : firstPrefix(high[i + 1] as number, low?.[i + 1] ?? 0, shift);
    if (until > from) index.fill(i, from, until);
    from = Math.max(from, until);
  }
  return { high, low, codes, index, shift };
}

/** The first prefix of which the first address is at or behind a boundary. */
const firstPrefix = (high: number, low: number, shift: number): number =>
  high % 2 ** shift === 0 && low === 0 ? high >>> shift : (high >>> shift) + 1;

/** Lays rows over sorted ones, each on top of all before it. */
function overlay(rows: readonly Row[], over: readonly Row[], next: (at: Word64) => Word64 | null): readonly Row[] {
  let base: readonly Row[] = isSorted(rows) ? rows : rows.toSorted((a, b) => compare(a.first, b.first));
  for (const top of over) {
    const kept: Row[] = [];
    let placed = false;
    for (const row of base) {
      if (compare(row.last, top.first) < 0) {
        kept.push(row);
        continue;
      }
      if (compare(row.first, top.first) < 0) kept.push({ ...row, last: before(top.first, next) });
      if (!placed) kept.push(top);
      placed = true;
      const after = next(top.last);
      if (compare(row.first, top.last) > 0) kept.push(row);
      else if (after !== null && compare(row.last, top.last) > 0) kept.push({ ...row, first: after });
    }
    if (!placed) kept.push(top);
    base = kept;
  }
  return base;
}

/** Databases are; sorting half a million rows again costs a quarter of a second. */
const isSorted = (rows: readonly Row[]): boolean =>
  rows.every((row, i) => i === 0 || compare((rows[i - 1] as Row).first, row.first) <= 0);

const compare = (a: Word64, b: Word64): number => a[0] - b[0] || a[1] - b[1];
/** The address after this one; null after the last. */
const step4 = ([a]: Word64): Word64 | null => (a === 0xffffffff ? null : [a + 1, 0]);
const step6 = ([a, b]: Word64): Word64 | null => (b !== 0xffffffff ? [a, b + 1] : a !== 0xffffffff ? [a + 1, 0] : null);
const before = ([a, b]: Word64, next: (at: Word64) => Word64 | null): Word64 =>
  next === step4 ? [a - 1, 0] : b !== 0 ? [a, b - 1] : [a - 1, 0xffffffff];
