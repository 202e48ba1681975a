import { describe, expect, it } from 'vitest';
import { medianRank, spreadOf, zeroFailuresBound } from './statistics.ts';

describe('medianRank', () => {
  // The table every text on order statistics prints.
  it.each([
    [5, null],
    [6, 1],
    [7, 1],
    [9, 2],
    [10, 2],
    [20, 6],
    [30, 10],
  ])('n=%i gives rank %s', (n, rank) => {
    expect(medianRank(n)).toBe(rank);
  });
});

describe('spreadOf', () => {
  it('gives median, maximum and the interval by rank', () => {
    expect(spreadOf([5, 1, 9, 3, 7, 2, 8, 4, 6, 10])).toEqual({
      n: 10,
      never: 0,
      p50: 5.5,
      max: 10,
      p50Interval: [2, 9],
    });
    expect(spreadOf([3, 1, 2])).toEqual({ n: 3, never: 0, p50: 2, max: 3, p50Interval: null });
    expect(spreadOf([800, null, null])).toEqual({ n: 1, never: 2, p50: 800, max: 800, p50Interval: null });
    expect(spreadOf([null])).toBeNull();
    expect(spreadOf([])).toBeNull();
  });
});

describe('zeroFailuresBound', () => {
  it.each([
    [10, 0.26],
    [20, 0.14],
    [59, 0.05],
    [100, 0.03],
  ])('no failure in %i trials bounds the probability by %d', (n, bound) => {
    expect(zeroFailuresBound(n)).toBeCloseTo(bound, 2);
  });
});
