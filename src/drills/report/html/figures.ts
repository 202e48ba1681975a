import type { DrillReport } from '../report.ts';
import { box } from './box.ts';
import { duration } from './markup.ts';

/** The four figures that were promised, each with what it is measured against. */
export function figures(report: DrillReport): string {
  const boxes = [rto(report), gap(report), rpo(report), back(report)];
  return `<section class="figures" aria-label="Figures">${boxes.join('')}</section>`;
}

function rto({ rto: { measuredMs, objectiveMs, streams, windowMs } }: DrillReport): string {
  const judged = streams.filter((it) => it.judged).length;
  return box({
    title: 'Service again after (RTO)',
    value: measuredMs === null ? 'never' : duration(measuredMs),
    tone: measuredMs !== null && measuredMs <= objectiveMs ? 'pass' : 'fail',
    used: measuredMs === null ? 1 : measuredMs / objectiveMs,
    lines: [
      `objective ${duration(objectiveMs)}`,
      `slowest of ${judged} streams, then stable for ${duration(windowMs)}`,
    ],
  });
}

function gap({ writeGap, rto: { predicted } }: DrillReport): string {
  const tolerated = `a pause of ${duration(predicted.toleratedPauseMs)} moves nothing`;
  if (writeGap === null)
    return box({
      title: 'Writes stood still for',
      value: '–',
      tone: '',
      used: null,
      lines: ['the primary stayed', tolerated],
    });
  const { anyRegionMs } = writeGap;
  return box({
    title: 'Writes stood still for',
    value: duration(anyRegionMs),
    tone: anyRegionMs <= predicted.promisedMs ? 'pass' : 'fail',
    used: anyRegionMs / predicted.promisedMs,
    lines: [`promised ${duration(predicted.promisedMs)}`, `predicted ${duration(predicted.expectedMs)}`, tolerated],
  });
}

function rpo({ rpo: { ledger, orders, objectiveMs } }: DrillReport): string {
  const lost = ledger.lost.count + (orders?.lost.count ?? 0);
  const all = ledger.acknowledged + (orders?.acknowledged ?? 0);
  const exposureMs = Math.max(ledger.exposureMs, orders?.exposureMs ?? 0);
  return box({
    title: 'Acknowledged writes lost (RPO)',
    value: `${lost} of ${all}`,
    tone: lost === 0 || exposureMs <= objectiveMs ? 'pass' : 'fail',
    used: null,
    lines: [
      objectiveMs === 0 ? 'objective: none' : `objective: the last ${duration(objectiveMs)}`,
      lost === 0
        ? 'compared with every row on every node'
        : `the earliest was acknowledged ${duration(exposureMs)} before`,
    ],
  });
}

function back({ undo, zombies }: DrillReport): string {
  const old =
    zombies.count === 0
      ? 'the old side acknowledged nothing more'
      : `${zombies.count} late acknowledgements of the old side, ${zombies.notHeld} of them lost`;
  return box({
    title: 'Whole again after the release',
    value: undo.rejoinMs === null ? 'not whole' : duration(undo.rejoinMs),
    tone: undo.rejoinMs === null || !undo.complete ? 'fail' : '',
    used: null,
    lines: [
      ...(undo.downMs === null ? [] : [`it lasted ${duration(undo.downMs)}`]),
      ...(undo.diverged ? ['it came back diverged: what it held alone was saved'] : []),
      old,
    ],
  });
}
