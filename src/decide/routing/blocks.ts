import type { GeoClasses, GeoRange, Word64 } from './geo-table.ts';

/** One network, for programs that are given lists of them: `203.0.113.0/24`. */
export interface Block {
  readonly network: string;
  readonly class: number;
}

/** The fewest networks that together say of every address what `classes` does; those of one class are left out. */
export function* blocksOf(classes: GeoClasses, except: number): Generator<Block> {
  const ranges = classes.ranges();
  for (const [i, range] of ranges.entries()) {
    if (range.class === except) continue;
    const next = ranges[i + 1];
    yield* split(range, next?.family === range.family ? next.first : null);
  }
}

function* split({ family, first, class: its }: GeoRange, end: Word64 | null): Generator<Block> {
  const bits = family === 4 ? 32n : 64n;
  const past = end === null ? 1n << bits : numberOf(family, end);
  for (let at = numberOf(family, first); at < past; ) {
    let free = 0n;
    // As large as its first address allows, and as what is left allows.
    while (free < bits && at % (1n << (free + 1n)) === 0n && at + (1n << (free + 1n)) <= past) free += 1n;
    yield { network: `${textOf(family, at)}/${bits - free}`, class: its };
    at += 1n << free;
  }
}

const numberOf = (family: 4 | 6, [a, b]: Word64): bigint => (family === 4 ? BigInt(a) : (BigInt(a) << 32n) | BigInt(b));

function textOf(family: 4 | 6, at: bigint): string {
  const part = (shift: bigint, mask: bigint): bigint => (at >> shift) & mask;
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => part(shift, 0xffn)).join('.');
  return `${[48n, 32n, 16n, 0n].map((shift) => part(shift, 0xffffn).toString(16)).join(':')}::`;
}
