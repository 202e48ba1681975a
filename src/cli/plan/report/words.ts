import { text } from '../../../drills/report/html/markup.ts';

const NARROW = '\u00a0';

export const percent = (share: number): string => `${(share * 100).toFixed(1)}${NARROW}%`;
export const dollars = (usd: number): string => `$${Math.round(usd).toLocaleString('en-US')}`;
export const ms = (value: number): string => `${Math.round(value)}${NARROW}ms`;
/** How much more or less; nothing for no difference. */
export const difference = (usd: number): string =>
  Math.abs(usd) < 0.5 ? 'the same' : `${usd < 0 ? '−' : '+'}${dollars(Math.abs(usd))}`;

/** A share of a year that something is down. */
export function aYear(share: number): string {
  const seconds = share * 31_536_000;
  if (seconds < 90) return `${seconds.toFixed(0)}${NARROW}s`;
  return seconds < 7_200 ? `${(seconds / 60).toFixed(0)}${NARROW}min` : `${(seconds / 3_600).toFixed(1)}${NARROW}h`;
}

export interface Column {
  readonly title: string;
  /** Figures stand right. */
  readonly figure?: boolean;
}

/** A table whose cells are plain text. `last`: the last row is the sum. */
export function tableOf(columns: readonly Column[], rows: readonly (readonly string[])[], last = false): string {
  const kind = (i: number): string => (columns[i]?.figure === true ? ' class="n"' : '');
  const head = columns.map(({ title }, i) => `<th${kind(i)}>${text(title)}</th>`).join('');
  const body = rows.map(
    (row, r) =>
      `<tr${last && r === rows.length - 1 ? ' class="sum"' : ''}>${row.map((cell, i) => `<td${kind(i)}>${text(cell)}</td>`).join('')}</tr>`,
  );
  return `<div class="wide${columns.length > 3 ? ' long' : ''}"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

export const details = (title: string, body: string): string =>
  `<details><summary>${text(title)}</summary>${body}</details>`;
