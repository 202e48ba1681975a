import { describe, expect, it } from 'vitest';
import type { DrillReport } from '../report/report.ts';
import { renderTable, summarize } from './summary.ts';

/** Only what the summary reads. */
const report = (gapMs: number | null, lost = 0, verdict: DrillReport['verdict'] = 'pass'): DrillReport =>
  ({
    verdict,
    writeGap: gapMs === null ? null : { anyRegionMs: gapMs, slowestRegionMs: gapMs + 50, byRegion: {} },
    rto: { predicted: { expectedMs: 800, promisedMs: 1_000, toleratedPauseMs: 1_300, formula: '' } },
    undo: { rejoinMs: 1_500 },
    rpo: { ledger: { acknowledged: 100, lost: { count: lost, first: [] } }, orders: null },
    safeRequests: { count: 40, failed: 0, deadlineMs: 2_000 },
  }) as unknown as DrillReport;

const about = { example: 'global', fault: 'crash', links: '0 ms', readyMs: 8_500 } as const;

describe('summarize', () => {
  it('gives median, interval and maximum, and counts what kept the promise', () => {
    const row = summarize(
      about,
      [700, 900, 800, 1_100, 600, 650].map((gapMs) => report(gapMs)),
    );
    expect(row.anyRegionMs).toEqual({ n: 6, p50: 750, max: 1_100, p50Interval: [600, 1_100] });
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

  it('says so when nothing ever came back', () => {
    expect(renderTable([summarize(about, [report(null)])])).toContain('| never |');
  });
});
