import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeId, type PlaceId, placeId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { Verdict } from '../health/detector.ts';
import { route } from './route.ts';

const [A, B, C] = [placeId('aws:eu-west-1'), placeId('aws:us-east-1'), placeId('gcp:asia-east1')];
const RTT: ReadonlyMap<PlaceId, number> = new Map([
  [A, 1],
  [B, 80],
  [C, 200],
]);
type Region = RouteTable['regions'][number];
const region = (id: PlaceId, role: Region['role'] = 'active', state: Region['state'] = 'serving'): Region => ({
  id,
  role,
  weight: 1,
  state,
});
const table = (primary: PlaceId | null, regions: readonly Region[]): RouteTable => ({
  generation: 1,
  epoch: 3,
  primary: primary === null ? null : { node: nodeId(primary, 'n1'), region: primary },
  regions,
  reason: because('test', 'test'),
});
const verdict = (state: Verdict['state'], sinceMs = 0): Verdict => ({
  state,
  sinceMs,
  recovered: false,
  why: because(state, state),
});
const health = (states: Partial<Record<string, Verdict>>): Map<PlaceId, Verdict> =>
  new Map(Object.entries(states).flatMap(([id, value]) => (value === undefined ? [] : [[placeId(id), value]])));
const read = { method: 'read', from: A } as const;
const write = { method: 'write', from: A } as const;
const activeActive = table(A, [region(A), region(B), region(C)]);
const codes = (why: readonly { code: string }[]) => why.map((reason) => reason.code);

test('reads go to the nearest healthy region first, those never seen after it', () => {
  const seen = health({ [B]: verdict('healthy'), [C]: verdict('healthy') });
  expect(route(activeActive, read, seen, RTT).candidates).toEqual([B, C, A]);
});

test('of regions at the same distance the own one is the nearest', () => {
  const seen = health({ [A]: verdict('healthy'), [B]: verdict('healthy'), [C]: verdict('healthy') });
  const none = new Map([A, B, C].map((id) => [id, 0]));
  for (const from of [A, B, C]) expect(route(activeActive, { ...read, from }, seen, none).candidates[0]).toBe(from);
});

test('a read skips an unhealthy region and says why', () => {
  const seen = health({ [A]: verdict('unhealthy'), [B]: verdict('healthy'), [C]: verdict('healthy') });
  const result = route(activeActive, read, seen, RTT);
  expect(result.candidates).toEqual([B, C]);
  expect(codes(result.why)).toEqual(['nearest', 'unhealthy']);
});

test('a drained region gets no reads, even when all others look unhealthy', () => {
  const drained = table(A, [region(A, 'active', 'drained'), region(B), region(C)]);
  const seen = health({ [A]: verdict('healthy'), [B]: verdict('unhealthy'), [C]: verdict('unhealthy') });
  expect(route(drained, read, seen, RTT).candidates).toEqual([B, C]);
});

test('a passive region serves reads only while it holds the primary', () => {
  const regions = [region(A), region(B), region(C, 'passive')];
  expect(route(table(A, regions), read, new Map(), RTT).candidates).toEqual([A, B]);
  expect(route(table(C, regions), read, new Map(), RTT).candidates).toEqual([A, B, C]);
});

test('active-passive: everything goes to the region of the primary, before and after the failover', () => {
  const regions = [region(A), region(B, 'passive')];
  expect(route(table(A, regions), read, new Map(), RTT).candidates).toEqual([A]);
  const failedOver = route(table(B, regions), read, health({ [A]: verdict('healthy') }), RTT);
  expect(failedOver.candidates).toEqual([B]);
  expect(codes(failedOver.why)).toEqual(['primary']);
});

test('active-passive without a primary: reads stay with the active region', () => {
  const regions = [region(A), region(B, 'passive')];
  expect(route(table(null, regions), read, new Map(), RTT).candidates).toEqual([A]);
});

test('I12: when all look unhealthy, what was good last is held first', () => {
  const seen = health({
    [A]: verdict('unhealthy', 0),
    [B]: verdict('unhealthy', 60_000),
    [C]: verdict('unhealthy', 58_000),
  });
  const result = route(activeActive, read, seen, RTT);
  expect(result.candidates).toEqual([B, C, A]);
  expect(result.why[0]).toMatchObject({ code: 'all-unhealthy-hold' });
  expect(result.why[0]?.text).toContain(`${B}, ${C}`);
});

test('writes go to the region of the primary, healthy or not', () => {
  const result = route(activeActive, write, health({ [A]: verdict('unhealthy'), [B]: verdict('healthy') }), RTT);
  expect(result.candidates).toEqual([A]);
  expect(codes(result.why)).toEqual(['primary', 'primary-unhealthy']);
});

test('writes are refused without a primary, and while an operator holds its region drained', () => {
  const none = route(table(null, activeActive.regions), write, new Map(), RTT);
  expect(none.candidates).toEqual([]);
  expect(codes(none.why)).toEqual(['no-primary']);
  const drained = route(table(A, [region(A, 'active', 'drained'), region(B)]), write, new Map(), RTT);
  expect(drained.candidates).toEqual([]);
  expect(codes(drained.why)).toEqual(['primary-drained']);
});

const anyPlaces = [A, B, C, placeId('azure:westeurope')];
const anyWorld = fc
  .record({
    regions: fc.uniqueArray(
      fc.record({
        id: fc.constantFrom(...anyPlaces),
        role: fc.constantFrom('active' as const, 'passive' as const),
        weight: fc.nat(10),
        state: fc.constantFrom('serving' as const, 'drained' as const),
      }),
      { minLength: 1, selector: (each) => each.id },
    ),
    primaryIndex: fc.option(fc.nat(3)),
    seen: fc.array(
      fc.tuple(
        fc.constantFrom(...anyPlaces),
        fc.constantFrom('unknown' as const, 'healthy' as const, 'unhealthy' as const),
        fc.nat(100_000),
      ),
    ),
    rtt: fc.array(fc.tuple(fc.constantFrom(...anyPlaces), fc.nat(300))),
  })
  .map(({ regions, primaryIndex, seen, rtt }) => ({
    table: table(primaryIndex === null ? null : (regions[primaryIndex % regions.length]?.id ?? null), regions),
    health: new Map(seen.map(([id, state, sinceMs]) => [id, verdict(state, sinceMs)])),
    rtt: new Map(rtt),
  }));

test('property: a write never goes anywhere but to the region of the primary, whatever health says', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const { candidates } = route(world.table, write, world.health, world.rtt);
      const primary = world.table.primary?.region;
      const held = world.table.regions.find((each) => each.id === primary)?.state === 'drained';
      expect(candidates).toEqual(primary === undefined || held ? [] : [primary]);
    }),
  );
});

test('property (I12): health never changes whether there is a region to serve, only which', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const withHealth = route(world.table, read, world.health, world.rtt).candidates;
      const withoutHealth = route(world.table, read, new Map(), world.rtt).candidates;
      expect(withHealth.length === 0).toBe(withoutHealth.length === 0);
      for (const each of withHealth) expect(withoutHealth).toContain(each);
    }),
  );
});

test('property: an operator hold and the passive role are kept under every health', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      for (const id of route(world.table, read, world.health, world.rtt).candidates) {
        const each = world.table.regions.find((one) => one.id === id);
        expect(each?.state).toBe('serving');
        expect(each?.role === 'active' || world.table.primary?.region === id).toBe(true);
      }
    }),
  );
});

test('property: an unhealthy region is never ahead of a healthy one, and nothing is offered twice', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const { candidates, why } = route(world.table, read, world.health, world.rtt);
      const states = candidates.map((id) => world.health.get(id)?.state ?? 'unknown');
      if (states.includes('unhealthy')) expect(new Set(states)).toEqual(new Set(['unhealthy']));
      expect(new Set(candidates).size).toBe(candidates.length);
      expect(why.length).toBeGreaterThan(0);
    }),
  );
});
