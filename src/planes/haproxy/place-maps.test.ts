import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Address, canonical, maskOf, parseAddress } from '../../base/address.ts';
import { compileGeo, type GeoRows } from '../../decide/routing/geo-table.ts';
import { DUBLIN, FOUR, FRANKFURT, policyTable, TOKYO } from '../../decide/routing/testing.ts';
import { audiencesOf } from './audiences.ts';
import { placeMapsOf } from './place-maps.ts';

const upstreams = FOUR.map((region, i) => ({ region, rttMs: 10 * i }));
const ROWS: GeoRows = {
  places: ['DE', 'US'].map((place) => ({ place, country: place })),
  v4: [{ first: 0x0a000000, last: 0x0affffff, place: 0 }],
  v6: [{ first: [0x20010db8, 0], last: [0x20010db8, 0xffffffff], place: 1 }],
};
const NETWORKS = ['::/0', '::/96', '::ffff:0:0/96', '::ffff:192.0.2.0/120', '::ffff:10.7.0.0/112', '64:ff9b::/96'];
const MORE = ['2001::/32', '2002::/16', '2001:db8:7::/48', '0.0.0.0/0', '10.9.0.0/16', '192.0.2.128/25'];
const someOverrides = fc
  .subarray([...NETWORKS, ...MORE])
  .chain((networks) =>
    fc.tuple(
      ...networks.map((network) =>
        fc.constantFrom('DE', 'US', 'JP').map((place) => ({ network, place, country: null })),
      ),
    ),
  )
  .map((overrides) => overrides.map((it) => ({ ...it, country: it.place })));
const ASKED = ['10.1.1.1', '10.7.1.1', '10.9.1.1', '192.0.2.9', '192.0.2.200', '203.0.113.9', '0.0.0.1', '255.1.1.1'];
const CARRYING = ['::1', '::10.1.1.1', '::ffff:10.1.1.1', '::ffff:192.0.2.9', '64:ff9b::a01:101', '2002:a01:101::1'];
const OTHERS = ['2001:0:1:2:3:4:f5fe:fefe', '2001:db8:7::9', '2001:db8:8::9', 'fe80::1', '8000::1', '64:ff9b:1::1'];
const words = (text: string): Address => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`no address: ${text}`);
  return address;
};

/** The longest of the map's networks that an address is in, one of the same family. */
function longest(map: string, { family, words: asked }: Address): string | undefined {
  const lines = map
    .trim()
    .split('\n')
    .map((line) => {
      const [network = '', name = ''] = line.split(' ');
      const [address = '', length] = network.split('/');
      return { of: words(address), length: Number(length), name };
    });
  return lines
    .filter(
      ({ of, length }) =>
        of.family === family && of.words.every((word, i) => ((word ^ (asked[i] ?? 0)) & maskOf(length - 32 * i)) === 0),
    )
    .toSorted((a, b) => b.length - a.length)[0]?.name;
}

/** As HAProxy's `map_ip` does: what its own family has not is looked for in the other one. */
function mapIp(map: string, address: Address): string | undefined {
  const own = longest(map, address);
  if (own !== undefined) return own;
  if (address.family === 4) return longest(map, { family: 6, words: [0, 0, 0xffff, address.words[0]] });
  const [a, b, c, d] = address.words;
  if (a === 0 && b === 0 && (c === 0 || c === 0xffff)) return longest(map, { family: 4, words: [d] });
  if (a >>> 16 === 0x2002) return longest(map, { family: 4, words: [((a << 16) | (b >>> 16)) >>> 0] });
  return undefined;
}

test('property: HAProxy’s map leads every address to the audience of its place, whatever networks the file names (I11)', () => {
  fc.assert(
    fc.property(someOverrides, fc.constantFrom('fenced' as const, 'free' as const), (overrides, unmapped) => {
      const fences = [
        { name: 'de', countries: ['DE'], regions: [FRANKFURT, DUBLIN] },
        { name: 'jp', countries: ['JP'], regions: [TOKYO] },
      ];
      const geolocation = { rules: [], otherwise: null, overrides };
      const routing = policyTable({ fences, unmapped, geolocation }).routing ?? null;
      const options = { routing, place: TOKYO, upstreams };
      const { maps } = placeMapsOf(options, ROWS);
      const geo = compileGeo(ROWS, overrides);
      const { nameOf } = audiencesOf({ ...options, places: geo.places });
      for (const text of [...ASKED, ...CARRYING, ...OTHERS]) {
        const address = words(text);
        // The configuration has unfolded what carries another address: the tests with a real HAProxy hold it to that.
        expect([text, mapIp(maps?.networks ?? '', canonical(address))]).toEqual([text, nameOf(geo.placeOf(address))]);
      }
    }),
    { numRuns: 200 },
  );
});
