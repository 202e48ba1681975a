import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { readFacts } from '../../cli/read-facts.ts';
import { pairKey, type Facts, type MeasuredRtt } from '../facts.ts';
import { distanceKm, lightRttMs } from '../geo.ts';
import { createBackbone } from './backbone.ts';
import { leaveOneRegionOut, quantile, scoreOf } from './evaluate.ts';
import { createLatencyModel } from './model.ts';

const facts = readFacts();
const ids = [...facts.regions.keys()];
const aPoint = fc.record({
  lat: fc.double({ min: -60, max: 75, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});
const only = (isKept: (key: string) => boolean): Facts => ({
  ...facts,
  latencyFit: new Map(),
  rtts: new Map([...facts.rtts].filter(([key]) => isKept(key))),
});

describe('the way along cables', () => {
  const backbone = createBackbone(facts.backbone);

  test('every two points are joined, never by less than the great circle', () => {
    fc.assert(
      fc.property(aPoint, aPoint, (a, b) => {
        const km = backbone.km(backbone.access(a), backbone.access(b));
        expect(km).toBeGreaterThanOrEqual(distanceKm(a, b) - 1e-6);
        expect(km).toBeLessThan(60_000);
        expect(backbone.km(backbone.access(b), backbone.access(a))).toBeCloseTo(km, 3);
      }),
      { numRuns: 300 },
    );
  });

  test('where no cable goes straight, the way is far longer: Cape Town to Singapore, Tel Aviv to Dubai', () => {
    const factor = (a: string, b: string): number => {
      const [x, y] = [facts.regions.get(placeId(a)), facts.regions.get(placeId(b))];
      if (x === undefined || y === undefined) throw new Error('no such region');
      return backbone.km(backbone.access(x), backbone.access(y)) / distanceKm(x, y);
    };
    expect(factor('aws:af-south-1', 'aws:ap-southeast-1')).toBeGreaterThan(1.5);
    expect(factor('aws:il-central-1', 'aws:me-central-1')).toBeGreaterThan(2);
    expect(factor('aws:us-east-1', 'aws:eu-west-2')).toBeLessThan(1.1);
  });
});

describe('estimates', () => {
  test('the fit that is shipped is the fit of the packs that are shipped', () => {
    const shipped = createLatencyModel(facts);
    const fresh = createLatencyModel(only(() => true));
    for (const a of ids.filter((_, i) => i % 9 === 0))
      for (const b of ids.filter((_, i) => i % 11 === 0))
        expect(Math.abs(shipped.estimate(a, b).ms - fresh.estimate(a, b).ms), `${a} ${b}`).toBeLessThan(0.6);
  });

  test('anywhere: symmetric, inside the band, no faster than light', () => {
    const model = createLatencyModel(facts);
    fc.assert(
      fc.property(aPoint, aPoint, (a, b) => {
        const { ms, band } = model.pointToPoint(a, b);
        expect(model.pointToPoint(b, a).ms).toBeCloseTo(ms, 1);
        expect(ms).toBeGreaterThanOrEqual(lightRttMs(distanceKm(a, b)));
        expect(ms).toBeLessThan(1_000);
        expect(band.lowMs).toBeLessThanOrEqual(ms);
        expect(band.highMs).toBeGreaterThan(ms);
      }),
      { numRuns: 300 },
    );
  });

  test('far from everything measured it is a distance, and its band is wide', () => {
    const found = createLatencyModel(facts).pointToPoint({ lat: -54.8, lon: -68.3 }, { lat: -17.7, lon: 178 });
    expect(found.method).toBe('distance');
    expect(found.band.highMs - found.band.lowMs).toBeGreaterThan(0.5 * found.ms);
  });

  test('the user’s own measurement beats the pack, and moves its neighbours', () => {
    const [a, b] = [placeId('gcp:europe-west12'), placeId('gcp:asia-south2')];
    const own: MeasuredRtt = { rttMs: 400, source: 'own', asOf: '2026-11-20', origin: 'own' };
    const before = createLatencyModel(facts);
    const after = createLatencyModel({ ...facts, rtts: new Map([...facts.rtts, [pairKey(a, b), own]]) });
    expect(after.regionToRegion(a, b)).toMatchObject({ ms: 400, method: 'measured', source: 'own' });
    const near = placeId('gcp:europe-west8');
    expect(after.estimate(near, b).ms).toBeGreaterThan(before.estimate(near, b).ms + 10);
  });

  // `npm run bench:facts` has more of these.
  test('each region of AWS left out is found again from AWS alone: median error 7 ms, nine of ten within 26 ms, R2 0.92', () => {
    const score = scoreOf(leaveOneRegionOut(facts, 'aws', 'none'));
    expect(score.pairs).toBe(992);
    expect(score.medianMs).toBeLessThan(7);
    expect(score.p90Ms).toBeLessThan(26);
    expect(score.r2).toBeGreaterThan(0.92);
    expect(score.inBand).toBeGreaterThan(0.85);
  });

  test('quantiles are between ranks', () => {
    expect([quantile([3, 1, 2], 0.5), quantile([0, 10], 0.9)]).toEqual([2, 9]);
  });
});
