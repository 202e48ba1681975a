import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Detector, DETECTOR_POLICY as POLICY, forgive, newDetector, type Sample, signal } from './detector.ts';

const check = (ok: boolean, atMs = 0): Sample => ({ ok, source: 'check', code: ok ? 'ok' : 'timeout', atMs });
const request = (ok: boolean, atMs = 0): Sample => ({ ok, source: 'request', code: ok ? 'ok' : 'connect', atMs });
const after = (samples: readonly Sample[], from: Detector = newDetector(0)): Detector =>
  samples.reduce((detector, sample) => signal(detector, sample), from);
const times = (count: number, sample: Sample): Sample[] => Array.from({ length: count }, () => sample);
const closed = after(times(POLICY.fall, check(false)));

test('nothing seen is unknown, not unhealthy', () => {
  expect(newDetector(7).verdict).toMatchObject({ state: 'unknown', sinceMs: 7 });
});

test('one good answer is enough for a region that was never seen', () => {
  expect(after([request(true)]).verdict.state).toBe('healthy');
});

test('falls after `fall` misses in a row from checks and requests together, and names the last', () => {
  const healthy = after([check(true)]);
  expect(after([check(false)], healthy).verdict.state).toBe('healthy');
  const down = after([check(false), request(false, 42)], healthy);
  expect(down.verdict).toMatchObject({ state: 'unhealthy', sinceMs: 42, why: { code: 'connect' } });
});

test('a good answer between two misses forgives the first', () => {
  expect(after([check(true), check(false), request(true), check(false)]).verdict.state).toBe('healthy');
});

test('rises after `rise` good checks in a row, and a miss begins the count anew', () => {
  expect(after(times(POLICY.rise - 1, check(true)), closed).verdict.state).toBe('unhealthy');
  expect(after(times(POLICY.rise, check(true)), closed).verdict.state).toBe('healthy');
  const limping = [...times(POLICY.rise - 1, check(true)), check(false), ...times(POLICY.rise - 1, check(true))];
  expect(after(limping, closed).verdict.state).toBe('unhealthy');
});

test('answers to requests never open a closed door', () => {
  expect(after(times(1_000, request(true)), closed).verdict.state).toBe('unhealthy');
});

test('a region that fails one request in three is found by the second trip wire', () => {
  const third = [request(false), request(true), request(true)];
  const down = after([check(true), ...Array.from({ length: POLICY.bucket }, () => third).flat()]);
  expect(down.verdict).toMatchObject({ state: 'unhealthy', why: { code: 'intermittent' } });
});

test('rare misses far apart never close it', () => {
  const rare = [request(false), ...times(POLICY.leakAfter, request(true))];
  expect(after([check(true), ...Array.from({ length: 100 }, () => rare).flat()]).verdict.state).toBe('healthy');
});

test('a healthy region without misses costs no allocation', () => {
  const healthy = after([check(true)]);
  expect(signal(healthy, request(true, 99))).toBe(healthy);
});

const anySample = fc.record({
  ok: fc.boolean(),
  source: fc.constantFrom('check' as const, 'request' as const),
  code: fc.constant('x'),
  atMs: fc.nat(),
});

test('property: whatever came before, enough misses close it and enough good checks open it', () => {
  fc.assert(
    fc.property(fc.array(anySample, { maxLength: 60 }), (history) => {
      const before = after(history);
      expect(after(times(POLICY.fall, check(false)), before).verdict.state).toBe('unhealthy');
      expect(after(times(POLICY.rise, check(true)), before).verdict.state).toBe('healthy');
    }),
  );
});

test('property: never from unhealthy to healthy with fewer than `rise` good checks since the last miss', () => {
  fc.assert(
    fc.property(fc.array(anySample, { maxLength: 200 }), (history) => {
      let detector = newDetector(0);
      let checksSinceMiss = 0;
      for (const sample of history) {
        const was = detector.verdict.state;
        detector = signal(detector, sample);
        checksSinceMiss = sample.ok ? checksSinceMiss + (sample.source === 'check' ? 1 : 0) : 0;
        if (was === 'unhealthy' && detector.verdict.state === 'healthy') {
          expect(checksSinceMiss).toBeGreaterThanOrEqual(POLICY.rise);
        }
      }
    }),
  );
});

test('a region that came back is marked as such, until a person forgives it; a new one never is', () => {
  const fresh = signal(newDetector(0), { ok: true, source: 'check', code: 'ok', atMs: 1 });
  expect(fresh.verdict.recovered).toBe(false);
  expect(forgive(fresh)).toBe(fresh);
  let detector = fresh;
  for (let i = 0; i < 2; i += 1) detector = signal(detector, { ok: false, source: 'check', code: 'reset', atMs: 2 });
  for (let i = 0; i < 4; i += 1) detector = signal(detector, { ok: true, source: 'check', code: 'ok', atMs: 3 });
  expect(detector.verdict).toMatchObject({ state: 'healthy', recovered: true });
  expect(forgive(detector).verdict).toMatchObject({ state: 'healthy', recovered: false });
});
