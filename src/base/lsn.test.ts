import { expect, it } from 'vitest';
import { compareLsn, formatLsn, lsnBytes, lsnToBigInt } from './lsn.ts';

const POSITIONS = [0n, 1n, 0x16b3748n, 0xffffffffn, 0x100000000n, 0x1_0000_0001n, 0xff_ffff_ffffn, (1n << 64n) - 1n];

it('compares and subtracts positions as 64-bit numbers', () => {
  for (const a of POSITIONS)
    for (const b of POSITIONS) {
      const [from, to] = [formatLsn(a), formatLsn(b)];
      expect(Math.sign(compareLsn(from, to))).toBe(a < b ? -1 : a > b ? 1 : 0);
      expect(lsnBytes(from, to)).toBe(Number(b - a));
      expect(lsnToBigInt(from)).toBe(a);
    }
});

it.each(['', '16B3748', '0/', '/0', '0/123456789', 'g/0', '0x1/0', '0/1 '])('refuses %j', (text) => {
  expect(() => lsnToBigInt(text)).toThrow('not an LSN');
  expect(() => compareLsn(text, '0/0')).toThrow('not an LSN');
});
