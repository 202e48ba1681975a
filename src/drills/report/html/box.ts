import { text } from './markup.ts';

/** One figure of a report, with what it is measured against. */
interface Box {
  readonly title: string;
  readonly value: string;
  readonly tone: 'pass' | 'fail' | '';
  /** Share of the limit that was used; null without a meter. */
  readonly used: number | null;
  readonly lines: readonly string[];
}

/** As HTML; everything in it is escaped. */
export const box = ({ title, value, tone, used, lines }: Box): string =>
  `<div class="figure ${tone}"><b>${text(title)}</b><strong>${text(value)}</strong>` +
  (used === null
    ? ''
    : `<div class="meter"><i style="width:${Math.round(Math.min(1, used) * 1000) / 10}%"></i></div>`) +
  `${lines.map((line) => `<span>${text(line)}</span>`).join('')}</div>`;
