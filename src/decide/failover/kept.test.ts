import { expect, test } from 'vitest';
import { whyKept } from './kept.ts';
import { A, B, C, observation, peer, pulse, record } from './testing.ts';

/** B looks; A is primary, C follows too. */
test('P3.2: data stays while this node is in the record, or nobody else is heard that could be read', () => {
  expect(whyKept(observation(), record({ names: [B, C] }))?.code).toBe('recorded');
  expect(whyKept(observation(), record({ names: [C] }))).toBeNull();
  const without = new Map([
    [A, peer(A)],
    [C, peer(C, { pulse: pulse(C, { detachable: false }) })],
  ]);
  expect(whyKept(observation({ peers: without }), record({ names: [C] }))?.code).toBe('last-copy');
  expect(whyKept(observation({ peers: new Map([[A, peer(A)]]) }), record({ names: [] }))?.code).toBe('last-copy');
});

test('of two that nobody recorded, and that are heard alike, one keeps its data until the other is back', () => {
  const unrecorded = record({ names: [] });
  expect(whyKept(observation({ me: B }), unrecorded)?.code).toBe('last-copy');
  expect(whyKept(observation({ me: C }), unrecorded)).toBeNull();
});
