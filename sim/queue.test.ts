import { expect, it } from 'vitest';
import { type Happening, Queue } from './queue.ts';
import { Rng } from './rng.ts';

it('gives what happens in the order of time, and of one moment in the order in which it was added', () => {
  const rng = new Rng(1);
  const queue = new Queue();
  const waiting: { readonly atMs: number; readonly what: Happening }[] = [];
  // Rather more is added than taken, so that it grows.
  for (let i = 0; i < 2_500; i++) {
    if (rng.chance(0.8)) {
      const what: Happening = { isOff: false, happen: () => undefined };
      const atMs = rng.whole(0, 50) + (rng.chance(0.5) ? 0.25 : 0);
      waiting.push({ atMs, what });
      queue.add(atMs, what);
      continue;
    }
    const first = waiting.toSorted((a, b) => a.atMs - b.atMs)[0];
    expect(queue.nextMs).toBe(first?.atMs ?? Number.NaN);
    expect(queue.take()).toBe(first?.what);
    if (first !== undefined) waiting.splice(waiting.indexOf(first), 1);
  }
  const rest = waiting.toSorted((a, b) => a.atMs - b.atMs);
  expect(rest.length).toBeGreaterThan(1_024);
  for (const { what } of rest) expect(queue.take()).toBe(what);
  expect(queue.take()).toBeUndefined();
});
