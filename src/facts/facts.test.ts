import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeId } from '../base/ids.ts';
import { readFacts } from '../cli/read-facts.ts';
import { jurisdictionHolds, jurisdictions } from './residency.ts';
import { pairKey } from './facts.ts';
import { distanceKm } from './geo.ts';
import { distanceRttMs, rttMs } from './rtt.ts';

const facts = readFacts();
const ids = [...facts.regions.keys()];
const region = (id: string) => {
  const found = facts.regions.get(placeId(id));
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
};
/** Light in fibre: 204,190 km/s, there and back. */
const lightMs = (km: number) => (2 * km) / 204.19;

describe('regions', () => {
  test('132 regions of three providers, each with a place, a country and coordinates', () => {
    const count = (provider: string) => ids.filter((id) => id.startsWith(`${provider}:`)).length;
    expect([count('aws'), count('azure'), count('gcp')]).toEqual([34, 58, 40]);
    expect(region('aws:eu-central-1')).toMatchObject({ place: 'Frankfurt', country: 'DE' });
  });

  test('the defects of the sources are corrected: the three clouds agree about a city', () => {
    for (const [a, b] of [
      ['aws:ca-central-1', 'gcp:northamerica-northeast1'],
      ['azure:francecentral', 'aws:eu-west-3'],
      ['azure:israelcentral', 'aws:il-central-1'],
      ['gcp:africa-south1', 'azure:southafricanorth'],
      ['azure:spaincentral', 'gcp:europe-southwest1'],
    ] as const) {
      expect(distanceKm(region(a), region(b)), `${a} ${b}`).toBeLessThan(60);
    }
  });
});

describe('rttMs', () => {
  test('known measured values', () => {
    const known = (a: string, b: string) => rttMs(facts, placeId(a), placeId(b));
    expect(known('aws:us-east-1', 'aws:eu-west-1')).toMatchObject({ value: 70, method: 'measured' });
    expect(known('aws:eu-central-1', 'aws:eu-west-1')).toMatchObject({ value: 27, method: 'measured' });
    expect(known('aws:ap-northeast-1', 'aws:us-east-1')).toMatchObject({ value: 149, method: 'measured' });
    expect(known('azure:northeurope', 'azure:westeurope').method).toBe('measured');
  });

  test('a table that is years older than the newest one is drawn to what newer tables say nearby, and names itself', () => {
    const [a, b] = [placeId('gcp:asia-southeast1'), placeId('gcp:europe-west6')];
    const found = rttMs(facts, a, b);
    const written = facts.rtts.get(pairKey(a, b))?.rttMs ?? 0;
    expect(found.method).toBe('triangulated');
    expect(found.source).toContain('facts/rtt-gcp.json (2019-08): 298 ms');
    expect(found.value).toBeLessThan(written - 20);
    expect(found.value).toBeGreaterThan(150);
  });

  test('across providers, and for unmeasured regions, measured pairs nearby decide', () => {
    const across = rttMs(facts, placeId('aws:us-east-1'), placeId('gcp:europe-west4'));
    expect(across.method).toBe('triangulated');
    expect(across.value).toBeGreaterThan(75);
    expect(across.value).toBeLessThan(95);
    expect(rttMs(facts, placeId('aws:ap-east-2'), placeId('aws:us-east-1')).method).toBe('triangulated');
  });

  test('an unknown place is a bug of the caller', () => {
    expect(() => rttMs(facts, placeId('aws:nowhere'), placeId('aws:us-east-1'))).toThrow('aws:nowhere');
  });

  test('every pair: symmetric, finite, no faster than light in fibre, small inside one place', () => {
    const place = fc.constantFrom(...ids);
    fc.assert(
      fc.property(place, place, (a, b) => {
        const there = rttMs(facts, a, b);
        expect(rttMs(facts, b, a)).toEqual(there);
        const km = distanceKm(region(a), region(b));
        expect(there.value).toBeGreaterThanOrEqual(Math.floor(lightMs(km)));
        expect(there.value).toBeGreaterThan(0);
        expect(there.value).toBeLessThan(700);
        if (a === b) expect(there.value).toBeLessThan(1);
      }),
      { numRuns: 2_000 },
    );
  });

  test('every measured pair: both regions are known, and light could have made it', () => {
    // Eight rows are withdrawn by corrections.
    expect(facts.rtts.size).toBe(496 + 1226 - 2 + 190 - 6);
    for (const [key, { rttMs: value }] of facts.rtts) {
      const [a, b] = key.split('|');
      expect(value, key).toBeGreaterThanOrEqual(lightMs(distanceKm(region(a ?? ''), region(b ?? ''))));
    }
  });

  test('the estimate against what was measured: the error is what the docstring says', () => {
    const errors = { near: [] as number[], all: [] as number[] };
    for (const [key, { rttMs: value }] of facts.rtts) {
      if (key.startsWith('gcp')) continue;
      const [a, b] = key.split('|');
      const km = distanceKm(region(a ?? ''), region(b ?? ''));
      const error = Math.abs(distanceRttMs(km) - value);
      errors.all.push(error);
      if (km < 3_000) errors.near.push(error);
    }
    const at = (list: number[], share: number) => list.toSorted((x, y) => x - y)[Math.floor(share * (list.length - 1))];
    process.stdout.write(
      `distance estimate, |error| in ms: below 3000 km median ${at(errors.near, 0.5)?.toFixed(1)}, p90 ${at(errors.near, 0.9)?.toFixed(1)}; ` +
        `all ${errors.all.length} pairs median ${at(errors.all, 0.5)?.toFixed(1)}, p90 ${at(errors.all, 0.9)?.toFixed(1)}\n`,
    );
    expect(at(errors.near, 0.5)).toBeLessThan(4);
    expect(at(errors.all, 0.5)).toBeLessThan(16);
    expect(at(errors.all, 0.9)).toBeLessThan(65);
  });
});

describe('jurisdictions', () => {
  test('a bloc holds in its members, a country in itself', () => {
    expect(facts.blocs.get('EU')?.countries.size).toBe(27);
    expect(facts.blocs.get('EEA')?.countries.size).toBe(30);
    expect(jurisdictionHolds(facts, 'EU', 'IE')).toBe(true);
    expect(jurisdictionHolds(facts, 'EU', 'GB')).toBe(false);
    expect(jurisdictionHolds(facts, 'EU', 'NO')).toBe(false);
    expect(jurisdictionHolds(facts, 'EEA', 'NO')).toBe(true);
    expect(jurisdictionHolds(facts, 'DE', 'DE')).toBe(true);
    expect(jurisdictionHolds(facts, 'DE', 'FR')).toBe(false);
  });

  test('every country of a region can be named', () => {
    const words = jurisdictions(facts);
    expect(words.slice(0, 2)).toEqual(['EU', 'EEA']);
    for (const fact of facts.regions.values()) expect(words).toContain(fact.country);
  });
});
