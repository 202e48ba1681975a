import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addressOfBytes, carrierBits, readAddress } from './network.ts';
import { bytesOfIpv6 } from './wire/rdata.ts';

it('an address is read as Node shows it', () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      const bytes = Uint8Array.from(text.split('.').map(Number));
      expect(readAddress(text)).toEqual(addressOfBytes(bytes, 4));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(0xffff), (bytes, holes) => {
      // Zeros often enough that a run of them is written as `::`.
      for (let i = 0; i < 16; i += 1) if ((holes >>> i) & 1) bytes[i] = 0;
      const groups = Array.from({ length: 8 }, (_, i) =>
        (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
      );
      const short = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
      for (const text of [groups.join(':'), short, `${short}%eth0`])
        expect(readAddress(text)).toEqual(addressOfBytes(bytes, 6));
    }),
  );
});

it.each([
  ['::', [0, 0, 0, 0]],
  ['::1', [0, 0, 0, 1]],
  ['::ffff:203.0.113.9', [0, 0, 0xffff, 0xcb007109]],
  ['2001:db8::', [0x20010db8, 0, 0, 0]],
])('%s', (text, words) => {
  expect(readAddress(text)).toEqual({ family: 6, words });
  expect(addressOfBytes(bytesOfIpv6(text), 6)).toEqual({ family: 6, words });
});

it('knows which addresses only carry another one, and where it begins', () => {
  expect(carrierBits(readAddress('::ffff:203.0.113.9'))).toBe(96);
  expect(carrierBits(readAddress('64:ff9b::203.0.113.9'))).toBe(96);
  expect(carrierBits(readAddress('2001:0:c000:201::1'))).toBe(96);
  expect(carrierBits(readAddress('2002:cb00:7109::1'))).toBe(16);
  expect(carrierBits(readAddress('2001:db8::1'))).toBe(0);
  expect(carrierBits(readAddress('203.0.113.9'))).toBe(0);
});
