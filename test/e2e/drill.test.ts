import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inVerify } from '../../src/base/long.testing.ts';
import { farshore, processesOf, removeState, ROOT, stateDir } from './cli.ts';

interface Report {
  readonly schema: string;
  readonly findings: readonly { readonly check: string; readonly verdict: string; readonly why: string }[];
}

/**
 * What is asked here is right or wrong, not fast or slow: on a machine too busy to send the load in time the drill calls itself
 * inconclusive, and everything else that it checked still counts.
 */
const TIMED = 'the generator was on time';

/**
 * What `npm run verify` runs on every example with every drill; here a slice, so that CI ends soon. A frozen region is held by
 * drill.real.test.ts and the matrix; a minute without false alarms by the matrix, which takes three on each example.
 */
const SLICE: readonly (readonly [string, readonly string[]])[] = [
  ['active-passive', ['region-failover --fault crash', ...inVerify('region-failover --fault freeze')]],
  [
    'active-active',
    ['region-failover --fault blackhole', 'partition --cut pair', ...inVerify('no-false-alarm --minutes 1')],
  ],
  ...inVerify<readonly [string, readonly string[]]>(['global', ['region-failover --fault crash']]),
];

/** The promise of the README: lose the primary's region under load, lose no acknowledged write, move nothing without need. */
describe('drills', () => {
  it.each(SLICE)('pass on examples/%s.yaml', async (example, drills) => {
    const dir = stateDir();
    try {
      const up = await farshore(['up', join(ROOT, `examples/${example}.yaml`), '--detach', '--state', dir]);
      expect(up.code, up.stderr).toBe(0);
      for (const drill of drills) {
        const ran = await farshore(['drill', ...drill.split(' '), '--window', '4', '--json', '--state', dir]);
        expect([0, 9], `${drill}\n${ran.stdout}\n${ran.stderr}`).toContain(ran.code);
        const report = JSON.parse(ran.stdout) as Report;
        expect(report.schema).toBe('farshore.drill/v1');
        expect(report.findings.length).toBeGreaterThan(8);
        const wrong = report.findings.filter((it) => it.verdict !== 'pass' && it.check !== TIMED);
        expect(wrong, drill).toEqual([]);
      }
    } finally {
      await farshore(['down', '--state', dir]);
    }
    expect(processesOf(dir)).toEqual([]);
    removeState(dir);
  });
});
