const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNITS;

/** A whole number and a unit: `500ms`, `30s`, `5m`, `24h`, `7d`. */
export const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/;

/** Milliseconds, or null when the text is no duration. */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text);
  return match === null ? null : Number(match[1]) * UNITS[match[2] as Unit];
}

/** The largest unit that fits exactly: 90000 is `90s`, 60000 is `1m`. One day stays `24h`. `ms` is a whole number. */
export function formatDuration(ms: number): string {
  const units = (Object.entries(UNITS) as [Unit, number][]).toReversed();
  const [unit, size] = units.find(([name, each]) => ms % each === 0 && ms >= (name === 'd' ? 2 * each : each)) ?? [
    'ms',
    1,
  ];
  return ms === 0 ? '0s' : `${ms / size}${unit}`;
}

/** What was probably meant: `60` and `60 sec` are `60s`, `1.5s` is `1500ms`. Null when there is no guess. */
export function guessDuration(value: unknown): string | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null;
  const match = /^\s*(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]*)\.?\s*$/i.exec(String(value));
  if (match === null) return null;
  const unit = unitOf((match[2] ?? '').toLowerCase());
  const count = Number(match[1]);
  if (unit === null || Number.isInteger(count)) return unit && `${count}${unit}`;
  const ms = count * UNITS[unit];
  return Number.isInteger(ms) ? formatDuration(ms) : null;
}

function unitOf(word: string): Unit | null {
  if (word === '' || /^s(ec(ond)?s?)?$/.test(word)) return 's';
  if (/^(ms|millis|msecs?|milliseconds?)$/.test(word)) return 'ms';
  if (/^m(in(ute)?s?)?$/.test(word)) return 'm';
  if (/^h((ou)?rs?)?$/.test(word)) return 'h';
  return /^d(ays?)?$/.test(word) ? 'd' : null;
}
