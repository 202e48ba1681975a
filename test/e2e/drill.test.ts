import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { farshore, processesOf, type Ran, removeState, ROOT, stateDir } from './cli.ts';

const INCONCLUSIVE = 9;

/** A run that proves nothing either way, because this machine was too busy to send the load in time, is repeated. A red one is not. */
async function conclusive(dir: string): Promise<Ran> {
  const run = () => farshore(['drill', 'region-failover', '--fault', 'crash', '--json', '--state', dir]);
  let drill = await run();
  for (let again = 0; again < 2 && drill.code === INCONCLUSIVE; again += 1) drill = await run();
  return drill;
}

/** The promise of the README, on every example: lose the primary's region under load, lose no acknowledged write. */
describe('drill region-failover --fault crash', () => {
  it.each(['active-passive', 'active-active', 'global'])('passes on examples/%s.yaml', async (example) => {
    const dir = stateDir();
    try {
      const up = await farshore(['up', join(ROOT, `examples/${example}.yaml`), '--detach', '--state', dir]);
      expect(up.code, up.stderr).toBe(0);
      const drill = await conclusive(dir);
      expect(drill.code, `${drill.stdout}\n${drill.stderr}`).toBe(0);
      const report = JSON.parse(drill.stdout) as { readonly schema: string; readonly verdict: string };
      expect(report.schema).toBe('farshore.drill/v1');
      expect(report.verdict).toBe('pass');
    } finally {
      await farshore(['down', '--state', dir]);
    }
    expect(processesOf(dir)).toEqual([]);
    removeState(dir);
  });
});
