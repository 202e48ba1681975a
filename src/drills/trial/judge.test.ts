import { describe, expect, it } from 'vitest';
import { MUTANTS } from '../selftest/mutants.ts';
import { judge } from './judge.ts';
import { BACK_MS, DEAD, FAR, honestTrial, NEAR, T0_MS } from './testing.ts';
import { renderReport } from '../report/render.ts';
import { exitCodeOf } from '../report/report.ts';

describe('judge', () => {
  const report = judge(honestTrial());

  it('passes an honest trial, with the figures that the clients saw', () => {
    expect(report.findings.filter((finding) => finding.verdict !== 'pass')).toEqual([]);
    expect(report).toMatchObject({ verdict: 'pass', why: 'all 14 checks passed' });
    expect(report.rto.measuredMs).toBe(BACK_MS - T0_MS);
    expect(report.writeGap).toMatchObject({ anyRegionMs: 845, slowestRegionMs: 845 });
    expect(report.rpo.ledger).toMatchObject({ lost: { count: 0, first: [] }, recovered: 0 });
    expect(report.safeRequests).toEqual({ count: 800, failed: 0, deadlineMs: 2_000 });
    expect(report.undo).toMatchObject({ complete: true, downMs: 12_000, rejoinMs: 3_000 });
    expect(exitCodeOf([report])).toBe(0);
  });

  it('puts the takeover on the same clock as the traffic, in phases that add up', () => {
    expect(report.phases.map(({ name, endMs, tookMs }) => [name, endMs, tookMs])).toEqual([
      ['suspect', 250, 250],
      ['epoch', 300, 50],
      ['promote', 600, 300],
      ['first-ack', 800, 200],
    ]);
  });

  it('renders within 100 columns, verdict first', () => {
    const lines = renderReport(report);
    expect(lines[0]).toMatch(/^PASS {2}/);
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines.join('\n')).toContain('0 lost of');
  });

  describe('where a loss is allowed (async)', () => {
    const trial = honestTrial();
    /** The last acknowledged write of the old reign is on no node any more. */
    const gone = trial.ledger.rows.findLast(
      (row) => row.op === 'sql-write' && row.outcome === 'ok' && row.timeline === 1,
    );
    const without = (told: typeof trial.told) =>
      judge({
        ...trial,
        told,
        objectives: { ...trial.objectives, rpoMs: 5_000 },
        final: trial.final.map((read) => ({
          ...read,
          ledger: new Map([...read.ledger].filter(([id]) => id !== gone?.id)),
        })),
      }).findings.find(({ check }) => check === 'what was lost was told and saved');
    const bound = { ms: 3_000, bytes: 100, text: 'at most 3000 ms' };

    it('passes a loss that the takeover bounded and the old node saved', () => {
      expect(without({ bound, saved: 1 })).toMatchObject({ verdict: 'pass' });
    });

    it.each([
      ['that the takeover did not tell of', { bound: null, saved: 1 }],
      ['longer than the takeover told', { bound: { ...bound, ms: 0 }, saved: 1 }],
      ['that nobody saved', { bound, saved: 0 }],
    ])('fails a loss %s', (_, told) => {
      expect(without(told)).toMatchObject({ verdict: 'fail' });
    });
  });

  it('does not judge the cohorts of the region that was lost', () => {
    const judged = report.rto.streams.filter((stream) => stream.judged).map((stream) => stream.region);
    expect(new Set(judged)).toEqual(new Set([NEAR, FAR]));
    expect(report.rto.streams.find((stream) => stream.region === DEAD)?.rtoMs).toBeNull();
  });

  it('expects no change of reign when a standby is lost', () => {
    const trial = honestTrial();
    const rows = trial.ledger.rows.map((row) => (row.timeline === 2 ? { ...row, timeline: 1 } : row));
    const calm = judge({
      ...trial,
      ledger: { ...trial.ledger, rows },
      samples: trial.samples.slice(0, 1),
      lost: { region: DEAD, wasPrimary: false },
      expects: 'stay',
    });
    expect(calm).toMatchObject({ verdict: 'pass', writeGap: null });
  });

  it('fails when the primary was killed and nobody took over', () => {
    const trial = honestTrial();
    const rows = trial.ledger.rows.filter((row) => row.timeline !== 2);
    const report = judge({ ...trial, ledger: { ...trial.ledger, rows } });
    expect(report.findings.find((finding) => finding.check === 'the primary moved only if it had to')?.verdict).toBe(
      'fail',
    );
    expect(exitCodeOf([report])).toBe(7);
  });

  it('asks more of a planned move: the pause that is promised, and no error', () => {
    const parked = honestTrial();
    const planned = { ...parked, name: 'switchover' as const, planned: true };
    const prediction = { ...parked.prediction, promisedMs: 900 };
    const verdicts = (trial: typeof planned) =>
      Object.fromEntries(judge(trial).findings.map(({ check, verdict }) => [check, verdict]));
    const [pauseCheck, errorCheck] = ['the pause was as promised', 'clients that reconnect saw no error'];
    expect(verdicts({ ...planned, prediction })).toMatchObject({ [pauseCheck]: 'pass', [errorCheck]: 'pass' });
    const late = { ...planned, prediction: { ...prediction, promisedMs: 400 } };
    expect(verdicts(late)).toMatchObject({ [pauseCheck]: 'fail' });
    const [first] = parked.ledger.rows.filter((row) => row.cohort === `sql@${NEAR}` && row.intendedMs > T0_MS);
    const broken = parked.ledger.rows.map((row) => (row.id === first?.id ? { ...row, outcome: 'fail' as const } : row));
    expect(verdicts({ ...planned, prediction, ledger: { ...parked.ledger, rows: broken } })).toMatchObject({
      [errorCheck]: 'fail',
    });
    expect(judge(parked).findings.map(({ check }) => check)).not.toContain(pauseCheck);
  });

  it.each(MUTANTS)('goes red when $name', ({ check, verdict, breakIt }) => {
    const broken = judge(breakIt(honestTrial()));
    expect(broken.findings.find((finding) => finding.check === check)?.verdict).toBe(verdict);
    expect(broken.verdict).not.toBe('pass');
  });

  it('reports an incomplete undo by its own exit code, whatever else was found', () => {
    const trial = honestTrial();
    expect(exitCodeOf([judge({ ...trial, undo: { ...trial.undo, complete: false } })])).toBe(10);
  });
});
