import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clientIn, DUBLIN, FOUR, FRANKFURT, placeIn, policyTable, routerOf, TOKYO, VIRGINIA } from './testing.ts';
import { parseToldRoundTrips } from './told-round-trips.ts';

describe('what a client tells of its round trips', () => {
  test('is read whole or not at all', () => {
    expect(parseToldRoundTrips(`${DUBLIN}=12, ${VIRGINIA}=95.5`)).toEqual(
      new Map([
        [DUBLIN, 12],
        [VIRGINIA, 95.5],
      ]),
    );
    const bad = [undefined, '', 'x', `${DUBLIN}=-1`, `${DUBLIN}=1e9`, `${DUBLIN}=10001`, `${DUBLIN}=1,`, 'a b=1'];
    for (const text of [...bad, 'a=1,'.repeat(400), Array(40).fill('a=1').join()])
      expect(parseToldRoundTrips(text)).toBeNull();
  });

  test('property: no text makes it throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseToldRoundTrips(text)));
  });
});

describe('a client is led by its own round trips', () => {
  const latency = {
    latencyOf: (_: unknown, region: string) => ({
      ms: 10 * FOUR.findIndex((id) => id === region),
      method: 'measured' as const,
    }),
  };
  const table = policyTable({ policies: ['latency'], latency: { withinMs: 0, hysteresisMs: 5 } });
  const told = (...ms: number[]) => new Map(FOUR.slice(0, ms.length).map((id, i) => [id, ms[i] ?? 0] as const));
  const router = routerOf(table, { latency });
  const route = (rtts?: ReadonlyMap<(typeof FOUR)[number], number>) =>
    router.route(clientIn(placeIn('JP'), 7, rtts === undefined ? {} : { rtts }));

  test('labelled as such; without them as before, also after somebody told some', () => {
    expect(route().candidates).toEqual([FRANKFURT, DUBLIN, VIRGINIA, TOKYO]);
    const led = route(told(240, 220, 150, 4));
    expect(led.candidates).toEqual([TOKYO, VIRGINIA, DUBLIN, FRANKFURT]);
    expect(led.why[0]?.text).toContain('4 ms, measured by the client');
    expect(route().candidates).toEqual([FRANKFURT, DUBLIN, VIRGINIA, TOKYO]);
    expect(route().why[0]?.text).toContain('0 ms, measured');
  });

  test('what is not better by the hysteresis moves nobody', () => {
    expect(route(told(10, 6, 50, 50)).candidates[0]).toBe(FRANKFURT);
    expect(route(told(12, 6, 50, 50)).candidates[0]).toBe(DUBLIN);
  });

  test('those of some regions only are not held against measurements from elsewhere', () => {
    const led = route(told(240, 1));
    expect(led.candidates).toEqual(route().candidates);
    expect(led.codes).toContain('told-too-little');
  });

  test('I11: past no fence, and without the policy latency they mean nothing', () => {
    const fences = [{ name: 'law', countries: ['JP'], regions: [FRANKFURT, DUBLIN] }];
    const fenced = routerOf(policyTable({ policies: ['latency'], fences }), { latency });
    const rtts = told(240, 220, 150, 4);
    expect(fenced.route(clientIn(placeIn('JP'), 7, { rtts })).candidates).toEqual([DUBLIN, FRANKFURT]);
    const ordered = routerOf(policyTable({ policies: ['failover'] }), { latency });
    expect(ordered.route(clientIn(placeIn('JP'), 7, { rtts }))).toEqual(ordered.route(clientIn(placeIn('JP'))));
  });
});
