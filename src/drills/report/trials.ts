import { worstOf } from '../checks/verdict.ts';
import { neverText, spreadOf, type Spread, zeroFailuresBound } from '../statistics.ts';
import { wrap } from './render.ts';
import type { DrillReport } from './report.ts';

/** Several trials of one drill together. `drill --json` prints it last when there are several. */
export interface TrialsReport {
  readonly schema: 'farshore.drill-trials/v1';
  readonly drill: DrillReport['drill'];
  readonly fault: string;
  readonly deployment: string;
  readonly command: string;
  readonly verdict: DrillReport['verdict'];
  readonly verdicts: Readonly<Record<DrillReport['verdict'], number>>;
  readonly trials: readonly Trial[];
  /** Median, maximum, and the interval that holds the median with 95 % confidence, whatever the distribution. */
  readonly writeGapMs: Spread | null;
  readonly rtoMs: Spread | null;
  readonly rejoinMs: Spread | null;
  readonly objectiveMs: number;
  /** The range over the trials: the survivors are others when another region is lost. */
  readonly expectedMs: readonly [number, number];
  readonly promisedMs: readonly [number, number];
  readonly withinPromise: number;
  readonly toleratedPauseMs: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** With no failure in so many trials, the probability of one is below this with 95 % confidence; null after a failure. */
  readonly failureBelow: number | null;
}

interface Trial {
  readonly id: string;
  readonly region: string;
  readonly verdict: DrillReport['verdict'];
  readonly why: string;
  readonly writeGapMs: number | null;
  readonly rtoMs: number | null;
  readonly rejoinMs: number | null;
  readonly expectedMs: number;
  readonly promisedMs: number;
  readonly html: string;
}

export function summarizeTrials(reports: readonly [DrillReport, ...DrillReport[]]): TrialsReport {
  const [first] = reports;
  const trials = reports.map(trialOf);
  const count = (verdict: DrillReport['verdict']) => trials.filter((it) => it.verdict === verdict).length;
  const spread = (of: (trial: Trial) => number | null) => spreadOf(trials.map(of));
  const sum = (of: (report: DrillReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const failed = count('fail');
  return {
    schema: 'farshore.drill-trials/v1',
    drill: first.drill,
    fault: first.fault,
    deployment: first.deployment,
    command: first.command,
    verdict: worstOf(trials.map((it) => it.verdict)),
    verdicts: { pass: count('pass'), fail: failed, inconclusive: count('inconclusive') },
    trials,
    writeGapMs: spread((it) => it.writeGapMs),
    rtoMs: spread((it) => it.rtoMs),
    rejoinMs: spread((it) => it.rejoinMs),
    objectiveMs: first.rto.objectiveMs,
    expectedMs: rangeOf(trials.map((it) => it.expectedMs)),
    promisedMs: rangeOf(trials.map((it) => it.promisedMs)),
    withinPromise: trials.filter((it) => it.writeGapMs !== null && it.writeGapMs <= it.promisedMs).length,
    toleratedPauseMs: first.rto.predicted.toleratedPauseMs,
    acknowledged: sum(({ rpo }) => rpo.ledger.acknowledged + (rpo.orders?.acknowledged ?? 0)),
    lost: sum(({ rpo }) => rpo.ledger.lost.count + (rpo.orders?.lost.count ?? 0)),
    failureBelow: failed === 0 && count('pass') > 0 ? zeroFailuresBound(count('pass')) : null,
  };
}

const trialOf = (report: DrillReport): Trial => ({
  id: report.id,
  region: report.lost.region,
  verdict: report.verdict,
  why: report.why,
  writeGapMs: report.writeGap?.anyRegionMs ?? null,
  rtoMs: report.rto.measuredMs,
  rejoinMs: report.undo.rejoinMs,
  expectedMs: report.rto.predicted.expectedMs,
  promisedMs: report.rto.predicted.promisedMs,
  html: report.files.html,
});

const rangeOf = (values: readonly number[]): readonly [number, number] => [Math.min(...values), Math.max(...values)];

/** Below this many there is no interval of the median at all. */
const TRIALS_MIN = 6;

/** For a terminal, at most 100 columns. */
export function renderTrials(report: TrialsReport): readonly string[] {
  const { trials, verdicts, verdict, lost, acknowledged, failureBelow } = report;
  const counts = Object.entries(verdicts).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
  const bound =
    failureBelow === null ? '' : `; a failure less likely than ${Math.ceil(failureBelow * 100)} % (95 % sure)`;
  const lines = [
    `${verdict.toUpperCase().padEnd(12)} ${trials.length} trials of ${report.drill} · ${report.fault}: ${counts.join(', ')}${bound}`,
    row('writes', spreadText(report.writeGapMs)),
    row(
      '',
      `predicted ${rangeText(report.expectedMs)} ms, promised ${rangeText(report.promisedMs)} ms, kept ${report.withinPromise}/${trials.length}`,
    ),
    row('RTO', `${spreadText(report.rtoMs)}; objective ${report.objectiveMs} ms`),
    row('', `a pause of ${report.toleratedPauseMs} ms is tolerated without a failover`),
    row('back', spreadText(report.rejoinMs)),
    row('RPO', `${lost} lost of ${acknowledged} acknowledged`),
    row('each', `${trials.map((it) => (it.writeGapMs === null ? '-' : Math.round(it.writeGapMs))).join(' ')} ms`),
  ];
  return lines.flatMap(wrap);
}

const row = (label: string, text: string): string => `${label.padEnd(12)} ${text}`;

export function spreadText(spread: Spread | null): string {
  if (spread === null) return 'never';
  const { n, p50, max, p50Interval } = spread;
  const interval =
    p50Interval === null
      ? `no interval from ${n} trials, it takes ${TRIALS_MIN}`
      : `95 % interval ${rangeText(p50Interval)}`;
  return `p50 ${Math.round(p50)} ms (${interval}), max ${Math.round(max)} ms${neverText(spread)}`;
}

export function rangeText(range: readonly [number, number]): string {
  const [low, high] = range.map(Math.round);
  return low === high ? `${low}` : `${low}-${high}`;
}
