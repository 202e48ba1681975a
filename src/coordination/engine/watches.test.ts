import { expect, test } from 'vitest';
import type { Change } from './engine.ts';
import { oneKey, prefixRange } from './key-space.ts';
import { Watches } from './watches.ts';

const change = (revision: number, ...keys: string[]): Change => ({
  kind: 'txn',
  revision,
  writes: keys.map((key) => ({ key, value: 'v'.repeat(10), lease: '0', createRevision: revision })),
});
const collect = () => {
  const revisions: number[] = [];
  const compacted: number[] = [];
  const sink = {
    events: (_: unknown, revision: number) => void revisions.push(revision),
    compacted: (revision: number) => void compacted.push(revision),
  };
  return { revisions, compacted, sink };
};

test('the history is bounded in revisions and in bytes; what fell out is compacted', () => {
  for (const bounds of [
    { revisions: 100, bytes: 1e9 },
    { revisions: 1e9, bytes: 100 * 75 },
  ]) {
    const watches = new Watches(1, bounds);
    for (let revision = 2; revision <= 1_000; revision++) watches.publish(change(revision, 'k'));
    expect(watches.compactRevision).toBeGreaterThan(850);
    expect(watches.compactRevision).toBeLessThan(951);
    const past = collect();
    watches.open(oneKey('k'), watches.compactRevision, past.sink);
    expect(past).toMatchObject({ revisions: [], compacted: [watches.compactRevision] });
    const kept = collect();
    watches.open(oneKey('k'), watches.compactRevision + 1, kept.sink);
    expect(kept.revisions).toHaveLength(1_000 - watches.compactRevision);
  }
});

test('a store that begins at a later revision counts what was before as compacted', () => {
  const watches = new Watches(40);
  const seen = collect();
  watches.open(oneKey('k'), 40, seen.sink);
  expect(seen.compacted).toEqual([40]);
  const next = collect();
  watches.open(oneKey('k'), 0, next.sink);
  watches.publish(change(41, 'other'));
  watches.publish(change(42, 'k', 'k2'));
  expect(next.revisions).toEqual([42]);
});

test('a prefix of bytes 0xff has no end but that of all keys', () => {
  const watches = new Watches(1);
  const seen = collect();
  watches.open(prefixRange('\xff\xff'), 1, seen.sink);
  watches.publish(change(2, '\xff\xfe'));
  watches.publish(change(3, '\xff\xff\xff'));
  expect(seen.revisions).toEqual([3]);
});
