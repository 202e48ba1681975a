import { describe, expect, it } from 'vitest';
import { runSeed } from './run.ts';

describe('the agent loop in virtual time', () => {
  it('keeps every invariant through a small slice of schedules', async () => {
    let takeovers = 0;
    let acked = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const ran = await runSeed(seed);
      expect(ran.violations, `npm run sim -- --seed ${seed}`).toEqual([]);
      takeovers += ran.epochs - 1;
      acked += ran.acked;
    }
    // A slice in which nothing happens would prove nothing.
    expect(takeovers).toBeGreaterThan(15);
    expect(acked).toBeGreaterThan(3_000);
  }, 60_000);

  // A reload that takes long: what opened before it was in force acknowledged alone under `block`.
  it.each([8, 355])('opens a reign only when its list is in force (I4, P4.1b), seed %i', async (seed) => {
    expect((await runSeed(seed)).violations).toEqual([]);
  });

  it('loses the store, gets it back, and no client notices (I8)', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      for (const what of ['crash', 'freeze', 'slow', 'late'] as const) {
        const faults = [{ atMs: 1_600 + 37 * seed, forMs: 7_000, fault: { kind: 'store', what } }] as const;
        const { violations, unknown, epochs } = await runSeed(seed, { faults });
        expect({ what, seed, violations, unknown, epochs }).toEqual({
          what,
          seed,
          violations: [],
          unknown: 0,
          epochs: 1,
        });
      }
    }
  }, 60_000);

  it('gives the same run for the same seed, told or not (P4.5: a schedule can be replayed)', async () => {
    const [once, again] = [await runSeed(7, { tells: true }), await runSeed(7)];
    expect({ ...again, lines: [] }).toEqual({ ...once, lines: [] });
    expect(once.lines.length).toBeGreaterThan(20);
  });
});
