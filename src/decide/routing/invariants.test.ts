import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlaceId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import { clientIn, FOUR, GEO, placeIn, policyTable, routerOf, verdictOf } from './testing.ts';
import { UNMAPPED } from './world.ts';

const anyVerdict = fc
  .tuple(fc.constantFrom('unknown' as const, 'healthy' as const, 'unhealthy' as const), fc.nat(1_000_000), fc.boolean())
  .map(([state, sinceMs, recovered]) => verdictOf(state, sinceMs, recovered && state === 'healthy'));
const subset = fc.subarray(FOUR);
const anyCase = fc.record({
  policies: fc.subarray(['geolocation', 'latency', 'weighted', 'failover'] as const),
  fences: fc.array(fc.record({ name: fc.constant('law'), countries: fc.subarray(['DE', 'US']), regions: subset }), {
    maxLength: 2,
  }),
  unmapped: fc.constantFrom('fenced' as const, 'free' as const),
  kind: fc.constantFrom('hold-last' as const, 'open' as const, 'closed' as const, 'static' as const),
  failback: fc.constantFrom('auto' as const, 'manual' as const),
  affinity: fc.constantFrom('none' as const, 'cookie' as const),
  weights: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
  drained: fc.subarray(FOUR, { maxLength: 3 }),
  passive: fc.subarray(FOUR, { maxLength: 3 }),
  primary: fc.constantFrom(...FOUR, null),
  ramp: fc.option(
    fc.record({ to: fc.constantFrom(...FOUR), from: fc.constantFrom(...FOUR), overMs: fc.nat(2_000_000) }),
  ),
  health: fc.tuple(anyVerdict, anyVerdict, anyVerdict, anyVerdict),
  load: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
  rtt: fc.tuple(fc.nat(200), fc.nat(200), fc.nat(200), fc.nat(200)),
  country: fc.constantFrom('DE', 'US', 'BR', null),
  key: fc.nat(0xffffffff),
  pinned: fc.constantFrom(...FOUR, null),
  canary: fc.boolean(),
  slowStartMs: fc.nat(2_000_000),
  canaryRegions: subset,
  staticRegions: subset,
  method: fc.constantFrom('read' as const, 'write' as const),
  readOnly: subset,
  told: fc.option(fc.tuple(fc.nat(200), fc.nat(200), fc.nat(200), fc.nat(200))),
});
type Case = typeof anyCase extends fc.Arbitrary<infer T> ? T : never;
const of = <T>(values: readonly T[]) => FOUR.map((id, index) => [id, values[index] as T] as const);

function routed(each: Case, health = new Map(of(each.health)), readOnly: readonly PlaceId[] = each.readOnly) {
  const table = policyTable(
    {
      policies: each.policies,
      geolocation: GEO,
      latency: { withinMs: 30, hysteresisMs: 5 },
      failover: { order: FOUR, holdDownMs: 300_000, failback: each.failback },
      slowStartMs: each.slowStartMs,
      canary: { regions: each.canaryRegions, header: null, cookie: null },
      affinity: each.affinity,
      fences: each.fences,
      unmapped: each.unmapped,
      whenAllUnhealthy: each.kind === 'static' ? { kind: 'static', regions: each.staticRegions } : { kind: each.kind },
    },
    {
      primary: each.primary,
      weights: Object.fromEntries(of(each.weights)),
      drained: each.drained,
      passive: each.passive,
      ramp: each.ramp,
    },
  );
  const rtt = new Map(of(each.rtt));
  const router = routerOf(table, {
    health,
    readOnly: new Map(readOnly.map((id) => [id, because('read-only', 'test')])),
    load: new Map(of(each.load)),
    latency: { latencyOf: (_, region) => ({ ms: rtt.get(region) ?? 0, method: 'measured' }) },
  });
  const client = clientIn(each.country === null ? UNMAPPED : placeIn(each.country), each.key, {
    method: each.method,
    pinned: each.pinned,
    canary: each.canary,
    ...(each.told === null ? {} : { rtts: new Map(of(each.told)) }),
  });
  return { table, router, client, route: router.route(client) };
}

describe('whatever the table, the health, the load and the client', () => {
  test('property (I11): nobody is sent past a residency fence, not by a fallback, a canary, affinity or failing open', () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { route } = routed(each);
        for (const fence of each.fences) {
          const holds = each.country === null ? each.unmapped === 'fenced' : fence.countries.includes(each.country);
          if (holds) expect(route.candidates.filter((id) => !fence.regions.includes(id))).toEqual([]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('property (I12): a hold is kept, nothing is offered twice, and health alone never refuses a read unless the file says so', () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { route } = routed(each);
        expect(new Set(route.candidates).size).toBe(route.candidates.length);
        expect(route.candidates.filter((id) => each.drained.includes(id))).toEqual([]);
        expect(route.refusal === null).toBe(route.candidates.length > 0);
        expect(route.why.length).toBeGreaterThan(0);
        if (each.method === 'write') {
          expect(route.candidates.length).toBeLessThanOrEqual(1);
          return;
        }
        const healthy = routed(each, new Map(FOUR.map((id) => [id, verdictOf('healthy')]))).route;
        if (each.kind === 'hold-last' || each.kind === 'open') {
          expect(route.candidates.length > 0).toBe(healthy.candidates.length > 0);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('property: round trips that a client tells reorder its own candidates, and change nothing for anybody else', () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { router, client, route } = routed(each);
        const { rtts: _, ...other } = client;
        const fresh = routed({ ...each, told: null }).route;
        expect(router.route(other)).toEqual(fresh);
        expect(route.candidates.toSorted()).toEqual(fresh.candidates.toSorted());
      }),
      { numRuns: 1_000 },
    );
  });

  test('property: what a region says of writing changes no read; a write goes where it went, or nowhere', () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { route } = routed(each);
        const able = routed(each, undefined, []).route;
        if (each.method === 'read') expect(route.candidates).toEqual(able.candidates);
        else {
          expect(route.candidates).toEqual(able.candidates.filter((id) => !each.readOnly.includes(id)));
          expect(route.refusal).toBe(able.refusal ?? (route.candidates.length > 0 ? null : 'read-only'));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('property: the explanation is the same decision, and each step only takes away or reorders', () => {
    fc.assert(
      fc.property(anyCase, (each) => {
        const { router, client, route } = routed(each);
        const { steps, ...explained } = router.explain(client);
        expect(explained).toEqual(route);
        for (const [index, step] of steps.entries()) {
          const before = steps[index - 1];
          if (before !== undefined) expect(step.left.filter((id) => !before.left.includes(id))).toEqual([]);
        }
        expect(steps.at(-1)?.left).toEqual(route.candidates);
      }),
      { numRuns: 1_000 },
    );
  });
});
