import { neverText, spreadOf, type Spread } from '../statistics.ts';
import type { PatroniRow } from './patroni/measure.ts';
import type { DrillReport } from '../report/report.ts';

/** One row of the bench: one deployment, with or without distance. */
export interface BenchRow {
  readonly example: string;
  readonly fault: string;
  readonly links: 'real round trips' | '0 ms';
  readonly trials: number;
  readonly verdicts: Readonly<Record<DrillReport['verdict'], number>>;
  /** Last acknowledged write before to first after, in milliseconds: any surviving region, and the slowest one. */
  readonly anyRegionMs: Spread | null;
  readonly slowestRegionMs: Spread | null;
  /** The range over the trials: the survivors are others when another region is lost. */
  readonly expectedMs: readonly [number, number] | null;
  readonly promisedMs: readonly [number, number] | null;
  readonly withinPromise: number;
  /** From the release until everybody confirms again: where nothing had to be saved and copied, and where it had. */
  readonly rejoinMs: Spread | null;
  readonly rejoinDivergedMs: Spread | null;
  /** From the release until the record names everybody again, where nothing had to be copied. */
  readonly inSyncMs: Spread | null;
  readonly toleratedPauseMs: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** Its file allows loss: what is lost is within the bound that each takeover told of, and saved, or the trial failed. */
  readonly mayLose: boolean;
  readonly safeRequests: { readonly count: number; readonly failed: number };
  /** From `farshore up` to ready, an empty state directory included. */
  readonly readyMs: number;
}

export interface BenchReport {
  readonly schema: 'farshore.bench-failover/v1';
  readonly rows: readonly BenchRow[];
  /** Null when it was not measured. */
  readonly patroni: readonly PatroniRow[] | null;
}

/** Sums up the trials of one world. */
export function summarize(
  about: Pick<BenchRow, 'example' | 'fault' | 'links' | 'readyMs'>,
  reports: readonly DrillReport[],
): BenchRow {
  const sum = (of: (report: DrillReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const verdict = (wanted: DrillReport['verdict']) => reports.filter((report) => report.verdict === wanted).length;
  return {
    ...about,
    trials: reports.length,
    verdicts: { pass: verdict('pass'), fail: verdict('fail'), inconclusive: verdict('inconclusive') },
    anyRegionMs: spreadOf(reports.map(({ writeGap }) => writeGap?.anyRegionMs ?? null)),
    slowestRegionMs: spreadOf(reports.map(({ writeGap }) => writeGap?.slowestRegionMs ?? null)),
    expectedMs: rangeOf(reports.map((report) => report.rto.predicted.expectedMs)),
    promisedMs: rangeOf(reports.map((report) => report.rto.predicted.promisedMs)),
    withinPromise: reports.filter(keptPromise).length,
    rejoinMs: spreadOf(rejoins(reports, false)),
    rejoinDivergedMs: spreadOf(rejoins(reports, true)),
    inSyncMs: spreadOf(reports.flatMap(({ undo }) => (undo.diverged ? [] : [undo.inSyncMs]))),
    toleratedPauseMs: Math.max(0, ...reports.map((report) => report.rto.predicted.toleratedPauseMs)),
    acknowledged: sum(({ rpo }) => rpo.ledger.acknowledged + (rpo.orders?.acknowledged ?? 0)),
    lost: sum(({ rpo }) => rpo.ledger.lost.count + (rpo.orders?.lost.count ?? 0)),
    mayLose: reports.some(({ rpo }) => rpo.objectiveMs > 0),
    safeRequests: {
      count: sum((report) => report.safeRequests?.count ?? 0),
      failed: sum((report) => report.safeRequests?.failed ?? 0),
    },
  };
}

const rejoins = (reports: readonly DrillReport[], diverged: boolean): readonly (number | null)[] =>
  reports.flatMap(({ undo }) => (undo.diverged === diverged ? [undo.rejoinMs] : []));

const keptPromise = ({ writeGap, rto }: DrillReport): boolean =>
  writeGap !== null && writeGap.anyRegionMs <= rto.predicted.promisedMs;

const rangeOf = (values: readonly number[]): readonly [number, number] | null =>
  values.length === 0 ? null : [Math.min(...values), Math.max(...values)];

const HEAD = [
  'fault',
  'deployment',
  'links',
  'trials',
  'first region back, p50 (95 % interval) / max, ms',
  'slowest region, p50 / max, ms',
  'predicted, ms',
  'promised, ms',
  'kept',
  'pause tolerated, ms',
  'lost of acknowledged',
  'safe requests failed within 2 s',
  'in sync again, not diverged, p50 / max, ms',
  'whole again, p50 / max, ms',
  'of those that came back diverged, ms',
  'ready, s',
];

/** The bench as a Markdown table. */
export function renderTable(rows: readonly BenchRow[]): string {
  const lines = [HEAD, HEAD.map(() => '---'), ...rows.map(cellsOf)];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function cellsOf(row: BenchRow): readonly string[] {
  const { pass, fail, inconclusive } = row.verdicts;
  const verdicts = [
    `${pass} passed`,
    fail > 0 ? `${fail} FAILED` : '',
    inconclusive > 0 ? `${inconclusive} inconclusive` : '',
  ];
  return [
    row.fault,
    row.example,
    row.links,
    `${row.trials}: ${verdicts.filter((it) => it !== '').join(', ')}`,
    spreadText(row.anyRegionMs, true),
    spreadText(row.slowestRegionMs, false),
    rangeText(row.expectedMs),
    rangeText(row.promisedMs),
    `${row.withinPromise}/${row.trials}`,
    `${row.toleratedPauseMs}`,
    `${row.lost} of ${row.acknowledged}${row.mayLose && fail === 0 ? ', within the bound' : ''}`,
    `${row.safeRequests.failed} of ${row.safeRequests.count}`,
    spreadText(row.inSyncMs, false),
    spreadText(row.rejoinMs, false),
    row.rejoinDivergedMs === null ? 'none' : `${row.rejoinDivergedMs.n}: ${spreadText(row.rejoinDivergedMs, false)}`,
    (row.readyMs / 1000).toFixed(1),
  ];
}

function spreadText(spread: Spread | null, interval: boolean): string {
  if (spread === null) return 'never';
  const { p50, max, p50Interval } = spread;
  const between = interval && p50Interval !== null ? ` (${p50Interval.map(Math.round).join('-')})` : '';
  return `${Math.round(p50)}${between} / ${Math.round(max)}${neverText(spread)}`;
}

function rangeText(range: readonly [number, number] | null): string {
  if (range === null) return '-';
  const [low, high] = range.map(Math.round);
  return low === high ? `${low}` : `${low}-${high}`;
}

/** How many times longer writes stood still with Patroni, for what both were put through: its nodes are on loopback, so at 0 ms. */
export function ratiosOf({ rows, patroni }: BenchReport): readonly string[] {
  return rows.flatMap(({ fault, example, links, anyRegionMs }) =>
    (patroni ?? []).flatMap((it) => {
      if (links !== '0 ms' || it.fault !== fault || it.gapMs === null || anyRegionMs === null) return [];
      const ratio = (it.gapMs.p50 / anyRegionMs.p50).toFixed(1);
      return [
        `${fault}, ${example} at 0 ms: Patroni with ttl ${it.timings.ttl} stands still ${ratio} times as long (medians)\n`,
      ];
    }),
  );
}
