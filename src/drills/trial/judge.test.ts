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
    expect(report).toMatchObject({ verdict: 'pass', why: 'all 15 checks passed' });
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
      primaryAfter: 'aws:a/n1',
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

  describe('a planned move', () => {
    const trial = { ...honestTrial(), name: 'switchover' as const, planned: true };
    const verdictOf = (asked: NonNullable<typeof trial.asked>) =>
      judge({ ...trial, asked }).findings.find(({ check }) => check === 'the primary moved only if it had to');
    const done = { id: 'switchover-2', target: NEAR, state: 'done' as const };

    it('passes when it ended done, where it was to', () => {
      expect(verdictOf(done)).toMatchObject({ verdict: 'pass' });
    });

    it.each([
      ['failed, though a newer primary is there', { ...done, state: 'failed' as const }],
      ['ended on another region', { ...done, target: FAR }],
    ])('fails when it %s', (_, asked) => {
      expect(verdictOf(asked)).toMatchObject({ verdict: 'fail' });
    });
  });

  describe('a drill without a loss', () => {
    const calm = (): ReturnType<typeof honestTrial> => {
      const trial = honestTrial();
      const rows = trial.ledger.rows.map((row) => ({ ...row, timeline: row.timeline === null ? null : 1 }));
      return {
        ...trial,
        name: 'no-false-alarm',
        expects: 'stay',
        ledger: { ...trial.ledger, rows },
        samples: trial.samples.slice(0, 1),
      };
    };
    const verdictOf = (trial: ReturnType<typeof honestTrial>, check: string) =>
      judge(trial).findings.find((finding) => finding.check === check)?.verdict;

    it('passes when writes went on', () => {
      expect(judge(calm())).toMatchObject({ verdict: 'pass' });
    });

    it('fails when hardly any write was acknowledged, and when there was a long gap', () => {
      const trial = calm();
      const dead = trial.ledger.rows.map((row) =>
        row.op === 'sql-write' && row.intendedMs > T0_MS + 100 ? { ...row, outcome: 'fail' as const } : row,
      );
      expect(verdictOf({ ...trial, ledger: { ...trial.ledger, rows: dead } }, 'writes went on')).toBe('fail');
      expect(verdictOf({ ...trial, objectives: { ...trial.objectives, rtoMs: 700 } }, 'writes went on')).toBe('fail');
    });

    it('is inconclusive when a disturbance was never in force, or the ledger breaks off', () => {
      const trial = calm();
      const { injected } = trial;
      if (injected === null) throw new Error('there is one');
      expect(verdictOf({ ...trial, injected: { ...injected, unreal: 'flushes stall' } }, 'injected')).toBe(
        'inconclusive',
      );
      expect(verdictOf({ ...trial, injected: { ...injected, lapsed: 'it was undone' } }, 'injected')).toBe(
        'inconclusive',
      );
      expect(verdictOf({ ...trial, ledger: { ...trial.ledger, complete: false } }, 'writes went on')).toBe(
        'inconclusive',
      );
    });
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
