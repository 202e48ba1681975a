import { describe, expect, it } from 'vitest';
import { BREAKAGES } from './breakages.ts';
import { runSeed } from './run.ts';

/** Seeds that a breakage may take until it shows. */
const SEEDS_MAX = 60;

describe('each deliberate breakage is caught, and by nothing that the unbroken code does too', () => {
  it.each(BREAKAGES)(
    '$name: $what',
    async ({ fromSeed, change, faults, asMode = (parts) => parts }) => {
      const planned = { change: asMode, ...(faults === undefined ? {} : { faults }) };
      for (let seed = fromSeed; seed < fromSeed + SEEDS_MAX; seed++) {
        const broken = await runSeed(seed, { ...planned, change: (parts) => change(asMode(parts)) });
        if (broken.violations.length === 0) continue;
        expect((await runSeed(seed, planned)).violations, `npm run sim -- --seed ${seed}`).toEqual([]);
        return;
      }
      expect.fail(`not caught within ${SEEDS_MAX} seeds from ${fromSeed}`);
    },
    60_000,
  );
});
