import { text } from '../../../drills/report/html/markup.ts';
import { isMet, limitText } from '../../../plan/limit.ts';
import type { Plan } from '../../../plan/plan.ts';
import { shareWithin, type ServedPlace, type ServedPlaces } from '../../../plan/places.ts';

const WIDTH = 720;
const HEIGHT = 300;
const [LEFT, RIGHT, TOP, BOTTOM] = [66, 708, 14, 260];

interface Axes {
  readonly toMs: number;
  readonly x: (ms: number) => number;
  readonly y: (share: number) => number;
}

/** Share of users by what they wait at most, by the metric of the first objective: now with its error band, and after the worst loss. */
export function curveOf(plan: Plan, { now, afterWorst }: ServedPlaces): string {
  const axes = axesOf([...now, ...(afterWorst?.places ?? [])], plan);
  const lost =
    afterWorst === null
      ? ''
      : `<polyline class="lost" points="${pointsOf(afterWorst.places, 'ms', axes).join(' ')}"><title>${text(`without ${afterWorst.lost}`)}</title></polyline>`;
  const band = [...pointsOf(now, 'lowMs', axes), ...pointsOf(now, 'highMs', axes).toReversed()].join(' ');
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Share of users by ${plan.request.latency[0]?.metric === 'ttfb' ? 'time to first byte' : 'round trip'}">
${grid(axes)}<polygon class="band" points="${band}"/>${lost}<polyline class="now" points="${pointsOf(now, 'ms', axes).join(' ')}"/>
${plan.request.hasLatency ? asked(plan, axes) : ''}</svg>`;
}

function axesOf(places: readonly ServedPlace[], { request }: Plan): Axes {
  const limits = request.latency.filter(({ metric }) => metric === request.latency[0]?.metric);
  const longest = Math.max(...limits.map(({ withinMs }) => withinMs), ...places.map(({ highMs }) => highMs));
  // The last hundredth of the users would squeeze all others.
  const total = places.reduce((sum, { share }) => sum + share, 0);
  let toMs = 60;
  while (toMs < longest && shareWithin(places, 'highMs', toMs) < 0.99 * total) toMs += 20;
  const limit = Math.max(toMs, ...limits.map(({ withinMs }) => withinMs * 1.2));
  return {
    toMs: limit,
    x: (ms) => Math.round(10 * (LEFT + ((RIGHT - LEFT) * Math.min(ms, limit)) / limit)) / 10,
    y: (share) => Math.round(10 * (BOTTOM - (BOTTOM - TOP) * Math.min(1, share))) / 10,
  };
}

/** A step at every place, thinned to what can be seen. */
function pointsOf(places: readonly ServedPlace[], end: 'ms' | 'lowMs' | 'highMs', axes: Axes): string[] {
  const step = axes.toMs / 160;
  return Array.from({ length: 161 }, (_, i) => `${axes.x(i * step)},${axes.y(shareWithin(places, end, i * step))}`);
}

function grid({ toMs, x, y }: Axes): string {
  const step = [10, 20, 50, 100, 200].find((each) => toMs / each <= 8) ?? 500;
  const lines: string[] = [];
  for (let ms = 0; ms <= toMs; ms += step)
    lines.push(
      `<line class="grid" x1="${x(ms)}" x2="${x(ms)}" y1="${TOP}" y2="${BOTTOM}"/><text class="tick" x="${x(ms)}" y="${BOTTOM + 24}" text-anchor="middle">${ms}${ms === 0 ? ' ms' : ''}</text>`,
    );
  for (const share of [0, 0.25, 0.5, 0.75, 1])
    lines.push(
      `<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${y(share)}" y2="${y(share)}"/><text class="tick" x="${LEFT - 7}" y="${y(share)}" text-anchor="end" dominant-baseline="central">${share * 100} %</text>`,
    );
  return lines.join('');
}

function asked({ reads }: Plan, { x, y }: Axes): string {
  return reads.objectives
    .filter(({ country, metric }) => country === null && metric === reads.objectives[0]?.metric)
    .map((one) => {
      const { withinMs, metric, asked: share } = one;
      const says = `asked: ${(share * 100).toFixed(0)} % ${limitText({ withinMs, metric })}`;
      const isRight = x(withinMs) > WIDTH / 2;
      return (
        `<line class="mark" x1="${x(withinMs)}" x2="${x(withinMs)}" y1="${TOP}" y2="${BOTTOM}"/>` +
        `<circle class="${isMet(one) ? 'met' : 'missed'}" cx="${x(withinMs)}" cy="${y(share)}" r="5"/>` +
        `<text class="marked" x="${x(withinMs) + (isRight ? -9 : 9)}" y="${Math.min(BOTTOM - 8, y(share) + 20)}" text-anchor="${isRight ? 'end' : 'start'}">${text(says)}</text>`
      );
    })
    .join('');
}
