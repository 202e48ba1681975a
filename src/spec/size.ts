/** Powers of 1024, as in PostgreSQL's settings. */
const UNITS = { B: 1, kB: 1_024, MB: 1_024 ** 2, GB: 1_024 ** 3, TB: 1_024 ** 4 } as const;
type Unit = keyof typeof UNITS;

/** A whole number and a unit: `64kB`, `16MB`, `1GB`. */
export const SIZE = /^(\d{1,9})(B|kB|MB|GB|TB)$/;

/** Bytes, or null when the text is no size. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text);
  return match === null ? null : Number(match[1]) * UNITS[match[2] as Unit];
}

/** The largest unit that fits exactly: 16777216 is `16MB`. `bytes` is a whole number. */
export function formatSize(bytes: number): string {
  const units = (Object.entries(UNITS) as [Unit, number][]).toReversed();
  const [unit, size] = units.find(([, each]) => bytes % each === 0 && bytes >= each) ?? ['B', 1];
  return `${bytes / size}${unit}`;
}

/** What was probably meant: `16 mb`, `16MiB` and `16M` are `16MB`, a bare number is bytes. Null when there is no guess. */
export function guessSize(value: unknown): string | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null;
  const match = /^\s*(\d{1,12}(?:\.\d{1,3})?)\s*(?:([kmgt])(?:i?b)?|bytes?|b)?\.?\s*$/i.exec(String(value));
  if (match === null) return null;
  const unit = unitOf((match[2] ?? '').toLowerCase());
  const bytes = Number(match[1]) * UNITS[unit];
  return Number.isInteger(bytes) ? formatSize(bytes) : null;
}

function unitOf(letter: string): Unit {
  switch (letter) {
    case 'k':
      return 'kB';
    case 'm':
      return 'MB';
    case 'g':
      return 'GB';
    case 't':
      return 'TB';
    default:
      return 'B';
  }
}
