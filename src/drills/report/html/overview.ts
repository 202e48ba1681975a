import type { DrillReport } from '../report.ts';
import { axis, duration, type Scale, scaleOf, text } from './markup.ts';

const WIDTH = 1_000;
const LEFT = 150;
const RIGHT = WIDTH - 12;
const TOP = 40;
const BAND = 13;
const BARS = 38;
const FAILS = 12;
const ROW = BAND + 6 + BARS + FAILS + 16;
/** Narrower bars than this cannot be told apart. */
const BAR_MIN_PX = 3.5;

type Timeline = DrillReport['timeline'];
type Traffic = Timeline['traffic'][number];
type Span = Timeline['roles'][number]['spans'][number];

/** The whole run: who was primary where, and what the users of each region were answered. */
export function overview(report: DrillReport): string {
  const { timeline, lost } = report;
  const scale = scaleOf(timeline.fromMs, timeline.toMs, LEFT, RIGHT);
  const writes = timeline.traffic
    .filter((it) => it.kind === 'writes')
    .toSorted((a, b) => a.region.localeCompare(b.region));
  const most = highest(writes.flatMap((it) => binned(it, timeline, scale).map((bin) => bin.ok)));
  const bottom = TOP + writes.length * ROW;
  const rows = writes.map((traffic, at) => regionRow(traffic, report, scale, TOP + at * ROW, most));
  return (
    `<svg viewBox="0 0 ${WIDTH} ${bottom + 24}" role="img" aria-label="Timeline of the drill: acknowledged writes of each region, ` +
    `the primary of each epoch, and when ${text(lost.region)} was hit and released">` +
    axis(scale, TOP - 4, bottom) +
    rows.join('') +
    marks(timeline, scale, bottom) +
    '</svg>'
  );
}

/** What a full bar stands for. What waited is answered in one burst; a bar that is cut says so by its title, and the rest stays readable. */
function highest(counts: readonly number[]): number {
  const seen = counts.filter((count) => count > 0).toSorted((a, b) => a - b);
  return Math.max(1, 3 * (seen[Math.floor(seen.length / 2)] ?? 1));
}

function regionRow(traffic: Traffic, report: DrillReport, scale: Scale, y: number, most: number): string {
  const { timeline, lost } = report;
  const base = y + BAND + 6 + BARS;
  const node = timeline.roles.find((it) => it.node.startsWith(`${traffic.region}/`));
  const hit = traffic.region === lost.region ? downBand(timeline, scale, y) : '';
  const note = traffic.region === lost.region ? 'hit' : traffic.judged ? 'must be served' : 'not judged';
  return (
    `${hit}<text x="0" y="${y + 11}" font-weight="600">${text(shortName(traffic.region))}</text>` +
    `<text class="soft" x="0" y="${y + 27}">${note}</text>` +
    (node === undefined ? '' : node.spans.map((span) => roleBand(span, scale, y, firstEpochOf(timeline))).join('')) +
    binned(traffic, timeline, scale)
      .map((bin) => bars(bin, scale, base, most))
      .join('') +
    `<line class="base" x1="${LEFT}" x2="${RIGHT}" y1="${base}" y2="${base}"/>`
  );
}

function downBand(timeline: Timeline, scale: Scale, y: number): string {
  const from = timeline.marks.find((mark) => mark.name === 'injected')?.atMs;
  const to = timeline.marks.find((mark) => mark.name === 'undone')?.atMs ?? timeline.toMs;
  if (from === undefined || to <= from) return '';
  const x = scale.x(from);
  return `<rect class="down" x="${x}" y="${y - 4}" width="${scale.x(to) - x}" height="${ROW - 6}"/>`;
}

const ROLE_WORDS: Readonly<Record<Span['role'], string>> = {
  open: 'primary',
  closed: 'primary, closed to clients',
  standby: 'standby',
  none: 'no PostgreSQL',
  silent: 'its agent is silent',
};
const LETTER_PX = 6.2;

function roleBand(span: Span, scale: Scale, y: number, firstEpoch: number): string {
  const x = scale.x(span.fromMs);
  const width = Math.max(0.5, scale.x(span.toMs) - x);
  const style = span.role === 'open' ? epochStyle(span.epoch, firstEpoch) : span.role;
  const words = `${ROLE_WORDS[span.role]}, epoch ${span.epoch}`;
  const label =
    span.role === 'open' && words.length * LETTER_PX < width
      ? `<text class="role" x="${x + 6}" y="${y + 10}">${words}</text>`
      : '';
  return (
    `<rect class="${style}" x="${x}" y="${y}" width="${width}" height="${BAND}" rx="2">` +
    `<title>${words}: ${duration(span.fromMs)} to ${duration(span.toMs)}</title></rect>${label}`
  );
}

const firstEpochOf = ({ roles }: Timeline): number =>
  Math.min(...roles.flatMap(({ spans }) => spans.filter((span) => span.role === 'open').map((span) => span.epoch)));

/** One colour per reign, two in turn: the same in both pictures. */
const epochStyle = (epoch: number, firstEpoch: number): string => `e${Math.abs(epoch - firstEpoch) % 2}`;

interface Bin {
  readonly fromMs: number;
  readonly toMs: number;
  readonly ok: number;
  readonly failed: number;
}

/** Buckets put together until a bar of them can be seen. */
function binned(traffic: Traffic, { fromMs, toMs, bucketMs }: Timeline, scale: Scale): readonly Bin[] {
  const pxPerBucket = ((RIGHT - LEFT) * bucketMs) / (scale.toMs - scale.fromMs);
  const size = Math.max(1, Math.ceil(BAR_MIN_PX / pxPerBucket));
  const bins: Bin[] = [];
  for (let at = 0; at < traffic.ok.length; at += size) {
    const sum = (counts: readonly number[]) => counts.slice(at, at + size).reduce((total, each) => total + each, 0);
    const startMs = fromMs + at * bucketMs;
    const endMs = Math.min(toMs, startMs + size * bucketMs);
    bins.push({ fromMs: startMs, toMs: endMs, ok: sum(traffic.ok), failed: sum(traffic.failed) });
  }
  return bins;
}

function bars(bin: Bin, scale: Scale, base: number, most: number): string {
  const x = scale.x(bin.fromMs);
  const width = Math.max(1, scale.x(bin.toMs) - x - 0.8);
  const bar = (count: number, style: string, word: string, y: number, height: number) =>
    count === 0
      ? ''
      : `<rect class="${style}" x="${x}" y="${y}" width="${width}" height="${height}"><title>${count} ${word} at ` +
        `${duration(bin.fromMs)}</title></rect>`;
  const up = Math.min(BARS, Math.max(2, (BARS * bin.ok) / most));
  const down = Math.max(3, Math.min(FAILS, (FAILS * bin.failed * 2) / most));
  return bar(bin.ok, 'ok', 'acknowledged', base - up, up) + bar(bin.failed, 'no', 'failed', base + 1, down);
}

const MARK_WORDS: Readonly<Record<string, string>> = { injected: 'hit', undone: 'released', whole: 'whole again' };

function marks({ marks: all }: Timeline, scale: Scale, bottom: number): string {
  let lastEnd = 0;
  return all
    .map(({ name, atMs, what }) => {
      const x = scale.x(atMs);
      if (name === 'disturbance')
        return `<line class="hint" x1="${x}" x2="${x}" y1="30" y2="${bottom}"><title>${text(what)}</title></line>`;
      const word = MARK_WORDS[name] ?? name;
      const y = x < lastEnd ? 12 : 26;
      lastEnd = y === 26 ? x + word.length * 7 + 8 : lastEnd;
      const anchor = x > RIGHT - 80 ? 'end' : 'start';
      return (
        `<line class="mark" x1="${x}" x2="${x}" y1="${y + 3}" y2="${bottom}"><title>${text(what)}</title></line>` +
        `<text class="marked" x="${x}" y="${y}" text-anchor="${anchor}">${text(word)}</text>`
      );
    })
    .join('');
}

export const shortName = (region: string): string => region.slice(region.indexOf(':') + 1);
