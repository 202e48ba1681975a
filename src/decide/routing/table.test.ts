import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeId, type PlaceId, placeId } from '../../base/ids.ts';
import type { RouteTable } from '../../ports/records.ts';
import { defaultRouting } from './defaults.ts';
import { isNewer, parseRouteTable } from './table.ts';

const A = placeId('aws:eu-west-1');
const good: RouteTable = {
  generation: 4,
  epoch: 2,
  primary: { node: nodeId(A, 'n1'), region: A },
  regions: [{ id: A, role: 'active', weight: 1, state: 'serving' }],
  reason: { code: 'takeover', text: 'a takeover' },
};
const broken = (change: Record<string, unknown>) => parseRouteTable(JSON.stringify({ ...good, ...change }));

test('a table comes back as it was written', () => {
  expect(parseRouteTable(JSON.stringify(good))).toEqual({ ok: true, value: { ...good, ramp: null, released: 0 } });
  expect(broken({ primary: null })).toMatchObject({ ok: true, value: { primary: null } });
});

test.each([
  [{ generation: '4' }, 'generation'],
  [{ epoch: 1.5 }, 'epoch'],
  [{ primary: { region: A } }, 'primary'],
  [{ primary: undefined }, 'primary'],
  [{ primary: { node: 'x/n1', region: 'x' } }, 'not listed'],
  [{ regions: [{ ...good.regions[0], role: 'main' }] }, 'region'],
  [{ regions: [...good.regions, ...good.regions] }, 'twice'],
  [{ regions: {} }, 'list'],
  [{ reason: null }, 'reason'],
])('refuses %j', (change, text) => {
  const result = broken(change);
  expect(result.ok).toBe(false);
  if (!result.ok) expect(result.error).toContain(text);
});

test('refuses what is not JSON, without throwing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(parseRouteTable(text).ok).toBe(false);
    }),
  );
});

test('the epoch decides before the generation: a store that was set back changes nothing', () => {
  expect(isNewer(null, good)).toBe(true);
  expect(isNewer(good, { ...good, generation: 5 })).toBe(true);
  expect(isNewer(good, { ...good, epoch: 3, generation: 1 })).toBe(true);
  expect(isNewer(good, good)).toBe(false);
  expect(isNewer(good, { ...good, epoch: 1, generation: 99 })).toBe(false);
});

const [B, C] = [placeId('aws:us-east-1'), placeId('gcp:asia-east1')];
const full: RouteTable = {
  ...good,
  regions: [A, B].map((id) => ({ id, role: 'active', weight: 1, state: 'serving' })),
  routing: {
    ...defaultRouting(good.regions),
    hosts: ['shop.example'],
    policies: ['geolocation', 'latency', 'weighted'],
    geolocation: {
      rules: [{ label: 'europe', places: ['DE', 'FR'], regions: [A] }],
      otherwise: [B],
      overrides: [{ network: '192.0.2.0/24', place: 'office', country: 'DE' }],
    },
    capacity: { [A]: 500 } as Record<PlaceId, number>,
    canary: { regions: [B], header: { name: 'x-canary', value: null }, cookie: null },
    affinity: 'cookie',
    fences: [{ name: 'gdpr', countries: ['DE'], regions: [A] }],
    whenAllUnhealthy: { kind: 'static', regions: [A] },
  },
  ramp: { to: A, from: B, overMs: 60_000 },
  released: 2,
};

test('policies come back as they were written', () => {
  expect(parseRouteTable(JSON.stringify(full))).toEqual({ ok: true, value: full });
});

test('property: policies with a part broken off or replaced are refused whole, or mean what they say', () => {
  const parts = Object.keys(full.routing ?? {});
  fc.assert(
    fc.property(fc.constantFrom(...parts), fc.oneof(fc.jsonValue(), fc.constant(undefined)), (part, value) => {
      const text = JSON.stringify({ ...full, routing: { ...full.routing, [part]: value } });
      const result = parseRouteTable(text);
      if (result.ok) expect(JSON.parse(JSON.stringify(result.value.routing))).toEqual(JSON.parse(text).routing);
    }),
  );
});

test('a table that would leave zero regions is refused (I12)', () => {
  const drained = full.regions.map((region) => ({ ...region, state: 'drained' }));
  expect(parseRouteTable(JSON.stringify({ ...full, regions: drained }))).toEqual({
    ok: false,
    error: 'every region is drained: nobody would be served',
  });
  const weightless = full.regions.map((region) => ({ ...region, weight: 0 }));
  expect(parseRouteTable(JSON.stringify({ ...full, regions: weightless })).ok).toBe(false);
  const passive = [{ id: C, role: 'passive', weight: 1, state: 'serving' }];
  expect(parseRouteTable(JSON.stringify({ ...full, primary: null, regions: passive })).ok).toBe(false);
});
