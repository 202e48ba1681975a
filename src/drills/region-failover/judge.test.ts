import { describe, expect, it } from 'vitest';
import { placeId } from '../../base/ids.ts';
import type { LedgerRow, Op } from '../ledger.ts';
import { predictFailover } from '../predict.ts';
import { MUTANTS } from '../selftest/mutants.ts';
import { judge } from './judge.ts';
import type { NodeRead, TrialObservation } from './observation.ts';
import { renderReport } from './render.ts';
import { exitCodeOf } from './report.ts';

const T0_MS = 5_000;
const BACK_MS = 5_800;
const END_MS = 25_000;
const [DEAD, NEAR, FAR] = [placeId('aws:a'), placeId('aws:b'), placeId('aws:c')];

/** A crash at 5 s, writes again from 5.8 s on, under timeline 2. Reads never fail. */
function rowsOf(region: string, op: Op): LedgerRow[] {
  const cohort = `${op === 'sql-write' ? 'sql' : 'http'}@${region}`;
  return Array.from({ length: END_MS / 50 }, (_, seq) => {
    const atMs = seq * 50;
    const isWrite = op !== 'http-read';
    const gone = atMs >= T0_MS && region === DEAD;
    const parked = isWrite && !gone && atMs >= T0_MS && atMs < BACK_MS;
    const timeline = op !== 'sql-write' || gone ? null : atMs < T0_MS ? 1 : 2;
    const doneMs = parked ? BACK_MS : atMs + 5;
    const times = { intendedMs: atMs, startedMs: atMs + 1, sentMs: atMs + 1, doneMs };
    const outcome = gone ? ('fail' as const) : ('ok' as const);
    const code = gone ? 'ECONNREFUSED' : null;
    const served = { region: null, timeline, lsn: null, session: 0, reused: true };
    return { kind: 'attempt', cohort, op, id: `d.${cohort}.${op}.${seq}`, seq, ...times, outcome, code, ...served };
  });
}

function honestTrial(): TrialObservation {
  const rows = [DEAD, NEAR, FAR].flatMap((region) =>
    (['sql-write', 'http-write', 'http-read'] as const).flatMap((op) => rowsOf(region, op)),
  );
  const held = (op: Op, untilMs = END_MS): ReadonlyMap<string, number> =>
    new Map(
      rows
        .filter((row) => row.op === op && row.outcome === 'ok' && row.doneMs < untilMs + 10)
        .map((row) => [row.id, 1]),
    );
  const read = (node: string, isPrimary: boolean, untilMs?: number): NodeRead => ({
    node,
    isPrimary,
    lsn: '0/3000000',
    ledger: held('sql-write', untilMs),
    orders: held('http-write', untilMs),
    epochs: [
      { n: 1, node: 'aws:a/n1', timeline: 1 },
      { n: 2, node: 'aws:b/n1', timeline: 2 },
    ],
  });
  return {
    drill: 'd',
    deployment: 'shop',
    startedAtWallMs: 1_700_000_000_000,
    command: 'farshore drill region-failover',
    objectives: { rtoMs: 30_000, rpoMs: 0 },
    lost: { region: DEAD, wasPrimary: true },
    survivors: [NEAR, FAR],
    prediction: predictFailover({ brokenAfterMs: 150, tickMs: 100 }, { regionsMs: 0, storeMs: 0 }),
    windowMs: 10_000,
    loadStartedMs: 0,
    sqlWritesPerSecond: 20,
    fault: { killedFromMs: T0_MS - 20, effectiveMs: T0_MS, processes: 30, evidence: 'none left' },
    undo: { complete: true, why: 'it follows again', releasedMs: 17_000, rejoinedMs: 20_000 },
    loadEndedMs: END_MS,
    ledger: { rows, complete: true },
    clock: { wallMinusMonotonicMs: 1_000 },
    samples: [
      { node: 'aws:a/n1', epoch: 1, openPrimary: true },
      { node: 'aws:b/n1', epoch: 2, openPrimary: true },
      { node: 'aws:c/n1', epoch: 2, openPrimary: false },
    ],
    afterPromotion: { startedMs: 16_000, read: read('aws:b/n1', true, 16_000) },
    final: [read('aws:b/n1', true), read('aws:a/n1', false), read('aws:c/n1', false)],
    unread: [],
    operation: {
      id: 'takeover-2',
      kind: 'takeover',
      epoch: 2,
      actor: 'aws:b/n1' as never,
      reason: { code: 'majority', text: '3 of 3 observers cannot see it commit' },
      state: 'done',
      steps: [
        { name: 'epoch', atWallMs: 6_300, tookMs: 50, what: 'epoch 2' },
        { name: 'promote', atWallMs: 6_600, tookMs: 300, what: 'promoted' },
      ],
    },
    primaryBefore: 'aws:a/n1',
    primaryAfter: 'aws:b/n1',
    cancelledWaits: 0,
    files: { ledger: '/state/reports/d.ledger.jsonl', report: '/state/reports/d.json' },
  };
}

describe('judge', () => {
  const report = judge(honestTrial());

  it('passes an honest trial, with the figures that the clients saw', () => {
    expect(report.findings.filter((finding) => finding.verdict !== 'pass')).toEqual([]);
    expect(report).toMatchObject({ verdict: 'pass', why: 'all 12 checks passed' });
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

  it('does not judge the cohorts of the region that was lost', () => {
    const judged = report.rto.streams.filter((stream) => stream.judged).map((stream) => stream.region);
    expect(new Set(judged)).toEqual(new Set([NEAR, FAR]));
    expect(report.rto.streams.find((stream) => stream.region === DEAD)?.rtoMs).toBeNull();
  });

  it('expects no change of reign when a standby is lost', () => {
    const trial = honestTrial();
    const rows = trial.ledger.rows.map((row) => (row.timeline === 2 ? { ...row, timeline: 1 } : row));
    const calm = judge({ ...trial, ledger: { ...trial.ledger, rows }, lost: { region: DEAD, wasPrimary: false } });
    expect(calm).toMatchObject({ verdict: 'pass', writeGap: null });
  });

  it('fails when the primary was killed and nobody took over', () => {
    const trial = honestTrial();
    const rows = trial.ledger.rows.filter((row) => row.timeline !== 2);
    const report = judge({ ...trial, ledger: { ...trial.ledger, rows } });
    expect(report.findings.find((finding) => finding.check === 'injected')?.verdict).toBe('fail');
    expect(exitCodeOf([report])).toBe(7);
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
