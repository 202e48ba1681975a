import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeId, placeId } from '../../base/ids.ts';
import type { RouteTable } from '../../ports/records.ts';
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
  expect(parseRouteTable(JSON.stringify(good))).toEqual({ ok: true, value: good });
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
