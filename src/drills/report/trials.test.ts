import { describe, expect, it } from 'vitest';
import { judge } from '../trial/judge.ts';
import { honestTrial } from '../trial/testing.ts';
import { renderTrialsHtml } from './html/trials-page.ts';
import { renderJunit } from './junit.ts';
import type { DrillReport } from './report.ts';
import { renderTrials, summarizeTrials } from './trials.ts';

const one = judge(honestTrial());
const withGap = (anyRegionMs: number): DrillReport => ({
  ...one,
  writeGap: { anyRegionMs, slowestRegionMs: anyRegionMs, byRegion: {} },
});
const red: DrillReport = {
  ...one,
  verdict: 'fail',
  findings: [
    { check: 'kept', verdict: 'fail', why: '3 <lost> & "gone"\u0007' },
    { check: 'looked', verdict: 'inconclusive', why: 'nobody answered' },
    { check: 'injected', verdict: 'pass', why: 'gone' },
  ],
};

describe('several trials', () => {
  const summary = summarizeTrials([withGap(700), ...[900, 800, 1_100, 750, 820].map(withGap)]);

  it('gives median, interval and every figure, never a mean', () => {
    expect(summary.writeGapMs).toMatchObject({ n: 6, p50: 810, max: 1_100, p50Interval: [700, 1_100] });
    expect(summary).toMatchObject({ verdict: 'pass', withinPromise: 5, toleratedPauseMs: 1_300, lost: 0 });
    const text = renderTrials(summary).join('\n');
    expect(text).toContain('700 900 800 1100 750 820 ms');
    expect(text).toContain('a pause of 1300 ms is tolerated');
    expect(renderTrials(summary).every((line) => line.length <= 100)).toBe(true);
  });

  it('is as bad as the worst trial', () => {
    const bad = summarizeTrials([withGap(700), red]);
    expect(bad).toMatchObject({ verdict: 'fail', failureBelow: null, verdicts: { pass: 1, fail: 1 } });
  });

  it('has a page with a dot for every trial and a link to its page', () => {
    const html = renderTrialsHtml(summary);
    expect(html.match(/<circle/g)?.length).toBe(18);
    expect(html).toContain('href="d.html"');
    expect(html).not.toMatch(/<script|https?:\/\//);
  });
});

describe('renderJunit', () => {
  it('has one case per check; what could not be judged is an error, never skipped', () => {
    const xml = renderJunit([one, red]);
    expect(xml.match(/<testsuite /g)).toHaveLength(2);
    expect(xml.match(/<testcase /g)).toHaveLength(one.findings.length + 3);
    expect(xml).toContain('tests="3" failures="1" errors="1" skipped="0"');
    expect(xml).toContain('<failure message="3 &lt;lost&gt; &amp; &quot;gone&quot;"/>');
    expect(xml).toContain('<error message="nobody answered"/>');
  });
});
