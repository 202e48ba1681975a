import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Address, inNetwork, parseNetwork } from '../../base/address.ts';
import type { PlaceId } from '../../base/ids.ts';
import { blocksOf } from '../../decide/routing/blocks.ts';
import { compileGeo, type GeoRows } from '../../decide/routing/geo-table.ts';
import { eligibleForWrites } from '../../decide/routing/eligible.ts';
import { ANYBODY, bookOf } from '../../decide/routing/route.ts';
import { Router } from '../../decide/routing/router.ts';
import { DUBLIN, FOUR, FRANKFURT, GEO, policyTable, TOKYO, VIRGINIA } from '../../decide/routing/testing.ts';
import type { ClientPlace } from '../../decide/routing/world.ts';
import { audiencesOf } from './audiences.ts';
import { desiredOf, madeForOther, weightOf } from './desired.ts';
import { CANARY, EVERYBODY, LAST_RESORT, NOBODY, primaryKey, readsOf } from './names.ts';

const upstreams = FOUR.map((region, i) => ({ region, rttMs: 10 * i }));
const PLACES: readonly ClientPlace[] = ['DE', 'FR', 'US', 'BR', 'JP', 'ZA', null].map((country) => ({
  place: country,
  country,
  source: country === null ? 'unmapped' : 'database',
}));

const somePolicy = fc.record({
  policies: fc.subarray(['geolocation', 'latency', 'weighted', 'failover'] as const),
  fences: fc.subarray([
    { name: 'eu', countries: ['DE', 'FR'], regions: [FRANKFURT, DUBLIN] },
    { name: 'jp', countries: ['JP'], regions: [TOKYO] },
  ]),
  unmapped: fc.constantFrom('fenced' as const, 'free' as const),
  whenAllUnhealthy: fc.constantFrom(
    { kind: 'hold-last' as const },
    { kind: 'closed' as const },
    { kind: 'static' as const, regions: [VIRGINIA, FRANKFURT] },
  ),
  affinity: fc.constantFrom('none' as const, 'cookie' as const),
});
const someState = fc.record({
  primary: fc.option(fc.constantFrom(...FOUR)),
  drained: fc.subarray(FOUR),
  passive: fc.subarray(FOUR),
  weights: fc.tuple(...FOUR.map(() => fc.nat(5))),
});

describe('audiences', () => {
  test('property: what HAProxy may do for a client is what the decision allows, wherever he is and whatever the table (I11)', () => {
    fc.assert(
      fc.property(somePolicy, someState, fc.constantFrom(...PLACES), (policy, state, place) => {
        const weights = Object.fromEntries(FOUR.map((id, i) => [id, state.weights[i] ?? 1]));
        const table = policyTable({ ...policy, geolocation: GEO }, { ...state, weights });
        const routing = table.routing ?? null;
        const { list, nameOf } = audiencesOf({ routing, place: TOKYO, upstreams, places: PLACES });
        const { servers, writes } = desiredOf({
          table,
          place: TOKYO,
          audiences: list,
          readOnly: new Map(),
          madeFor: routing,
          weights: [],
        });
        const router = new Router({
          table,
          from: TOKYO,
          health: new Map(),
          readOnly: new Map(),
          latency: bookOf(new Map()),
          load: new Map(),
          leaders: new Map(),
          acceptedAtMs: 0,
          nowMs: 1e9,
        });
        const name = nameOf(place);
        const open = (backend: string): readonly string[] =>
          [...servers].flatMap(([server, { state: its }]) =>
            its === 'ready' && server.startsWith(`${backend}/`) ? [server.slice(backend.length + 1)] : [],
          );
        const wanted = router.route({ ...ANYBODY, method: 'read', place }).candidates;
        expect(open(readsOf(name)).toSorted()).toEqual([...wanted].toSorted());
        for (const region of open(`${readsOf(name)}${LAST_RESORT}`)) expect(wanted).toContain(region);
        const write = router.route({ ...ANYBODY, method: 'write', place });
        const said = write.candidates[0] ?? (write.refusal === 'fenced' ? 'fenced' : 'none');
        expect(writes.get(primaryKey(name))).toBe(said);
      }),
      { numRuns: 100 },
    );
  });

  test('property: a map that was kept from other policies leads no write to where these forbid it (I11)', () => {
    fc.assert(
      fc.property(
        somePolicy,
        somePolicy,
        fc.constantFrom(...FOUR),
        fc.constantFrom(...PLACES),
        (old, now, at, place) => {
          const tableFor = (policy: typeof old) => policyTable({ ...policy, geolocation: GEO }, { primary: at });
          const [before, table] = [tableFor(old), tableFor(now)];
          const made = (its: typeof table) =>
            audiencesOf({ routing: its.routing ?? null, place: TOKYO, upstreams, places: PLACES });
          const { writes: map } = desiredOf({
            table: before,
            place: TOKYO,
            audiences: made(before).list,
            readOnly: new Map(),
            madeFor: before.routing ?? null,
            weights: [],
          });
          const { list, nameOf } = made(table);
          const audience = list.find(({ name }) => name === nameOf(place));
          const inside = [...(audience?.writes ?? []), NOBODY];
          const said = map.get(primaryKey(nameOf(place))) ?? NOBODY;
          const policy = table.routing;
          if (policy === undefined) throw new Error('a table without policies');
          const allowed = eligibleForWrites(table, policy, place).region;
          // The configuration lets nothing out that is not inside; the name alone has to keep apart whom a name speaks of.
          const led = inside.includes(said) ? said : 'fenced';
          if (led !== NOBODY && led !== 'fenced') expect(led).toBe(allowed);
          if (nameOf(place) !== EVERYBODY && said !== 'fenced') expect(inside).toContain(said);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('everybody is one audience without rules and fences; with them, those alike are', () => {
    const ask = (routing: Parameters<typeof policyTable>[0]) =>
      audiencesOf({ routing: policyTable(routing).routing ?? null, place: TOKYO, upstreams, places: PLACES });
    expect(ask({}).list.map(({ name }) => name)).toEqual(['all']);
    const fences = [{ name: 'eu', countries: ['DE', 'FR'], regions: [FRANKFURT, DUBLIN] }];
    const { list, nameOf } = ask({ fences });
    expect(list).toHaveLength(2);
    expect(nameOf(PLACES[0] as ClientPlace)).toBe(nameOf(PLACES[1] as ClientPlace));
    expect(nameOf(PLACES[0] as ClientPlace)).not.toBe(nameOf(PLACES[2] as ClientPlace));
    const canary = { regions: [DUBLIN], header: { name: 'x-canary', value: null }, cookie: null };
    const both = ask({ fences, canary, policies: ['failover'] });
    const [first, , second] = both.list.map(({ name }) => name);
    const names = [first, `${first}${CANARY}`, second, `${second}${CANARY}`];
    expect(both.list.map(({ name }) => name)).toEqual(names);
    expect(new Set(names).size).toBe(4);
    expect(both.list[1]?.tiers.flat()[0]).toBe(DUBLIN);
    expect(both.list[3]?.tiers.flat().toSorted()).toEqual([FRANKFURT, DUBLIN].toSorted());
  });

  test('fences that the configuration was not made for: only what every fence allows is left (I11)', () => {
    const table = policyTable({ fences: [{ name: 'eu', countries: ['DE'], regions: [FRANKFURT] }] });
    const { list } = audiencesOf({ routing: null, place: TOKYO, upstreams, places: [] });
    const knowledge = { table, place: TOKYO, audiences: list, readOnly: new Map(), madeFor: null, weights: [] };
    const open = [...desiredOf(knowledge).servers].filter(([, { state }]) => state === 'ready');
    expect(open.map(([server]) => server)).toEqual([`reads/${FRANKFURT}`, `reads${LAST_RESORT}/${FRANKFURT}`]);
    expect(madeForOther(table, null)).toBe(true);
    expect(madeForOther(table, table.routing ?? null)).toBe(false);
  });

  test('weights in HAProxy’s measure', () => {
    const of = (...weights: readonly number[]) => {
      const regions = weights.map((weight, i) => ({ id: FOUR[i] as PlaceId, weight }));
      return regions.map(({ id }) => weightOf(regions, id));
    };
    expect(of(60, 20, 20)).toEqual([256, 85, 85]);
    expect(of(1_000, 1, 0)).toEqual([256, 1, 0]);
    expect(of(0, 0)).toEqual([0, 0]);
    expect(weightOf([], FRANKFURT)).toBe(0);
    const regions = [0, 20, 20].map((weight, i) => ({ id: FOUR[i] as PlaceId, weight }));
    const made = regions.map((it, i) => ({ ...it, weight: [60, 20, 20][i] ?? 0 }));
    expect(regions.map(({ id }) => weightOf(regions, id, made))).toEqual([0, 85, 85]);
  });
});

const placeIn = (places: readonly ClientPlace[], index: number): ClientPlace =>
  places[index % places.length] ?? (places[0] as ClientPlace);

test('property: the networks that HAProxy is given say of every address what the table of places does', () => {
  const some = fc.array(fc.tuple(fc.nat(0xffffffff), fc.nat(0xffff), fc.nat(2)), { maxLength: 12 });
  const networks = fc.array(fc.tuple(fc.nat(0xffffffff), fc.integer({ min: 1, max: 32 }), fc.nat(6)), { maxLength: 4 });
  fc.assert(
    fc.property(
      some,
      networks,
      fc.array(fc.nat(0xffffffff), { minLength: 20, maxLength: 20 }),
      (ranges, over, asked) => {
        const sorted = ranges.toSorted(([a], [b]) => a - b);
        const v4 = sorted.flatMap(([first, size, place], i) => {
          const last = Math.min(first + size, (sorted[i + 1]?.[0] ?? 2 ** 32) - 1);
          return last >= first ? [{ first, last, place }] : [];
        });
        const v6 = v4.map(({ first, last, place }) => ({
          first: [first, 7] as const,
          last: [last, 9] as const,
          place,
        }));
        const rows: GeoRows = { places: ['DE', 'US', 'JP'].map((place) => ({ place, country: place })), v4, v6 };
        const overrides = over.map(([word, length, place]) => {
          const kept = length === 32 ? word : (word & ~(2 ** (32 - length) - 1)) >>> 0;
          const network = `${[24, 16, 8, 0].map((shift) => (kept >>> shift) & 255).join('.')}/${length}`;
          return { network, place: placeIn(PLACES, place).place ?? 'office', country: null };
        });
        const classes = compileGeo(rows, overrides).merged((code) => code % 3);
        const blocks = [...blocksOf(classes, 0)].map(({ network, class: its }) => {
          const parsed = parseNetwork(network);
          if (parsed === null) throw new Error(`${network} is no network`);
          return { network: parsed, class: its };
        });
        const addresses: readonly Address[] = [
          ...asked,
          ...v4.flatMap(({ first, last }) => [first, last, last + 1]),
        ].flatMap((word) => [
          { family: 4, words: [word >>> 0] },
          { family: 6, words: [word >>> 0, 8, 0, 1] },
        ]);
        for (const address of addresses) {
          const found = blocks.filter(({ network }) => inNetwork(network, address));
          expect(found.length).toBeLessThanOrEqual(1);
          expect(found[0]?.class ?? 0).toBe(classes.classOf(address));
        }
      },
    ),
    { numRuns: 40 },
  );
});
