import { expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { UNMAPPED } from '../../decide/routing/world.ts';
import { RoundTrips } from './round-trips.ts';

const A = placeId('aws:eu-west-1');

test('what was expected until something was measured, and the label says which', () => {
  const trips = new RoundTrips(new Map([[A, 27]]));
  expect(trips.latencyOf(UNMAPPED, A)).toEqual({ ms: 27, method: 'facts' });
  expect([31.7, 90, 33, 40, 35].map((ms) => trips.add(A, ms))).toEqual([false, false, false, false, true]);
  expect(trips.latencyOf(UNMAPPED, A)).toEqual({ ms: 31, method: 'measured' });
  expect(trips.latencyOf(UNMAPPED, placeId('aws:us-east-1'))).toBeNull();
});

test('a busy machine changes nothing; a way that stays slow is believed once the window has passed', () => {
  const trips = new RoundTrips(new Map());
  for (let i = 0; i < 5; i += 1) trips.add(A, 20);
  for (let i = 0; i < 19; i += 1) expect(trips.add(A, i % 2 === 0 ? 90 : 20.5)).toBe(false);
  const changes = Array.from({ length: 20 }, () => trips.add(A, 80)).filter(Boolean);
  expect(changes).toHaveLength(1);
  expect(trips.latencyOf(UNMAPPED, A)).toEqual({ ms: 80, method: 'measured' });
  expect(trips.add(A, 12)).toBe(true);
});
