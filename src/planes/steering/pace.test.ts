import { expect, test } from 'vitest';
import { defaultRouting } from '../../decide/routing/defaults.ts';
import { EDGE_LIMITS } from '../edge/limits.ts';
import { Steering } from './steering.ts';
import { A, B, tableOf } from '../edge/testing.ts';

test('regions are looked at at the pace of the newest route table; without one at the plane’s own', () => {
  const clock = { nowMs: () => 0, wallMs: () => 0, sleep: () => Promise.resolve() };
  const steering = new Steering(clock, A, new Map([[A, 0]]), () => undefined);
  const own = { ...EDGE_LIMITS, checkEveryMs: 500, checkTimeoutMs: 400 };
  expect(steering.paceOf(80, own)).toEqual({ everyMs: 500, timeoutMs: 560 });
  const table = tableOf({ primary: B });
  const health = { everyMs: 2_000, timeoutMs: 1_000, fall: 3, rise: 2 };
  steering.offerTable(JSON.stringify({ ...table, routing: { ...defaultRouting(table.regions), health } }));
  expect(steering.paceOf(80, own)).toEqual({ everyMs: 2_000, timeoutMs: 1_160 });
});
