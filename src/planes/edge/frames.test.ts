import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLOSE_1012, FrameBoundary } from './frames.ts';

/** A frame as a server sends it, or masked as a client does. */
function frame(payload: number, masked: boolean): Buffer {
  const mask = masked ? 0x80 : 0;
  const head =
    payload < 126
      ? Buffer.from([0x82, mask | payload])
      : payload < 65_536
        ? Buffer.from([0x82, mask | 126, payload >> 8, payload & 255])
        : Buffer.concat([
            Buffer.from([0x82, mask | 127, 0, 0, 0, 0]),
            Buffer.from([0, payload >> 16, (payload >> 8) & 255, payload & 255]),
          ]);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), Buffer.alloc(payload, 0x81)]);
}

test('property: at a boundary exactly between frames, however the bytes are cut', () => {
  const sizes = fc.oneof(fc.nat(130), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(sizes, fc.boolean()), { maxLength: 5 }),
      fc.array(fc.nat(150_000)),
      (frames, cuts) => {
        const parts = frames.map(([size, masked]) => frame(size, masked));
        const bytes = Buffer.concat(parts);
        const ends = new Set<number>([0]);
        let end = 0;
        for (const part of parts) ends.add((end += part.length));
        const marks = [...new Set([...cuts.filter((cut) => cut < bytes.length), bytes.length])].toSorted(
          (a, b) => a - b,
        );
        const boundary = new FrameBoundary();
        let from = 0;
        for (const mark of marks) {
          boundary.push(bytes.subarray(from, mark));
          expect(boundary.atBoundary).toBe(ends.has(mark));
          from = mark;
        }
      },
    ),
  );
  const close = new FrameBoundary();
  close.push(CLOSE_1012);
  expect(close.atBoundary).toBe(true);
});
