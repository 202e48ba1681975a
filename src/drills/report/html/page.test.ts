import { describe, expect, it } from 'vitest';
import { honestTrial } from '../../trial/testing.ts';
import { judge } from '../../trial/judge.ts';
import { duration } from './markup.ts';
import { renderHtml } from './page.ts';

describe('renderHtml', () => {
  const report = judge(honestTrial());
  const html = renderHtml(report);

  it('needs nothing from anywhere: no script, no link, no picture, and a policy that forbids them', () => {
    expect(html).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|https?:\/\//);
    expect(html).toContain("default-src 'none'");
  });

  it('says the verdict, the gap, the loss, and how to do it again', () => {
    expect(html).toContain('PASSED');
    expect(html).toContain(`Writes stood still for ${duration(845)}`);
    expect(html).toContain('none of');
    expect(html).toContain(report.command);
    for (const { check } of report.findings) expect(html).toContain(check);
  });

  it('draws every region, the steps of the takeover, and a tick for each acknowledged write around the change', () => {
    for (const region of ['a', 'b', 'c']) expect(html).toContain(`font-weight="600">${region}</text>`);
    for (const { name } of report.phases) expect(html).toContain(`>${name}</text>`);
    const ticks = report.timeline.closeUp?.acks.flatMap((it) => [...it.old, ...it.new]) ?? [];
    expect(ticks.length).toBeGreaterThan(50);
    expect(html.match(/acknowledged by the (old|new) primary at/g)).toHaveLength(ticks.length);
  });

  it('shows text of others as text', () => {
    const evil = renderHtml({ ...report, verdict: 'fail', why: '<b>x</b> & "y"' });
    expect(evil).toContain('&lt;b&gt;x&lt;/b&gt; &amp; &quot;y&quot;');
    expect(evil).not.toContain('<b>x</b>');
  });

  it('has a page for a drill in which nothing moved and nothing was injected', () => {
    const trial = honestTrial();
    const rows = trial.ledger.rows.filter((row) => row.timeline !== 2);
    const still = renderHtml(judge({ ...trial, injected: null, ledger: { ...trial.ledger, rows } }));
    expect(still).toContain('The primary stayed where it was');
    expect(still).not.toContain('The change of primary');
  });
});
