import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Address, parseAddress } from '../../base/address.ts';
import { clientKey } from './hash.ts';
import { compileGeo, type GeoRows, NO_ROWS } from './geo-table.ts';

const at = (text: string): Address => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`no address: ${text}`);
  return address;
};
const v4 = (word: number): Address => ({ family: 4, words: [word >>> 0] });

/** Around the first address of a prefix of the index. */
const MIDDLE = { min: 0x01fffff8, max: 0x02000008 };
/** Rows over a small space, so that overlaps, neighbours and edges are frequent. */
const anyRows: fc.Arbitrary<GeoRows> = fc
  .uniqueArray(fc.oneof(fc.nat(300), fc.integer(MIDDLE), fc.integer({ min: 0xfffffff0, max: 0xffffffff })), {
    maxLength: 12,
  })
  .map((marks) => {
    const sorted = marks.toSorted((a, b) => a - b);
    const pairs = sorted.flatMap((first, i) =>
      i % 2 === 0 ? [{ first, last: sorted[i + 1] ?? first, place: i % 3 }] : [],
    );
    return {
      places: ['DE', 'FR', 'US'].map((place) => ({ place, country: place })),
      v4: pairs,
      v6: pairs.map(({ first, last, place }) => ({ first: [0, first] as const, last: [0, last] as const, place })),
    };
  });
const anyOverride = fc.tuple(fc.nat(300), fc.integer({ min: 22, max: 32 })).map(([address, length]) => {
  const word = (address & (length === 32 ? 0xffffffff : 0xffffffff << (32 - length))) >>> 0;
  return {
    network: `${[24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')}/${length}`,
    place: `o${length}`,
    country: null,
  };
});
const probes = [
  ...Array.from({ length: 320 }, (_, i) => i),
  ...Array.from({ length: 17 }, (_, i) => MIDDLE.min + i),
  ...Array.from({ length: 16 }, (_, i) => 0xfffffff0 + i),
];

describe('the table of places', () => {
  test('property: every address has the place of its row, IPv4 and IPv6, and none between rows', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const table = compileGeo(rows, []);
        const expected = probes.map((word) => {
          const row = rows.v4.find((each) => each.first <= word && word <= each.last);
          return row === undefined ? null : (rows.places[row.place]?.place ?? null);
        });
        expect(probes.map((word) => table.placeOf(v4(word)).place)).toEqual(expected);
        expect(probes.map((word) => table.placeOf({ family: 6, words: [0, word, 5, 6] }).place)).toEqual(expected);
      }),
    );
  });

  test('property: of the overrides that hold an address the longest decides, above every row', () => {
    fc.assert(
      fc.property(
        anyRows,
        fc.uniqueArray(anyOverride, { maxLength: 4, selector: (each) => each.network }),
        (rows, overrides) => {
          const table = compileGeo(rows, overrides);
          const plain = compileGeo(rows, []);
          const networks = overrides
            .map(({ network, place }) => {
              const [address = '', length] = network.split('/');
              return { place, first: at(address).words[0], size: 2 ** (32 - Number(length)) };
            })
            .toSorted((a, b) => a.size - b.size);
          const expected = probes.map((word) => {
            const longest = networks.find(({ first, size }) => word >= first && word < first + size);
            return longest?.place ?? plain.placeOf(v4(word)).place;
          });
          expect(probes.map((word) => table.placeOf(v4(word)).place)).toEqual(expected);
        },
      ),
    );
  });

  test('property: the scope is the largest block of one answer around the address', () => {
    fc.assert(
      fc.property(anyRows, fc.nat(300), (rows, word) => {
        const table = compileGeo(rows, []);
        const classOf = (code: number) => (table.places[code]?.place === 'US' ? 1 : 0);
        const merged = table.merged(classOf);
        const answer = (at_: number) => classOf(table.codeOf(v4(at_)));
        expect(merged.classOf(v4(word))).toBe(answer(word));
        const scope = merged.scopeOf(v4(word));
        const blockOf = (length: number) => (word & (length === 0 ? 0 : 0xffffffff << (32 - length))) >>> 0;
        const size = 2 ** (32 - scope);
        const inside = probes.filter((probe) => probe >= blockOf(scope) && probe < blockOf(scope) + size);
        expect(inside.filter((probe) => answer(probe) !== answer(word))).toEqual([]);
        if (scope > 22) {
          const wider = Array.from({ length: 2 * size }, (_, i) => blockOf(scope - 1) + i);
          expect(wider.some((probe) => answer(probe) !== answer(word))).toBe(true);
        }
      }),
    );
  });

  test('without a database only the overrides are known', () => {
    const table = compileGeo(NO_ROWS, [
      { network: '192.0.2.0/24', place: 'office', country: 'DE' },
      { network: '2001:db8::/32', place: 'lab', country: null },
    ]);
    expect(table.placeOf(at('192.0.2.77'))).toEqual({ place: 'office', country: 'DE', source: 'override' });
    expect(table.placeOf(at('2001:db8:1::7')).place).toBe('lab');
    expect(table.placeOf(at('198.51.100.1')).place).toBeNull();
  });

  test('a client has the key of its network: what a resolver tells about it gives the same one', () => {
    expect(clientKey(at('203.0.113.9'))).toBe(clientKey(at('203.0.113.0')));
    expect(clientKey(at('2001:db8:1:2::9'))).toBe(clientKey(at('2001:db8:1::')));
    expect(clientKey(at('203.0.112.9'))).not.toBe(clientKey(at('203.0.113.9')));
    expect(clientKey(at('2001:db8:2::'))).not.toBe(clientKey(at('2001:db8:1::')));
  });
});
