import type { Loss } from '../checks/loss.ts';
import { phasesOf } from '../checks/phases.ts';
import { type Finding, worstOf } from '../checks/verdict.ts';
import type { LedgerRow } from '../ledger.ts';
import { DEFAULT_MIX } from '../load/mix.ts';
import { timelineOf } from './timeline.ts';
import { wallToMonotonic } from '../monotonic.ts';
import { type Figures, figuresOf, slowest, t0Of } from './figures.ts';
import { findingsOf } from './findings.ts';
import type { TrialObservation } from './observation.ts';
import { wayReportsOf } from '../ways/way-figures.ts';
import { type DrillReport, lossReport, type StreamReport } from '../report/report.ts';

/** Turns what a trial saw into a report with a verdict. Pure: the same observation always gives the same report. */
export function judge(observation: TrialObservation): DrillReport {
  const figures = figuresOf(observation);
  const findings = findingsOf(observation, figures);
  const verdict = worstOf(findings.map((finding) => finding.verdict));
  return { ...headOf(observation), verdict, why: whyOf(findings, verdict), findings, ...bodyOf(observation, figures) };
}

function headOf(o: TrialObservation) {
  return {
    schema: 'farshore.drill/v1',
    id: o.drill,
    drill: o.name,
    fault: o.fault,
    deployment: o.deployment,
    startedAt: new Date(o.startedAtWallMs).toISOString(),
    command: o.command,
  } as const;
}

/** One sentence: the first finding that decided. */
function whyOf(findings: readonly Finding[], verdict: Finding['verdict']): string {
  const decisive = findings.filter((finding) => finding.verdict === verdict);
  const [first] = decisive;
  if (first === undefined) return 'nothing was checked';
  return verdict === 'pass' ? `all ${findings.length} checks passed` : `${first.check}: ${first.why}`;
}

function bodyOf(
  o: TrialObservation,
  figures: Figures,
): Omit<DrillReport, keyof ReturnType<typeof headOf> | 'verdict' | 'why' | 'findings'> {
  const { rows } = o.ledger;
  const t0Ms = t0Of(o);
  const count = (outcome: LedgerRow['outcome']) => rows.filter((row) => row.outcome === outcome).length;
  const toMonotonic = (wallMs: number) => wallToMonotonic(wallMs, o.clock);
  return {
    lost: o.lost,
    promoted: {
      from: o.primaryBefore,
      to: o.primaryAfter,
      why: o.operation?.reason.text ?? 'no takeover is in the journal',
      operation: o.operation?.id ?? null,
    },
    rto: {
      objectiveMs: o.objectives.rtoMs,
      measuredMs: slowest(figures.streams),
      resolutionMs: 1000 / o.sqlWritesPerSecond,
      windowMs: o.windowMs,
      predicted: o.prediction,
      streams: figures.streams,
    },
    writeGap: writeGapOf(figures),
    phases: o.operation === null ? [] : phasesOf(o.operation, t0Ms, figures.change?.firstNewAckMs ?? null, toMonotonic),
    rpo: {
      objectiveMs: o.objectives.rpoMs,
      ledger: lossReport(figures.ledgerLoss ?? NOTHING_READ),
      orders: figures.ordersLoss === null ? null : lossReport(figures.ordersLoss),
      lostAfterPromotion: figures.lostAfterPromotion,
    },
    zombies: { count: figures.zombies.ids.length, notHeld: figures.zombies.notHeld.length },
    primaries: figures.primaries,
    cancelledWaits: { warnings: o.cancelledWaits, errorsReturned: figures.errorsReturned },
    safeRequests: safeRequestsOf(figures),
    ways: waysIn(o, t0Ms),
    injection: injectionOf(o),
    undo: undoOf(o, figures),
    expects: o.expects,
    load: {
      attempts: rows.length,
      ok: count('ok'),
      fail: count('fail'),
      info: count('info'),
      staleReads: rows.filter((row) => row.op === 'http-read' && row.code === '404').length,
      sendLag: figures.sendLag,
    },
    timeline: timelineOf(o, t0Ms, figures.change),
    files: o.files,
  };
}

const NOTHING_READ: Loss = {
  acknowledged: 0,
  lost: [],
  missing: [],
  extra: [],
  recovered: 0,
  phantom: [],
  duplicates: [],
  holes: [],
  exposureMs: 0,
};

function writeGapOf({ change, changeByRegion }: Figures): DrillReport['writeGap'] {
  if (change === null) return null;
  const byRegion = [...changeByRegion].map(([region, seen]) => [region, seen?.gapMs ?? null] as const);
  return {
    anyRegionMs: change.gapMs,
    slowestRegionMs: byRegion.reduce<number | null>(
      (most, [, gapMs]) => (most === null || gapMs === null ? null : Math.max(most, gapMs)),
      0,
    ),
    byRegion: Object.fromEntries(byRegion),
  };
}

function waysIn({ users, loadEndedMs: endMs, windowMs }: TrialObservation, t0Ms: number): DrillReport['ways'] {
  if (users === null) return null;
  return { reports: wayReportsOf(users.rows, { t0Ms, endMs, windowMs }), missing: users.missing };
}

function safeRequestsOf({ streams }: Figures): DrillReport['safeRequests'] {
  const reads = streams.filter((stream) => stream.judged && stream.op === 'http-read');
  if (reads.length === 0) return null;
  const sum = (of: (stream: StreamReport) => number) => reads.reduce((total, stream) => total + of(stream), 0);
  return { count: sum((it) => it.requests), failed: sum((it) => it.failed), deadlineMs: DEFAULT_MIX.readDeadlineMs };
}

const injectionOf = ({ injected }: TrialObservation): DrillReport['injection'] =>
  injected === null
    ? null
    : {
        processes: injected.processes,
        tookMs: injected.effectiveMs - injected.fromMs,
        what: injected.what,
        evidence: injected.evidence,
      };

function undoOf({ undo, diverged }: TrialObservation, { servedAgainMs }: Figures): DrillReport['undo'] {
  const { complete, why, downFromMs, releasedMs, rejoinedMs, syncedMs } = undo;
  const downMs = downFromMs === null || releasedMs === null ? null : releasedMs - downFromMs;
  const rejoinMs = releasedMs === null || rejoinedMs === null ? null : rejoinedMs - releasedMs;
  const inSyncMs = releasedMs === null || syncedMs === null ? null : Math.max(0, syncedMs - releasedMs);
  return { complete, why, downMs, rejoinMs, inSyncMs, diverged, servedAgainMs };
}
