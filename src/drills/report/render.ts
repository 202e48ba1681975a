import type { Phase } from '../checks/phases.ts';
import type { Counted } from '../ways/way-figures.ts';
import { WAY_WORDS } from '../ways/ways.ts';
import type { DrillReport, LossReport } from './report.ts';

const COLUMNS_MAX = 100;
const LABEL_COLUMNS = 12;

/** The report for a terminal: at most 100 columns, a handful of lines, the verdict first. No colour: the words carry it. */
export function renderReport(report: DrillReport): readonly string[] {
  const lines = [
    row(report.verdict.toUpperCase(), `${report.drill} · ${report.fault} ${report.lost.region} · ${report.why}`),
    row('RTO', rtoText(report)),
    ...(report.writeGap === null ? [] : [row('writes', gapText(report, report.writeGap))]),
    ...(report.phases.length === 0 ? [] : [row('phases', phasesText(report.phases))]),
    row('RPO', rpoText(report)),
    row('old side', zombiesText(report)),
    row('primary', primaryText(report)),
    ...(report.safeRequests === null ? [] : [row('reads', safeText(report.safeRequests))]),
    ...waysRows(report.ways),
    row('undo', undoText(report.undo)),
    row('report', report.files.html),
  ];
  return lines.flatMap(wrap);
}

const row = (label: string, text: string): string => `${label.padEnd(LABEL_COLUMNS)} ${text}`;
const ms = (value: number): string => `${Math.round(value)} ms`;
const seconds = (value: number): string => `${(value / 1000).toFixed(1)} s`;

function rtoText({ rto }: DrillReport): string {
  const objective = `objective ${seconds(rto.objectiveMs)}`;
  if (rto.measuredMs === null) return `service did not become stable again; ${objective}`;
  const tolerated = `a pause of ${seconds(rto.predicted.toleratedPauseMs)} is tolerated`;
  const measured = rto.measuredMs < rto.resolutionMs ? `< ${ms(rto.resolutionMs)}` : ms(rto.measuredMs);
  return `${measured}, slowest of ${rto.streams.filter((it) => it.judged).length} streams; ${objective}; stable for ${seconds(rto.windowMs)}; ${tolerated}`;
}

function gapText({ rto }: DrillReport, gap: NonNullable<DrillReport['writeGap']>): string {
  const { expectedMs, promisedMs, electionMs } = rto.predicted;
  const election =
    electionMs === null ? '' : `, ${ms(electionMs)} of it for the store's election: its leader is lost too`;
  return (
    `${ms(gap.anyRegionMs)} from the last acknowledged before to the first after ` +
    `(slowest region ${gap.slowestRegionMs === null ? 'never' : ms(gap.slowestRegionMs)}; predicted ${ms(expectedMs)}, promised ${ms(promisedMs)}${election})`
  );
}

const phasesText = (phases: readonly Phase[]): string =>
  phases.map(({ name, tookMs, endMs }) => `${name} +${Math.round(tookMs)} (${Math.round(endMs)})`).join(', ');

function rpoText({ rpo, rto }: DrillReport): string {
  const orders = rpo.orders === null ? '' : `, orders: ${lossText(rpo.orders)}`;
  return `${lossText(rpo.ledger)}${orders}; resolution ${ms(rto.resolutionMs)}`;
}

function lossText(loss: LossReport): string {
  const { lost, acknowledged, recovered } = loss;
  return `${lost.count} lost of ${acknowledged} acknowledged (${recovered} of unknown outcome are there)`;
}

function zombiesText({ zombies, rpo, cancelledWaits }: DrillReport): string {
  const held = zombies.count === 0 ? '' : `, ${zombies.count - zombies.notHeld} of them held by the new one`;
  const duplicates = rpo.ledger.duplicates.count + (rpo.orders?.duplicates.count ?? 0);
  return (
    `${zombies.count} acknowledgements after the new epoch's first${held}; ${duplicates} duplicates; ` +
    `${cancelledWaits.warnings ?? 'unknown'} cancelled waits`
  );
}

function primaryText({ promoted, primaries }: DrillReport): string {
  // Earlier ones are history of this world, not of this drill; the JSON has them.
  const last = primaries.epochs.slice(-2);
  const epochs = last.map((entry) => `${entry.epoch}: ${entry.nodes.join(' AND ')}`).join(', ');
  const moved =
    promoted.to === promoted.from ? `${promoted.from} stayed` : `${promoted.from} → ${promoted.to ?? 'nobody'}`;
  return `${moved}: ${promoted.why}; open per epoch: ${epochs}`;
}

const safeText = (safe: NonNullable<DrillReport['safeRequests']>): string =>
  `${safe.failed} of ${safe.count} safe requests through surviving edges failed within ${seconds(safe.deadlineMs)}`;

/** One line for each way: how many safe requests failed, by the connection they were on. */
function waysRows(ways: DrillReport['ways']): readonly string[] {
  const reports = ways?.reports ?? [];
  const failed = ({ failed: bad, requests }: Counted): string => `${bad}/${requests}`;
  return reports.map((it, i) => {
    const wasOut = it.inFlight.failed + it.kept.failed + it.fresh.failed > 0;
    const out = !wasOut ? 'never out' : it.backMs === null ? 'not back' : `out ${ms(it.backMs)}`;
    const kinds = `in flight ${failed(it.inFlight)}, kept ${failed(it.kept)}, new ${failed(it.fresh)}`;
    return row(i === 0 ? 'failed' : '', `${WAY_WORDS[it.way].padEnd(27)} ${out.padEnd(13)} ${kinds}`);
  });
}

function undoText(undo: DrillReport['undo']): string {
  const down = undo.downMs === null ? '' : `down ${seconds(undo.downMs)}, `;
  const back =
    undo.rejoinMs === null
      ? 'not back'
      : `in sync in ${undo.inSyncMs === null ? '?' : seconds(undo.inSyncMs)}, whole in ${seconds(undo.rejoinMs)}${undo.diverged ? ', diverged' : ''}`;
  return `${undo.complete ? 'complete' : 'INCOMPLETE'}: ${down}${back}; ${undo.why}`;
}

/** Breaks at spaces; what follows is indented below the text. */
export function wrap(line: string): readonly string[] {
  if (line.length <= COLUMNS_MAX) return [line];
  const at = line.lastIndexOf(' ', COLUMNS_MAX);
  const cut = at > LABEL_COLUMNS + 1 ? at : COLUMNS_MAX;
  return [line.slice(0, cut), ...wrap(`${' '.repeat(LABEL_COLUMNS + 1)}${line.slice(cut).trimStart()}`)];
}
