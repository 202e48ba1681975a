import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readAddress } from './network.ts';
import { PASS, RateLimiter, REFUSE, SLIP } from './rate-limit.ts';

const limiterOf = (perSecond: number, slip = 2) =>
  new RateLimiter({ perSecond, slip }, (address) => address.family === 4 && address.words[0] >>> 24 === 127, 42);

it('answers one network so many times a second, then every slip-th time by a truncated answer', () => {
  const limiter = limiterOf(10);
  const take = (address: string, nowMs: number) => limiter.take(readAddress(address), nowMs);
  const first = Array.from({ length: 10 }, (_, i) => take(`203.0.113.${i}`, 500));
  expect(first).toEqual(Array.from({ length: 10 }, () => PASS));
  expect([1, 2, 3, 4].map(() => take('203.0.113.77', 999))).toEqual([REFUSE, SLIP, REFUSE, SLIP]);
  expect(take('203.0.114.1', 999)).toBe(PASS);
  expect(take('203.0.113.77', 1_000)).toBe(PASS);
  expect(limiter.limited).toBe(4);
});

it('takes a /56 as one client in IPv6', () => {
  const limiter = limiterOf(1);
  expect(limiter.take(readAddress('2001:db8:0:1200::1'), 0)).toBe(PASS);
  expect(limiter.take(readAddress('2001:db8:0:12ff::2'), 0)).not.toBe(PASS);
  expect(limiter.take(readAddress('2001:db8:0:1300::1'), 0)).toBe(PASS);
});

it('leaves out exempt networks, and everybody when there is no limit', () => {
  const limiter = limiterOf(1);
  const none = limiterOf(0);
  for (let i = 0; i < 100; i += 1) {
    expect(limiter.take(readAddress('127.0.0.1'), 0)).toBe(PASS);
    expect(none.take(readAddress('203.0.113.1'), 0)).toBe(PASS);
  }
});

it('a flood from forged addresses hardly ever takes another network along', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const limiter = new RateLimiter({ perSecond: 20, slip: 0 }, () => false, seed);
      // 20,000 networks below the limit, as many as a busy second has.
      for (let i = 0; i < 20_000; i += 1) limiter.take({ family: 4, words: [(i * 256 * 7) >>> 0] }, 0);
      for (let i = 0; i < 5_000; i += 1) limiter.take(readAddress('198.51.100.1'), 0);
      let hit = 0;
      for (let i = 0; i < 1_000; i += 1)
        hit += Number(limiter.take({ family: 4, words: [0xc6000000 + i * 256] }, 0) !== PASS);
      expect(hit).toBeLessThan(3);
    }),
    { numRuns: 20 },
  );
});
