import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Reader } from 'mmdb-lib';
import { describe, expect, test } from 'vitest';
import { type Address, parseAddress } from '../../base/address.ts';
import { compileGeo } from '../../decide/routing/geo-table.ts';
import { csvRows } from './csv.ts';
import { readGeoRows } from './read-geo.ts';

const at = (text: string): Address => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`no address: ${text}`);
  return address;
};
const textOf = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');

/** A hundred runs of it: five thousand addresses. */
const LOT = { minLength: 50, maxLength: 50 };

describe('the database that comes with Farshore', async () => {
  const table = compileGeo(await readGeoRows(null), []);
  const file = createRequire(import.meta.url).resolve(
    '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb',
  );
  const oracle = new Reader(readFileSync(file));
  const wanted = (address: string): string | null => {
    const found = oracle.get(address) as { country_code?: string } | null;
    return found?.country_code ?? null;
  };

  test('well-known addresses', () => {
    expect(table.placeOf(at('193.99.144.80')).country).toBe('DE');
    expect(table.placeOf(at('8.8.8.8')).country).toBe('US');
    expect(table.placeOf(at('2a00:1450:4001::1')).country).toBe(wanted('2a00:1450:4001::1'));
    expect(table.placeOf(at('127.0.0.1')).place).toBeNull();
    expect(table.size).toBeGreaterThan(100_000);
  });

  test('property: the same as mmdb-lib says, for any IPv4 and IPv6 address', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffffffff), LOT), (words) => {
        const found = words.map((word) => table.placeOf({ family: 4, words: [word >>> 0] }).country);
        expect(found).toEqual(words.map((word) => wanted(textOf(word >>> 0))));
      }),
    );
    const block = fc.constantFrom(0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00);
    fc.assert(
      fc.property(fc.array(fc.tuple(block, fc.nat(0xffff), fc.nat(0xffff), fc.nat(0xffff)), LOT), (all) => {
        // 2001:0::/32 carries IPv4 addresses inside.
        const texts = all
          .filter(([a, b]) => a !== 0x2001 || b !== 0)
          .map((words) => `${words.map((each) => each.toString(16)).join(':')}::1`);
        expect(texts.map((text) => table.placeOf(at(text)).country)).toEqual(texts.map(wanted));
      }),
    );
  });
});

describe('a CSV of the operator’s own', () => {
  test('places, countries, comments; the longer network counts', () => {
    const rows = csvRows('# ours\n10.0.0.0/8,DE\n"10.1.0.0/16",office,DE\n\n10.1.2.0/24,lab,\n2001:db8::/32,FR\n');
    expect(rows.ok).toBe(true);
    const table = compileGeo(rows.ok ? rows.value : { places: [], v4: [], v6: [] }, []);
    const placeOf = (text: string) => table.placeOf(at(text));
    expect(placeOf('10.9.0.1')).toMatchObject({ place: 'DE', country: 'DE', source: 'database' });
    expect(placeOf('10.1.9.1')).toMatchObject({ place: 'office', country: 'DE' });
    expect(placeOf('10.1.2.3')).toMatchObject({ place: 'lab', country: null });
    expect(placeOf('10.1.3.1').place).toBe('office');
    expect(placeOf('10.255.255.255').place).toBe('DE');
    expect(placeOf('11.0.0.0').place).toBeNull();
    expect(placeOf('2001:db8:ffff::1').place).toBe('FR');
  });

  test('a line that is none is named', () => {
    expect(csvRows('10.0.0.0/8,DE\n10.0.0.1/8,DE')).toMatchObject({ ok: false, error: { line: 2 } });
    expect(csvRows('10.0.0.0/8')).toMatchObject({ ok: false, error: { line: 1 } });
  });

  test('property: any nesting of networks, each address at its longest one', () => {
    const network = fc.tuple(fc.nat(255), fc.integer({ min: 24, max: 32 })).map(([low, length]) => {
      const word = (0x0a000000 | (low & (length === 32 ? 255 : 255 << (32 - length)))) >>> 0;
      return `${textOf(word)}/${length}`;
    });
    fc.assert(
      fc.property(fc.uniqueArray(network, { maxLength: 12 }), (networks) => {
        const rows = csvRows(networks.map((each, index) => `${each},p${index}`).join('\n'));
        const table = compileGeo(rows.ok ? rows.value : { places: [], v4: [], v6: [] }, []);
        const longestFirst = networks
          .map((text, index) => {
            const [address = '', length] = text.split('/');
            return { place: `p${index}`, first: at(address).words[0], size: 2 ** (32 - Number(length)) };
          })
          .toSorted((a, b) => a.size - b.size);
        const words = Array.from({ length: 256 }, (_, low) => 0x0a000000 + low);
        const expected = words.map(
          (word) => longestFirst.find(({ first, size }) => word >= first && word < first + size)?.place ?? null,
        );
        expect(words.map((word) => table.placeOf({ family: 4, words: [word] }).place)).toEqual(expected);
      }),
    );
  });
});
