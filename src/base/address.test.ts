import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Address, canonical, parseAddress, parseNetwork } from './address.ts';

const at = (text: string): Address => {
  const address = parseAddress(text);
  if (address === null) throw new Error(`no address: ${text}`);
  return address;
};

describe('addresses', () => {
  test.each([
    ['203.0.113.9', 4, [0xcb007109]],
    ['::', 6, [0, 0, 0, 0]],
    ['2001:db8::9', 6, [0x20010db8, 0, 0, 9]],
    ['1:2:3:4:5:6:7:8', 6, [0x10002, 0x30004, 0x50006, 0x70008]],
    ['::ffff:203.0.113.9', 6, [0, 0, 0xffff, 0xcb007109]],
    ['fe80::1%eth0', 6, [0xfe800000, 0, 0, 1]],
  ])('reads %s', (text, family, words) => {
    expect(parseAddress(text)).toEqual({ family, words });
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    ':',
    '1.2.3.4::',
    'g::',
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test('tunnels are seen through: mapped, NAT64, 6to4, Teredo', () => {
    const inside = at('203.0.113.9');
    expect(canonical(at('::ffff:203.0.113.9'))).toEqual(inside);
    expect(canonical(at('64:ff9b::cb00:7109'))).toEqual(inside);
    expect(canonical(at('2002:cb00:7109::1'))).toEqual(inside);
    expect(canonical(at('2001:0:1:2:3:4:34ff:8ef6'))).toEqual(inside);
    expect(canonical(at('2001:db8::1')).family).toBe(6);
  });

  test('networks: bits behind the length are a mistake', () => {
    expect(parseNetwork('203.0.113.0/24')?.length).toBe(24);
    expect(parseNetwork('203.0.113.9/24')).toBeNull();
    expect(parseNetwork('203.0.113.9')?.length).toBe(32);
    expect(parseNetwork('2001:db8::/32')?.length).toBe(32);
    expect(parseNetwork('2001:db8::/129')).toBeNull();
    expect(parseNetwork('0.0.0.0/0')?.length).toBe(0);
    expect(parseNetwork('::ffff:203.0.113.0/120')).toEqual(parseNetwork('203.0.113.0/24'));
    expect(parseNetwork('::ffff:0:0/96')).toEqual(parseNetwork('0.0.0.0/0'));
    expect(parseNetwork('::ffff:0:0/95')).toBeNull();
    expect(parseNetwork('::fffe:0:0/95')?.address.family).toBe(6);
  });

  test('property: any text is an address or null, and what is one comes back from its own words', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = at(groups.map((each) => each.toString(16)).join(':'));
        expect(address.words).toEqual([0, 2, 4, 6].map((i) => (groups[i] ?? 0) * 65_536 + (groups[i + 1] ?? 0)));
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void parseAddress(text)));
  });
});
