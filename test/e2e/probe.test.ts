import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { farshore, readyWorld, removeState, ROOT, stateDir } from './cli.ts';

interface Probe {
  readonly schema: string;
  readonly rtts: readonly {
    readonly from: string;
    readonly to: string;
    readonly ms: number | null;
    readonly why: string;
    readonly expected: { readonly ms: number; readonly method: string; readonly isInBand: boolean | null } | null;
  }[];
}

/** What agents measure between them becomes a fact: probe, import, and from then on it wins. */
describe('farshore probe', () => {
  const dir = stateDir();
  const own = join(dir, '../facts');
  const csv = join(dir, '../measured.csv');

  beforeAll(async () => {
    const up = await farshore(['up', join(ROOT, 'examples/active-active.yaml'), '--detach', '--state', dir]);
    expect(up.code, up.stderr).toBe(0);
    await readyWorld(dir);
  });
  afterAll(async () => {
    await farshore(['down', '--state', dir]);
    removeState(dir);
  });

  const probe = async (...more: string[]) => {
    const ran = await farshore(['probe', '--json', '--state', dir, '--facts', own, ...more]);
    return { code: ran.code, ...(JSON.parse(ran.stdout) as Probe) };
  };

  it('measures every directed pair of places, as long as the links are, and not much longer', async () => {
    const { code, schema, rtts } = await probe('--out', csv);
    expect([code, schema, rtts.length]).toEqual([0, 'farshore.probe/v1', 12]);
    for (const { from, to, ms, expected } of rtts) {
      expect(ms ?? 0, `${from} ${to}`).toBeGreaterThanOrEqual((expected?.ms ?? Number.POSITIVE_INFINITY) - 0.5);
      expect(ms ?? Number.POSITIVE_INFINITY, `${from} ${to}`).toBeLessThan((expected?.ms ?? 0) + 60);
    }
  });

  it('what it wrote can be imported, and wins', async () => {
    const taken = await farshore(['facts', 'import', csv, '--facts', own]);
    expect(taken.code, taken.stderr).toBe(0);
    const [first] = readFileSync(csv, 'utf8').split('\n').slice(3);
    const [from = '', to = ''] = first?.split(',') ?? [];
    const found = await farshore(['facts', 'rtt', from, to, '--json', '--facts', own]);
    expect(JSON.parse(found.stdout)).toMatchObject({ method: 'measured' });
    expect(found.stdout).toContain('farshore probe, median of 9');
  });

  it('with nobody to measure it says so', async () => {
    await farshore(['down', '--state', dir]);
    const ran = await farshore(['probe', '--state', dir]);
    expect([ran.code, ran.stdout]).toEqual([1, '']);
    expect(ran.stderr).toContain('no agent answers: nothing was measured');
  });
});
