import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlaceId } from '../../base/ids.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { mix } from './hash.ts';
import {
  clientIn,
  DUBLIN,
  FOUR,
  FRANKFURT,
  GEO,
  healthBut,
  placeIn,
  policyTable,
  routerOf,
  TOKYO,
  verdictOf,
  VIRGINIA,
} from './testing.ts';
import { type LatencyBook, UNMAPPED } from './world.ts';

const codes = (why: readonly { code: string }[]) => why.map((reason) => reason.code);
const keys = Array.from({ length: 20_000 }, (_, index) => mix(index * 0x01000193));
const firstOf = (router: ReturnType<typeof routerOf>, key: number) =>
  router.route(clientIn(UNMAPPED, key)).candidates[0];
/** How often each region is the first candidate. */
function shareOf(router: ReturnType<typeof routerOf>, list: readonly number[] = keys): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of list) {
    const first = firstOf(router, key);
    if (first !== undefined) counts[first] = (counts[first] ?? 0) + 1 / list.length;
  }
  return counts;
}
describe('T1 geolocation', () => {
  const table = policyTable({ policies: ['geolocation'], geolocation: GEO });
  test('the rule of the place, then the others as a fallback', () => {
    const route = routerOf(table).route(clientIn(placeIn('FR')));
    expect(route.candidates).toEqual([FRANKFURT, DUBLIN, VIRGINIA, TOKYO]);
    expect(route.why[0]).toMatchObject({ code: 'geo' });
    expect(route.why[0]?.text).toContain('rule europe');
    expect(routerOf(table).route(clientIn({ place: 'office', country: 'DE', source: 'override' })).candidates[0]).toBe(
      TOKYO,
    );
  });

  test('unmapped places and countries without a rule use `otherwise`; without it all regions are equal', () => {
    expect(routerOf(table).route(clientIn()).candidates[0]).toBe(VIRGINIA);
    expect(routerOf(table).route(clientIn(placeIn('BR'))).codes).toBe('geo-otherwise');
    const open = policyTable({ policies: ['geolocation'], geolocation: { ...GEO, otherwise: null } });
    expect(routerOf(open).route(clientIn(placeIn('BR'))).candidates[0]).toBe(FRANKFURT);
  });

  test('when no region of the rule may serve, the fallback says so', () => {
    const dead = healthBut({ [FRANKFURT]: verdictOf('unhealthy'), [DUBLIN]: verdictOf('unhealthy') });
    const route = routerOf(table, { health: dead }).route(clientIn(placeIn('DE')));
    expect(route.candidates).toEqual([VIRGINIA, TOKYO]);
    expect(codes(route.why)).toEqual(['geo-fallback', 'unhealthy', 'unhealthy']);
  });
});

describe('T2 latency', () => {
  const book = (ms: Readonly<Record<string, number>>): LatencyBook => ({
    latencyOf: (_, region) => ({ ms: ms[region] ?? 500, method: 'facts' }),
  });
  const table = policyTable({ policies: ['latency'], latency: { withinMs: 0, hysteresisMs: 10 } });

  test('the nearest first, with its figure and where it is from', () => {
    const route = routerOf(table, { latency: book({ [DUBLIN]: 20, [FRANKFURT]: 25 }) }).route(clientIn(placeIn('IE')));
    expect(route.candidates.slice(0, 2)).toEqual([DUBLIN, FRANKFURT]);
    expect(route.why[0]?.text).toContain("20 ms, by the provider's table");
  });

  test('property: with noise smaller than the hysteresis nobody ever flaps', () => {
    const noise = fc.array(fc.tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 })), {
      minLength: 2,
    });
    fc.assert(
      fc.property(noise, (steps) => {
        let leaders: ReadonlyMap<string, PlaceId> = new Map();
        const seen = new Set<PlaceId | undefined>();
        for (const [a, b] of steps) {
          const router = routerOf(table, { latency: book({ [DUBLIN]: 30 + a, [FRANKFURT]: 30 + b }), leaders });
          seen.add(router.route(clientIn(placeIn('IE'))).candidates[0]);
          leaders = router.leaders;
        }
        expect(seen.size).toBe(1);
      }),
    );
  });

  test('a region that is better by more than the hysteresis takes over, and says so before it does', () => {
    const leaders = new Map([['IE/IE', DUBLIN]]);
    const at = (ms: number) =>
      routerOf(table, { latency: book({ [DUBLIN]: 40, [FRANKFURT]: ms }), leaders }).route(clientIn(placeIn('IE')));
    expect(at(31).candidates[0]).toBe(DUBLIN);
    expect(at(31).why[0]?.text).toContain(`${FRANKFURT} is not better by 10 ms`);
    expect(at(29).candidates[0]).toBe(FRANKFURT);
  });
});

describe('T3 weighted', () => {
  test('one region that is left has all of the weight, and that is the reason', () => {
    const alone = policyTable(
      { policies: ['weighted'] },
      { weights: { [FRANKFURT]: 0, [DUBLIN]: 1, [VIRGINIA]: 0, [TOKYO]: 0 } },
    );
    const { candidates, why } = routerOf(alone).route(clientIn(UNMAPPED));
    expect(candidates).toEqual([DUBLIN]);
    expect(why[0]).toMatchObject({ code: 'weighted', text: `shared by weight: ${DUBLIN} 100 %` });
  });

  const weights = { [FRANKFURT]: 60, [DUBLIN]: 20, [VIRGINIA]: 20, [TOKYO]: 0 };
  const table = policyTable({ policies: ['weighted'] }, { weights });

  test('exact: the shares are those of the weights, and weight 0 gets nothing at all', () => {
    const share = shareOf(routerOf(table));
    expect(share[FRANKFURT]).toBeCloseTo(0.6, 1.5);
    expect(share[DUBLIN]).toBeCloseTo(0.2, 1.5);
    expect(share[VIRGINIA]).toBeCloseTo(0.2, 1.5);
    const router = routerOf(table);
    const all = keys.flatMap((key) => router.route(clientIn(UNMAPPED, key)).candidates);
    expect(new Set(all)).toEqual(new Set([FRANKFURT, DUBLIN, VIRGINIA]));
  });

  test('renormalised when a region is out, and nobody else moves', () => {
    const before = routerOf(table);
    const after = routerOf(table, { health: healthBut({ [FRANKFURT]: verdictOf('unhealthy') }) });
    const share = shareOf(after);
    expect(share[DUBLIN]).toBeCloseTo(0.5, 1.5);
    expect(share[VIRGINIA]).toBeCloseTo(0.5, 1.5);
    const moved = keys.filter((key) => firstOf(after, key) !== firstOf(before, key));
    expect(moved.filter((key) => firstOf(before, key) !== FRANKFURT)).toEqual([]);
  });

  test('property: stable, and a weight that grows only draws clients to its region', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffffffff),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        (key, a, more) => {
          const at = (weight: number) =>
            routerOf(policyTable({ policies: ['weighted'] }, { weights: { [DUBLIN]: weight, [FRANKFURT]: 10 } })).route(
              clientIn(UNMAPPED, key),
            );
          const [before, after] = [at(a).candidates[0], at(a + more).candidates[0]];
          expect(at(a).candidates[0]).toBe(before);
          if (after !== before) expect(after).toBe(DUBLIN);
        },
      ),
    );
  });

  test('canary: a marked request goes there, as long as it may serve', () => {
    const canary = { regions: [DUBLIN], header: { name: 'x-canary', value: null }, cookie: null };
    const marked = policyTable({ policies: ['weighted'], canary }, { weights });
    for (const key of keys.slice(0, 50)) {
      expect(routerOf(marked).route(clientIn(UNMAPPED, key, { canary: true })).candidates[0]).toBe(DUBLIN);
    }
    const out = routerOf(marked, { health: healthBut({ [DUBLIN]: verdictOf('unhealthy') }) });
    const route = out.route(clientIn(UNMAPPED, 7, { canary: true }));
    expect(route.candidates).not.toContain(DUBLIN);
    expect(route.codes).toContain('canary-out');
  });

  test('slow start: a tenth at once, then more and more, and only of its own clients', () => {
    const slow = policyTable({ policies: ['weighted'], slowStartMs: 60_000 }, { weights });
    const at = (forMs: number) => {
      const back = verdictOf('healthy', 1_000_000 - forMs, true);
      return routerOf(slow, { health: healthBut({ [FRANKFURT]: back }) });
    };
    const shares = [0, 30_000, 60_000].map((forMs) => shareOf(at(forMs))[FRANKFURT] ?? 0);
    expect(shares[0]).toBeCloseTo(0.06, 1.5);
    expect(shares[1]).toBeCloseTo(0.3, 1.5);
    expect(shares[2]).toBeCloseTo(0.6, 1.5);
    const early = at(0);
    const later = at(30_000);
    expect(early.untilMs).toBe(Number.POSITIVE_INFINITY);
    const moved = keys.slice(0, 2_000).filter((key) => firstOf(later, key) !== firstOf(early, key));
    expect(moved.filter((key) => firstOf(later, key) !== FRANKFURT)).toEqual([]);
    expect(early.untilMs).toBe(1_000_250);
    // A region that was never lost does not begin slowly.
    const fresh = routerOf(slow, { health: healthBut({ [FRANKFURT]: verdictOf('healthy', 1_000_000) }) });
    expect(shareOf(fresh)[FRANKFURT]).toBeCloseTo(0.6, 1.5);
  });
});

describe('T4 failover', () => {
  const order = [DUBLIN, TOKYO, FRANKFURT, VIRGINIA];
  const failover = (extra: Partial<RoutingPolicy['failover']> = {}) =>
    policyTable({ policies: ['failover'], failover: { order, holdDownMs: 30_000, failback: 'auto', ...extra } });

  test('in order; the next one when the first is lost', () => {
    expect(routerOf(failover()).route(clientIn()).candidates).toEqual(order);
    const lost = routerOf(failover(), { health: healthBut({ [DUBLIN]: verdictOf('unhealthy') }) });
    expect(lost.route(clientIn()).candidates).toEqual([TOKYO, FRANKFURT, VIRGINIA]);
  });

  test('hold-down: one that is back waits behind the others, and the router knows how long', () => {
    const back = (forMs: number) =>
      routerOf(failover(), { health: healthBut({ [DUBLIN]: verdictOf('healthy', 1_000_000 - forMs, true) }) });
    const early = back(29_999);
    const route = early.route(clientIn());
    expect(route.candidates).toEqual([TOKYO, FRANKFURT, VIRGINIA, DUBLIN]);
    expect(codes(route.why)).toEqual(['failover', 'hold-down']);
    expect(early.untilMs).toBe(1_000_001);
    expect(back(30_000).route(clientIn()).candidates).toEqual(order);
  });

  test('manual failback: it waits for a person, however long it is well', () => {
    const health = healthBut({ [DUBLIN]: verdictOf('healthy', 0, true) });
    const route = routerOf(failover({ failback: 'manual' }), { health }).route(clientIn());
    expect(route.candidates.at(-1)).toBe(DUBLIN);
    expect(codes(route.why)).toContain('awaits-failback');
  });
});

describe('the policies compose', () => {
  test('geolocation, then latency inside the continent, then weights among the near ones', () => {
    const weights = { [FRANKFURT]: 3, [DUBLIN]: 1 };
    const geolocation = { ...GEO, rules: [{ label: 'europe', places: ['DE'], regions: [FRANKFURT, DUBLIN, TOKYO] }] };
    const table = policyTable(
      { policies: ['geolocation', 'latency', 'weighted'], geolocation, latency: { withinMs: 20, hysteresisMs: 0 } },
      { weights },
    );
    const ms: Record<string, number> = { [FRANKFURT]: 10, [DUBLIN]: 25, [TOKYO]: 220, [VIRGINIA]: 1 };
    const router = routerOf(table, {
      latency: { latencyOf: (_, region) => ({ ms: ms[region] ?? 0, method: 'measured' }) },
    });
    const routes = keys.map((key) => router.route(clientIn(placeIn('DE'), key)).candidates);
    expect(new Set(routes.map((candidates) => candidates.slice(2).join()))).toEqual(new Set([`${TOKYO},${VIRGINIA}`]));
    expect(routes.filter(([first]) => first === FRANKFURT).length / keys.length).toBeCloseTo(0.75, 1.5);
  });

  test('spillover is proportional, goes to the next one, and counts demand where it was wanted', () => {
    const table = policyTable({ policies: ['failover'], failover: { order: FOUR, holdDownMs: 0, failback: 'auto' } });
    const router = routerOf(table, { load: new Map([[FRANKFURT, 2.5]]) });
    const share = shareOf(router);
    expect(share[FRANKFURT]).toBeCloseTo(0.4, 1.5);
    expect(share[DUBLIN]).toBeCloseTo(0.6, 1.5);
    for (const key of keys.slice(0, 200)) {
      const route = router.route(clientIn(UNMAPPED, key));
      expect(route.wanted).toBe(FRANKFURT);
      expect(route.candidates[0] === FRANKFURT || route.codes.includes('spillover')).toBe(true);
      expect(route.candidates).toHaveLength(4);
    }
  });

  test('affinity: a client stays with its region while that may serve, and hears when it may not', () => {
    const table = policyTable({ policies: ['failover'], affinity: 'cookie' }, { drained: [TOKYO] });
    expect(routerOf(table).route(clientIn(UNMAPPED, 7, { pinned: VIRGINIA })).candidates[0]).toBe(VIRGINIA);
    const broken = routerOf(table).route(clientIn(UNMAPPED, 7, { pinned: TOKYO }));
    expect(broken.candidates).not.toContain(TOKYO);
    expect(broken.codes).toContain('affinity-broken');
  });

  test('the ramp of a failback: reads of an active-passive deployment return by and by, writes at once', () => {
    const passive = [DUBLIN, VIRGINIA, TOKYO];
    const ramp = { to: FRANKFURT, from: DUBLIN, overMs: 60_000 };
    const table = policyTable({}, { passive, ramp });
    const at = (forMs: number) => routerOf(table, { acceptedAtMs: 1_000_000 - forMs });
    expect(shareOf(at(0))).toEqual({ [FRANKFURT]: expect.closeTo(0.1, 1.5), [DUBLIN]: expect.closeTo(0.9, 1.5) });
    expect(shareOf(at(30_000))[FRANKFURT]).toBeCloseTo(0.5, 1.5);
    expect(shareOf(at(60_000))).toEqual({ [FRANKFURT]: expect.closeTo(1, 5) });
    expect(at(0).route(clientIn(UNMAPPED, 7, { method: 'write' })).candidates).toEqual([FRANKFURT]);
    expect(at(60_000).route(clientIn()).candidates).toEqual([FRANKFURT]);
  });
});

describe('when all look unhealthy', () => {
  const dead = healthBut(Object.fromEntries(FOUR.map((id) => [id, verdictOf('unhealthy', id === TOKYO ? 60_000 : 0)])));
  const at = (whenAllUnhealthy: RoutingPolicy['whenAllUnhealthy'], drained: PlaceId[] = []) =>
    routerOf(policyTable({ policies: ['failover'], whenAllUnhealthy }, { drained }), { health: dead }).route(
      clientIn(),
    );

  test.each([
    ['hold-last', [TOKYO, FRANKFURT, DUBLIN, VIRGINIA], null],
    ['open', FOUR, null],
    ['closed', [], 'closed'],
  ] as const)('%s', (kind, candidates, refusal) => {
    const route = at({ kind });
    expect(route.candidates).toEqual(candidates);
    expect(route.refusal).toBe(refusal);
    expect(route.why[0]?.code).toMatch(/^all-unhealthy-/);
  });

  test('static: the listed ones in their order, but never one that an operator holds', () => {
    expect(at({ kind: 'static', regions: [VIRGINIA, DUBLIN] }).candidates).toEqual([VIRGINIA, DUBLIN]);
    expect(at({ kind: 'static', regions: [VIRGINIA, DUBLIN] }, [VIRGINIA]).candidates).toEqual([DUBLIN]);
    expect(at({ kind: 'static', regions: [VIRGINIA] }, [VIRGINIA])).toMatchObject({
      candidates: [],
      refusal: 'closed',
    });
  });
});
