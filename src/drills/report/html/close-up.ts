import type { DrillReport } from '../report.ts';
import { axis, duration, type Scale, scaleOf, text } from './markup.ts';
import { shortName } from './overview.ts';

const WIDTH = 1_000;
const LEFT = 150;
const RIGHT = WIDTH - 70;
const TOP = 34;
const STEP = 20;
const ACKS = 30;

type CloseUp = NonNullable<DrillReport['timeline']['closeUp']>;

/** The change of primary, as its steps and as single acknowledgements. Null when the primary did not change. */
export function closeUp(report: DrillReport): string | null {
  const { closeUp: seen } = report.timeline;
  if (seen === null) return null;
  const scale = scaleOf(seen.fromMs, seen.toMs, LEFT, RIGHT);
  const acksTop = TOP + 8;
  const stepsTop = acksTop + seen.acks.length * ACKS + 18;
  const bottom = stepsTop + report.phases.length * STEP + 6;
  return (
    `<svg viewBox="0 0 ${WIDTH} ${bottom + 24}" role="img" aria-label="The change of primary: ${duration(gapOf(seen))} without an ` +
    `acknowledged write, and the steps of the takeover">` +
    axis(scale, TOP - 6, bottom) +
    gapBand(seen, scale, bottom) +
    seen.acks
      .toSorted((a, b) => a.region.localeCompare(b.region))
      .map((acks, at) => ackRow(acks, scale, acksTop + at * ACKS))
      .join('') +
    report.phases.map((phase, at) => stepRow(phase, scale, stepsTop + at * STEP)).join('') +
    '</svg>'
  );
}

const gapOf = ({ lastOldAckMs, firstNewAckMs }: CloseUp): number => firstNewAckMs - lastOldAckMs;

function gapBand(seen: CloseUp, scale: Scale, bottom: number): string {
  const x = scale.x(seen.lastOldAckMs);
  const width = Math.max(1, scale.x(seen.firstNewAckMs) - x);
  const zero = scale.x(0);
  return (
    `<rect class="gap" x="${x}" y="${TOP - 6}" width="${width}" height="${bottom - TOP + 6}"/>` +
    `<text class="marked" x="${x + width / 2}" y="${TOP - 14}" text-anchor="middle">${duration(gapOf(seen))} without an acknowledged write</text>` +
    `<line class="mark" x1="${zero}" x2="${zero}" y1="${TOP - 6}" y2="${bottom}"><title>the fault was proven in force</title></line>`
  );
}

function ackRow({ region, old, new: fresh }: CloseUp['acks'][number], scale: Scale, y: number): string {
  const dot = (style: string, word: string) => (ms: number) =>
    `<rect class="${style}" x="${scale.x(ms) - 1.2}" y="${y}" width="2.4" height="16" rx="1"><title>acknowledged by the ` +
    `${word} primary at ${duration(ms)}</title></rect>`;
  return (
    `<text x="0" y="${y + 12}" font-weight="600">${text(shortName(region))}</text>` +
    `<line class="base" x1="${LEFT}" x2="${RIGHT}" y1="${y + 19}" y2="${y + 19}"/>` +
    old.map(dot('e0', 'old')).join('') +
    fresh.map(dot('e1', 'new')).join('')
  );
}

function stepRow({ name, endMs, tookMs, what }: DrillReport['phases'][number], scale: Scale, y: number): string {
  const x = scale.x(endMs - tookMs);
  const width = Math.max(2, scale.x(endMs) - x);
  const style = name === 'first-ack' ? 'step ack' : 'step';
  const isBeyond = endMs > scale.toMs;
  return (
    `<text class="soft" x="0" y="${y + 11}">${text(name)}</text>` +
    (isBeyond && endMs - tookMs > scale.toMs
      ? ''
      : `<rect class="${style}" x="${x}" y="${y + 2}" width="${width}" height="11" rx="2"><title>${text(what)}</title></rect>`) +
    `<text class="soft" x="${WIDTH - 62}" y="${y + 11}">+${duration(tookMs)}</text>`
  );
}
