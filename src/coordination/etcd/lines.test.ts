import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lines } from './lines.ts';

test('lines come out the same however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat(20)), (texts, sizes) => {
      const wanted = texts.map((text) => text.replaceAll('\n', '')).filter((text) => text.trim() !== '');
      let bytes = Buffer.from(wanted.map((text) => `${text}\n`).join('\n'));
      const lines = new Lines(1_000_000);
      const got: string[] = [];
      for (const size of sizes) {
        got.push(...lines.push(bytes.subarray(0, size)));
        bytes = bytes.subarray(size);
      }
      got.push(...lines.push(bytes));
      expect(got).toEqual(wanted);
    }),
  );
});

test('a line without end is refused', () => {
  const lines = new Lines(100);
  lines.push(Buffer.alloc(100, 'x'));
  expect(() => lines.push(Buffer.from('x'))).toThrow(/more than 100 bytes/);
});
