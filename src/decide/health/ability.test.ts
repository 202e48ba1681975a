import { describe, expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { Abilities, heardReadOnly, saysOfWriting } from './ability.ts';
import type { View } from './view.ts';

const [A, B] = [placeId('aws:eu-west-1'), placeId('aws:us-east-1')];

describe('what an answer says about writing', () => {
  test.each([
    ['ok', 'http', 'healthy', true],
    ['status-503', 'http', 'healthy', false],
    ['status-503', 'commit', 'unhealthy', false],
    // It answers its shallow checks: it waits for what it needs to write.
    ['timeout', 'http', 'healthy', false],
    // Silence is what shallow checks are about.
    ['timeout', 'http', 'unhealthy', null],
    ['timeout', 'commit', 'healthy', null],
    ['connect', 'http', 'healthy', null],
    ['reset', 'commit', 'healthy', null],
  ] as const)('%s by %s of a region that looks %s: %s', (code, kind, seen, says) => {
    expect(saysOfWriting(code, kind, seen)).toBe(says);
  });
});

describe('roles', () => {
  test('read-only after `fall` answers against it, back after `rise` for it, and forgotten with the reign', () => {
    const abilities = new Abilities();
    abilities.policy = { fall: 2, rise: 3, bucket: 6, leakAfter: 20 };
    expect(abilities.take(A, false, 'status-503', 1)).toBe(false);
    expect(abilities.readOnly.size).toBe(0);
    expect(abilities.take(A, false, 'status-503', 2)).toBe(true);
    expect(abilities.readOnly.get(A)?.text).toContain('status-503');
    expect(abilities.readOnly.has(B)).toBe(false);
    expect([3, 4, 5].map((atMs) => abilities.take(A, true, 'ok', atMs))).toEqual([false, false, true]);
    expect(abilities.readOnly.size).toBe(0);
    for (const atMs of [6, 7]) abilities.take(A, false, 'status-503', atMs);
    abilities.forget();
    expect(abilities.readOnly.size).toBe(0);
  });

  test('a plane that asks nobody goes by more than half of those who ask', () => {
    const view = (observer: string, readOnly?: View['readOnly']): View => ({
      observer,
      place: A,
      regions: {},
      ...(readOnly === undefined ? {} : { readOnly }),
    });
    expect([...heardReadOnly([view('a', [B]), view('b', [B]), view('c', []), view('dns')]).keys()]).toEqual([B]);
    expect(heardReadOnly([view('a', [B]), view('c', [])]).size).toBe(0);
    expect(heardReadOnly([view('dns')]).size).toBe(0);
  });
});
