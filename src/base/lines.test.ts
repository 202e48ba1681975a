import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineCutter } from './lines.ts';

describe('LineCutter', () => {
  it('gives the same lines however the text is cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z{}"]{1,12}$/)), fc.array(fc.nat(40)), (lines, cuts) => {
        const text = lines.map((line) => `${line}\n`).join('');
        const ends = [...cuts.filter((cut) => cut < text.length).toSorted((a, b) => a - b), text.length];
        const cutter = new LineCutter(1_000);
        const got = ends.flatMap((end, i) => cutter.push(text.slice(ends[i - 1] ?? 0, end)) ?? []);
        expect(got).toEqual(lines);
      }),
    );
  });

  it('leaves blank lines out, and says when a line is too long', () => {
    const cutter = new LineCutter(4);
    expect(cutter.push('\n a\n\n')).toEqual([' a']);
    expect(cutter.push('1234')).toEqual([]);
    expect(cutter.push('5')).toBeNull();
  });
});
