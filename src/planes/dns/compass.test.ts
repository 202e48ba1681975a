import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, canonical } from '../../base/address.ts';
import { clientKey } from '../../decide/routing/hash.ts';
import { compileGeo, type GeoRows } from '../../decide/routing/geo-table.ts';
import { Router } from '../../decide/routing/router.ts';
import {
  DUBLIN,
  FOUR,
  FRANKFURT,
  GEO,
  healthBut,
  policyTable,
  TOKYO,
  verdictOf,
  VIRGINIA,
  worldOf,
} from '../../decide/routing/testing.ts';
import { PlaceCompass } from './compass.ts';
import { readAddress } from './network.ts';

const row = (first: number, place: number) => ({ first: first * 2 ** 24, last: (first + 1) * 2 ** 24 - 1, place });
/** 10.0.0.0/8 and 11.0.0.0/8 are in Germany, 12.0.0.0/8 in the United States, 13.0.0.0/8 in Brazil. */
const ROWS: GeoRows = {
  places: ['DE', 'US', 'BR'].map((country) => ({ place: country, country })),
  v4: [row(10, 0), row(11, 0), row(12, 1), row(13, 2)],
  v6: [{ first: [0x20010db8, 0], last: [0x20010db8, 0xffff], place: 0 }],
};
const OVERRIDES = [{ network: '12.7.0.0/16', place: 'office', country: 'US' }];
const NOBODY = FOUR.length;
const compassOf = () => new PlaceCompass(FOUR, ROWS);
const leads = (compass: PlaceCompass, address: string) => FOUR[compass.lead(readAddress(address))] ?? null;

const someAddress: fc.Arbitrary<Address> = fc.oneof(
  fc
    .tuple(fc.constantFrom(10, 11, 12, 13, 14), fc.constantFrom(0, 7, 8), fc.nat(0xffff))
    .map(([a, b, rest]): Address => ({ family: 4, words: [a * 2 ** 24 + b * 2 ** 16 + rest] })),
  fc
    .tuple(fc.constantFrom(0, 0xffff, 0x10000), fc.nat(0xffff))
    .map(([b, d]): Address => ({ family: 6, words: [0x20010db8, b, 0, d] })),
  fc.nat(0xffffff).map((it): Address => ({ family: 6, words: [0, 0, 0xffff, 12 * 2 ** 24 + it] })),
);
const someWorld = fc
  .record({
    policies: fc.subarray(['geolocation', 'latency', 'weighted', 'failover'] as const),
    weights: fc.tuple(...FOUR.map(() => fc.integer({ min: 1, max: 5 }))),
    fenced: fc.boolean(),
    kind: fc.constantFrom('hold-last' as const, 'closed' as const),
    states: fc.tuple(...FOUR.map(() => fc.constantFrom('unknown' as const, 'healthy' as const, 'unhealthy' as const))),
    sinceMs: fc.nat(1_000_000),
    slowStartMs: fc.constantFrom(0, 2_000_000),
  })
  .map((it) => {
    const fence = { name: 'law', countries: ['DE'], regions: [FRANKFURT] };
    const table = policyTable(
      {
        policies: it.policies,
        geolocation: { ...GEO, overrides: OVERRIDES },
        fences: it.fenced ? [fence] : [],
        whenAllUnhealthy: { kind: it.kind },
        slowStartMs: it.slowStartMs,
      },
      { weights: Object.fromEntries(FOUR.map((id, i) => [id, it.weights[i] ?? 1])) },
    );
    const health = new Map(
      FOUR.map((id, i) => [id, verdictOf(it.states[i] ?? 'healthy', it.sinceMs, it.states[i] === 'healthy')] as const),
    );
    return worldOf(table, { health });
  });

describe('the compass of DNS', () => {
  it('leads every client where the decision of all planes leads it', () => {
    const geo = compileGeo(ROWS, OVERRIDES);
    fc.assert(
      fc.property(someWorld, fc.array(someAddress, { minLength: 1, maxLength: 20 }), (world, clients) => {
        const compass = compassOf();
        compass.turn(world);
        const router = new Router(world);
        const expected = clients.map((client) => {
          const key = clientKey(canonical(client));
          const place = geo.placeOf(client);
          return router.route({ method: 'read', place, key, pinned: null, canary: false }).candidates[0];
        });
        // Twice: what was drawn for a client is kept.
        for (const _ of ['drawn', 'kept']) expect(clients.map((it) => FOUR[compass.lead(it)])).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it('an answer holds for every address of its scope, and for fewer only where that needs it', () => {
    fc.assert(
      fc.property(someWorld, someAddress, fc.nat(0xffffffff), fc.nat(0xffffffff), (world, client, a, b) => {
        const compass = compassOf();
        compass.turn(world);
        const inner = canonical(client);
        const scope = compass.scopeOf(client);
        expect(scope).toBeLessThanOrEqual(inner.family === 4 ? 32 : 64);
        const flip = (word: number, bits: number, noise: number): number =>
          bits >= 32 ? word : (word ^ (noise >>> Math.max(0, bits))) >>> 0;
        const sibling: Address =
          inner.family === 4
            ? { family: 4, words: [flip(inner.words[0], scope, a)] }
            : { family: 6, words: [flip(inner.words[0], scope, a), flip(inner.words[1], scope - 32, b), a, b] };
        expect(compass.lead(sibling)).toBe(compass.lead(client));
      }),
      { numRuns: 300 },
    );
  });

  it('merges neighbours with the same answer: the scope is as short as it can be', () => {
    const compass = compassOf();
    compass.turn(
      worldOf(policyTable({ policies: ['geolocation', 'failover'], geolocation: { ...GEO, overrides: OVERRIDES } })),
    );
    // Two countries' worth of rows, one answer.
    expect([leads(compass, '10.1.1.1'), compass.scopeOf(readAddress('10.1.1.1'))]).toEqual([FRANKFURT, 7]);
    expect([leads(compass, '12.7.1.1'), compass.scopeOf(readAddress('12.7.1.1'))]).toEqual([TOKYO, 16]);
    expect([leads(compass, '12.6.1.1'), compass.scopeOf(readAddress('12.6.1.1'))]).toEqual([VIRGINIA, 16]);
    const same = compassOf();
    same.turn(worldOf(policyTable({ policies: ['failover'] })));
    expect([leads(same, '10.1.1.1'), same.scopeOf(readAddress('10.1.1.1'))]).toEqual([FRANKFURT, 0]);
  });

  it('shares clients out by weight, each network always alike, and says that the answer is for that network only', () => {
    const compass = compassOf();
    const weights = { [FRANKFURT]: 3, [DUBLIN]: 1, [VIRGINIA]: 0, [TOKYO]: 0 };
    compass.turn(worldOf(policyTable({ policies: ['weighted'] }, { weights })));
    const ledIn = (last: number) =>
      Array.from({ length: 4_000 }, (_, i) => compass.lead({ family: 4, words: [i * 256 + last] }));
    const led = ledIn(0);
    expect(ledIn(77)).toEqual(led);
    const first = led.filter((index) => index === 0).length;
    expect(first / 4_000).toBeGreaterThan(0.72);
    expect(first / 4_000).toBeLessThan(0.78);
    expect(compass.scopeOf(readAddress('10.1.1.1'))).toBe(24);
    expect(compass.scopeOf(readAddress('2001:db8::1'))).toBe(48);
  });

  it('I11: nobody is led out of a fence; with all of its regions lost and the file saying closed, nobody is led anywhere', () => {
    const fences = [{ name: 'law', countries: ['DE'], regions: [FRANKFURT] }];
    const table = policyTable({ fences, whenAllUnhealthy: { kind: 'closed' } });
    const compass = compassOf();
    compass.turn(worldOf(table, { health: healthBut({ [FRANKFURT]: verdictOf('unhealthy') }) }));
    expect(compass.lead(readAddress('10.1.1.1'))).toBe(NOBODY);
    expect(leads(compass, '12.1.1.1')).not.toBeNull();
  });

  it('before the first table it points nowhere', () => {
    const compass = compassOf();
    compass.turn(null);
    expect(compass.lead(readAddress('10.1.1.1'))).toBe(NOBODY + 1);
    expect(compass.untilMs).toBe(Number.POSITIVE_INFINITY);
  });
});
