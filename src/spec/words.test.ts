import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, guessDuration, parseDuration } from './duration.ts';
import { formatSize, guessSize, parseSize } from './size.ts';
import { editDistance, nearest, nearestRegion } from './nearest.ts';

describe('durations', () => {
  test('a number and a unit', () => {
    expect(['500ms', '30s', '5m', '24h', '7d', '0s'].map(parseDuration)).toEqual([
      500, 30_000, 300_000, 86_400_000, 604_800_000, 0,
    ]);
    for (const text of ['', '30', 's', '30 s', '1.5s', '-1s', '30S', '30sec', '1h30m', '٣s', '9999999999d']) {
      expect(parseDuration(text), text).toBeNull();
    }
  });

  test('what is written back is read back', () => {
    expect([0, 500, 90_000, 60_000, 86_400_000, 172_800_000].map(formatDuration)).toEqual([
      '0s',
      '500ms',
      '90s',
      '1m',
      '24h',
      '2d',
    ]);
    fc.assert(fc.property(fc.nat({ max: 1e9 }), (ms) => parseDuration(formatDuration(ms)) === ms));
  });

  test('guesses', () => {
    const guesses = [
      30,
      '60 sec',
      '2 minutes',
      '1.5s',
      '1 Hour',
      '250 msec',
      '0.5',
      'soon',
      '1.0005ms',
      true,
      null,
    ].map(guessDuration);
    expect(guesses).toEqual(['30s', '60s', '2m', '1500ms', '1h', '250ms', '500ms', null, null, null, null]);
  });
});

describe('sizes', () => {
  test('a number and a unit, in powers of 1024', () => {
    expect(['0B', '64kB', '16MB', '1GB', '1TB'].map(parseSize)).toEqual([0, 65_536, 1 << 24, 1 << 30, 2 ** 40]);
    for (const text of ['', '16', 'MB', '16 MB', '1.5MB', '-1MB', '16mb', '16MiB', '16M', '1KB']) {
      expect(parseSize(text), text).toBeNull();
    }
  });

  test('what is written back is read back', () => {
    expect([0, 65_536, 1 << 24, 1_000, 3 * 2 ** 30].map(formatSize)).toEqual(['0B', '64kB', '16MB', '1000B', '3GB']);
    fc.assert(fc.property(fc.nat({ max: 999_999_999 }), (bytes) => parseSize(formatSize(bytes)) === bytes));
  });

  test('guesses', () => {
    const guesses = [16_777_216, '16 mb', '16MiB', '16M', '1.5 GB', '64 kb', '10 bytes', 'much', '0.0001B', true, null];
    expect(guesses.map(guessSize)).toEqual([
      '16MB',
      '16MB',
      '16MB',
      '16MB',
      '1536MB',
      '64kB',
      '10B',
      null,
      null,
      null,
      null,
    ]);
  });
});

describe('nearest', () => {
  test('edits', () => {
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('wset', 'west')).toBe(1);
    expect(editDistance('replicaton', 'replication')).toBe(1);
    expect(editDistance('kitten', 'sitting')).toBe(3);
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  test('only what is near', () => {
    const words = ['sync', 'semi-sync', 'async'];
    expect(nearest('semisync', words)).toBe('semi-sync');
    expect(nearest('SYNC', words)).toBe('sync');
    expect(nearest('quorum', words)).toBeNull();
    expect(nearest('s'.repeat(10_000), words)).toBeNull();
  });

  test('regions, with or without their provider', () => {
    const ids = ['aws:eu-west-1', 'aws:eu-west-2', 'azure:westeurope', 'gcp:us-east4'];
    expect(nearestRegion('aws:eu-wset-1', ids)).toBe('aws:eu-west-1');
    expect(nearestRegion('eu-west-2', ids)).toBe('aws:eu-west-2');
    expect(nearestRegion('west-europe', ids)).toBe('azure:westeurope');
    expect(nearestRegion('moon:base', ids)).toBeNull();
  });
});
