import { describe, expect, test } from 'vitest';
import { placeId } from '../base/ids.ts';
import { firstByteMs } from '../facts/latency/first-byte.ts';
import { createLatencyModel } from '../facts/latency/model.ts';
import type { PlanRequest } from '../spec/planning.ts';
import { checkPlan } from './check/check.ts';
import { pricesOf } from './compare/relax.ts';
import { servedPlaces, shareWithin } from './places.ts';
import { example, facts, infeasibleOf, OPTIONS, planOf, requestOf } from './testing.ts';

const shop = requestOf(example('plan/eu-shop'));
const both = requestOf(example('plan/eu-shop'), { model: 'active-active', sizes: { min: 2, max: 2 }, residency: [] });
const asking = (withinMs: number, share: number, firstByte: Partial<PlanRequest['firstByte']> = {}) => ({
  hasLatency: true,
  latency: [{ withinMs, share, country: null, metric: 'ttfb' as const }],
  firstByte: { ...shop.firstByte, ...firstByte },
});

test('three round trips by TLS, two by TCP, one on a kept connection; the server once; the primary as often as it is asked', () => {
  const of = (connection: 'tls' | 'tcp' | 'kept', primaryTrips: number): number =>
    firstByteMs({ connection, serverMs: 50, primaryTrips }, 40, 90);
  expect([of('tls', 0), of('tcp', 0), of('kept', 0), of('tls', 2)]).toEqual([170, 130, 90, 350]);
});

describe('an objective for the first byte', () => {
  test('without the primary it is one for round trips: 230 ms are 3 x 60 and 50 of the server', () => {
    const byRtt = planOf(shop);
    const byFirstByte = planOf({ ...shop, ...asking(230, 0.8) });
    expect(byFirstByte.regions.map(({ id }) => id)).toEqual(byRtt.regions.map(({ id }) => id));
    expect(byFirstByte.reads.objectives[0]?.reached).toBeCloseTo(byRtt.reads.objectives[0]?.reached ?? -1, 9);
    expect(byFirstByte.losses.map(({ coverage }) => coverage)).toEqual(byRtt.losses.map(({ coverage }) => coverage));
    expect(byFirstByte.reads.firstByte.p80Ms).toBeCloseTo(3 * byRtt.reads.p80Ms + 50, 6);
  });

  test('a kept connection needs a third of the time, so farther regions are near enough', () => {
    const fresh = planOf({ ...shop, ...asking(230, 0.8) });
    const kept = planOf({ ...shop, ...asking(230, 0.8, { connection: 'kept' }) });
    expect(kept.cost.usd).toBeLessThanOrEqual(fresh.cost.usd);
    expect(kept.reads.objectives[0]?.reached).toBeGreaterThan(fresh.reads.objectives[0]?.reached ?? 1);
  });

  test('each question to the primary costs the way there: by hand for users of one place', () => {
    const regions = ['aws:eu-central-1', 'aws:us-east-1'].map(placeId);
    const request = {
      ...both,
      ...asking(400, 0.5, { primaryTrips: 2 }),
      regions,
      mode: 'async' as const,
      rpoMs: 60_000,
      users: [
        { country: 'DE', share: 0.6, at: { lat: 50.1, lon: 8.7 } },
        { country: 'US', share: 0.4, at: { lat: 39, lon: -77.5 } },
      ],
    };
    const model = createLatencyModel(facts);
    const own = model.pointToRegion({ lat: 39, lon: -77.5 }, regions[1] as never, 15).ms;
    const across = model.regionToRegion(regions[0] as never, regions[1] as never).ms;
    const plan = planOf(request);
    expect(plan.reads.firstByte.p95Ms).toBeCloseTo(3 * own + 50 + 2 * across, 6);
    expect(plan.violations).toEqual([]);
    const tight = Math.floor(3 * own + 50 + 2 * across);
    const late = planOf({ ...request, latency: [{ withinMs: tight, share: 0.9, country: null, metric: 'ttfb' }] });
    expect(late.reads.objectives[0]?.reached).toBeCloseTo(0.6, 9);
    expect(late.violations.join()).toContain(`within ${tight} ms to the first byte, asked were 90.0 %`);
  });

  test('the choice minds the primary: with questions to it, regions that are near each other win', () => {
    const free = { ...both, providers: ['aws'], users: requestOf(example('plan/world')).users, rpoMs: 60_000 };
    const apart = (trips: number): number => {
      const { regions } = planOf({ ...free, ...asking(1_000, 0, { primaryTrips: trips }), hasLatency: false });
      return Math.max(...regions.map(({ toPrimaryMs }) => toPrimaryMs));
    };
    expect(apart(8)).toBeLessThan(apart(0));
  });

  test('the checker finds a plan that says the first byte is sooner than it is', () => {
    const plan = planOf({ ...shop, ...asking(230, 0.8) });
    const { firstByte } = plan.request;
    const lie = (change: Partial<typeof firstByte>) =>
      checkPlan({ ...plan, request: { ...plan.request, firstByte: { ...firstByte, ...change } } }, facts).join();
    expect(checkPlan(plan, facts)).toEqual([]);
    expect(lie({ serverMs: 150 })).toMatch(/users within 230 ms to the first byte, not/);
    expect(lie({ connection: 'kept' })).toMatch(/users within 230 ms to the first byte, not/);
  });

  test('the map and the curve are of the metric that is asked for', () => {
    const plan = planOf({ ...shop, ...asking(230, 0.8) });
    const { now, afterWorst } = servedPlaces(plan, facts);
    expect(shareWithin(now, 'ms', 230 + 1e-6)).toBeCloseTo(plan.reads.objectives[0]?.reached ?? -1, 6);
    const least = Math.min(...plan.losses.map(({ coverage }) => coverage));
    expect(shareWithin(afterWorst?.places ?? [], 'ms', 230 + 1e-6)).toBeCloseTo(least, 6);
  });

  test('what it costs and what is too much are said in its words', () => {
    const notches = pricesOf({ ...shop, ...asking(230, 0.8) }, facts)?.notches ?? [];
    expect(notches.map(({ asks, relaxed }) => `${asks} → ${relaxed}`)).toContain(
      '80 % of all users within 230 ms to the first byte → within 253 ms to the first byte',
    );
    const { conflict, relaxations } = infeasibleOf({ ...shop, ...asking(90, 0.9) });
    expect(conflict.map(({ says }) => says).join()).toContain('90 % of all users within 90 ms to the first byte');
    const enough = Number(/→ (\d+) ms/.exec(relaxations.map(({ change }) => change).join())?.[1]);
    expect(planOf({ ...shop, ...asking(enough, 0.9) }).violations).toEqual([]);
  });

  test('the trials of robustness are of the first byte too', () => {
    const plan = planOf({ ...shop, ...asking(230, 0.8) });
    expect(plan.robustness).toEqual({ ...planOf(shop).robustness, seed: OPTIONS.seed });
  });
});
