const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand in HTML and SVG, in an attribute too. Everything in a report that is not ours goes through here. */
export const text = (value: string | number): string =>
  String(value).replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

/** A number and its unit stay on one line. */
const NARROW = '\u00a0';

/** A duration for people: `737 ms`, `1.87 s`, `14.2 s`. */
export function duration(ms: number): string {
  const rounded = Math.round(ms);
  if (Math.abs(rounded) < 1_000) return `${rounded}${NARROW}ms`;
  const digits = Math.abs(rounded) < 10_000 && rounded % 1_000 !== 0 ? 2 : 1;
  return `${(ms / 1_000).toFixed(digits)}${NARROW}s`;
}

/** A moment on an axis: seconds, with as many digits as the step needs. */
export const moment = (ms: number, stepMs: number): string =>
  `${(ms / 1_000).toFixed(stepMs < 1_000 ? (stepMs < 100 ? 2 : 1) : 0)} s`;

export interface Scale {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  x(ms: number): number;
}

const STEPS_MS = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 300_000];

/** Time to pixels between `left` and `right`, with ticks at a round step. */
export function scaleOf(fromMs: number, toMs: number, left: number, right: number): Scale {
  const wantedMs = (toMs - fromMs) / 10;
  const stepMs = STEPS_MS.find((step) => step >= wantedMs) ?? 600_000;
  const perMs = (right - left) / Math.max(1, toMs - fromMs);
  const x = (ms: number) => Math.round((left + (Math.min(toMs, Math.max(fromMs, ms)) - fromMs) * perMs) * 10) / 10;
  return { fromMs, toMs, stepMs, x };
}

/** Vertical lines and their times. */
export function axis(scale: Scale, top: number, bottom: number): string {
  const lines: string[] = [];
  for (let ms = Math.ceil(scale.fromMs / scale.stepMs) * scale.stepMs; ms <= scale.toMs; ms += scale.stepMs) {
    const x = scale.x(ms);
    lines.push(`<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}"/>`);
    lines.push(
      `<text class="tick" x="${x}" y="${bottom + 15}" text-anchor="middle">${moment(ms, scale.stepMs)}</text>`,
    );
  }
  return lines.join('');
}
