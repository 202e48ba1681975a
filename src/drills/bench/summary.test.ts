import { describe, expect, it } from 'vitest';
import type { DrillReport } from '../report/report.ts';
import { ratiosOf, renderTable, summarize } from './summary.ts';

/** Only what the summary reads. */
const report = (gapMs: number | null, lost = 0, verdict: DrillReport['verdict'] = 'pass'): DrillReport =>
  ({
    verdict,
    writeGap: gapMs === null ? null : { anyRegionMs: gapMs, slowestRegionMs: gapMs + 50, byRegion: {} },
    rto: { predicted: { expectedMs: 800, promisedMs: 1_000, toleratedPauseMs: 1_300, formula: '' } },
    undo: { rejoinMs: 1_500, inSyncMs: 700, diverged: false },
    rpo: { objectiveMs: 0, ledger: { acknowledged: 100, lost: { count: lost, first: [] } }, orders: null },
    safeRequests: { count: 40, failed: 0, deadlineMs: 2_000 },
  }) as unknown as DrillReport;

const about = { example: 'global', fault: 'crash', links: '0 ms', readyMs: 8_500 } as const;

describe('summarize', () => {
  it('gives median, interval and maximum, and counts what kept the promise', () => {
    const row = summarize(
      about,
      [700, 900, 800, 1_100, 600, 650].map((gapMs) => report(gapMs)),
    );
    expect(row.anyRegionMs).toEqual({ n: 6, never: 0, p50: 750, max: 1_100, p50Interval: [600, 1_100] });
    expect(row).toMatchObject({ trials: 6, withinPromise: 5, acknowledged: 600, lost: 0 });
  });

  it('hides neither a trial without a recovery nor a lost write', () => {
    const row = summarize(about, [report(700), report(null, 2, 'fail')]);
    expect(row).toMatchObject({ withinPromise: 1, lost: 2, verdicts: { pass: 1, fail: 1, inconclusive: 0 } });
    const table = renderTable([row]);
    expect(table).toContain('| 2: 1 passed, 1 FAILED |');
    expect(table).toContain('| 2 of 200 |');
    expect(new Set(table.split('\n').map((line) => line.split('|').length)).size).toBe(1);
  });

  it('tells a loss that the file allows, and that was told, from one that was not', () => {
    const lossy = (verdict: DrillReport['verdict']) => {
      const it = report(3_000, 2, verdict);
      return { ...it, rpo: { ...it.rpo, objectiveMs: 5_000 } } as DrillReport;
    };
    expect(summarize(about, [lossy('pass')])).toMatchObject({ lost: 2, mayLose: true });
    expect(renderTable([summarize(about, [lossy('pass')])])).toContain('| 2 of 100, within the bound |');
    expect(renderTable([summarize(about, [lossy('fail')])])).toContain('| 2 of 100 |');
    expect(summarize(about, [report(700)])).toMatchObject({ mayLose: false });
  });

  it('keeps those that came back diverged apart: they were saved and copied', () => {
    const back = (rejoinMs: number, diverged: boolean) =>
      ({ ...report(700), undo: { rejoinMs, inSyncMs: rejoinMs / 2, diverged } }) as unknown as DrillReport;
    const row = summarize(about, [back(1_000, false), back(6_000, true), back(1_200, false)]);
    expect(row.rejoinMs).toMatchObject({ n: 2, never: 0, p50: 1_100, max: 1_200 });
    expect(row.rejoinDivergedMs).toMatchObject({ n: 1, never: 0, p50: 6_000 });
    expect(renderTable([row])).toContain('| 550 / 600 | 1100 / 1200 | 1: 6000 / 6000 |');
  });

  it('says so when nothing ever came back', () => {
    expect(renderTable([summarize(about, [report(null)])])).toContain('| never |');
  });
});

describe('ratiosOf', () => {
  it('compares medians of the same fault without distance, and nothing that was not measured', () => {
    const row = summarize(about, [report(1_000), report(2_000)]);
    const gapMs = { n: 1, never: 0, p50: 15_000, max: 15_000, p50Interval: null };
    const timings = { ttl: 30, loopWait: 10, retryTimeout: 10 };
    const patroni = { timings, trials: 1, gapMs, rejoinMs: null, acknowledged: 10, lost: 0 };
    const schema = 'farshore.bench-failover/v1' as const;
    const rows = [row, { ...row, links: 'real round trips' as const }];
    const both = ratiosOf({
      schema,
      rows,
      patroni: [
        { ...patroni, fault: 'crash' },
        { ...patroni, fault: 'freeze' },
      ],
    });
    expect(both).toEqual(['crash, global at 0 ms: Patroni with ttl 30 stands still 10.0 times as long (medians)\n']);
    expect(ratiosOf({ schema, rows, patroni: null })).toEqual([]);
  });
});
