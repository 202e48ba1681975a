import { expect, test } from 'vitest';
import { LeaseDeadlines } from './lease-deadlines.ts';

const WALL = 1_700_000_000_000;
function ticking(untilMs: number, deadlines: LeaseDeadlines): void {
  for (let at = 0; at <= untilMs; at += 50) expect(deadlines.look(at, WALL + at)).toBe(false);
}

test('P2.4: a lease is due a full TTL after its last renewal, never before', () => {
  const deadlines = new LeaseDeadlines(150, 0, WALL);
  deadlines.start('1', 2_000, 0);
  deadlines.renew('1', 500);
  deadlines.renew('1', 400);
  expect(deadlines.due(2_499)).toEqual([]);
  expect(deadlines.due(2_500)).toEqual(['1']);
  deadlines.drop('1');
  deadlines.renew('1', 2_600);
  expect(deadlines.due(9_000)).toEqual([]);
});

test('P2.4: after a tick that came late every lease has a full TTL', () => {
  const deadlines = new LeaseDeadlines(150, 0, WALL);
  deadlines.start('1', 2_000, 0);
  deadlines.start('2', 5_000, 0);
  ticking(1_000, deadlines);
  expect(deadlines.look(7_000, WALL + 7_000)).toBe(true);
  expect(deadlines.due(8_999)).toEqual([]);
  expect(deadlines.due(9_000)).toEqual(['1']);
  expect(deadlines.nextMs()).toBe(9_000);
  expect(deadlines.due(12_000)).toEqual(['1', '2']);
});

test('P2.4: a pause right after the start, before the first tick, counts too', () => {
  const deadlines = new LeaseDeadlines(150, 0, WALL);
  deadlines.start('1', 2_000, 10);
  expect(deadlines.look(4_000, WALL + 4_000)).toBe(true);
  expect(deadlines.due(5_999)).toEqual([]);
});

test('P2.2: a wall clock that jumps, forward or back, counts as a pause', () => {
  for (const jumpMs of [-101, 101]) {
    const deadlines = new LeaseDeadlines(150, 0, WALL);
    deadlines.start('1', 2_000, 0);
    ticking(1_000, deadlines);
    expect(deadlines.look(1_050, WALL + 1_050 + jumpMs)).toBe(true);
    expect(deadlines.due(3_049)).toEqual([]);
    // Only the jump counts, not the clock being off.
    expect(deadlines.look(1_100, WALL + 1_100 + jumpMs)).toBe(false);
  }
});
