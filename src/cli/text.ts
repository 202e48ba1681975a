/** Times and sizes for people: one rule everywhere. */
export function seconds(ms: number): string {
  return ms < 99_950 ? `${(ms / 1_000).toFixed(1)}s` : `${Math.round(ms / 1_000)}s`;
}

/** How old a value is: `now`, `0.4s`, `3m`, `2h`. */
export function age(ms: number): string {
  if (ms < 50) return 'now';
  if (ms < 100_000) return seconds(ms);
  return ms < 6_000_000 ? `${Math.round(ms / 60_000)}m` : `${Math.round(ms / 3_600_000)}h`;
}

export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`;
  const [unit, size] =
    count < 1_048_576 ? ['KiB', 1_024] : count < 1_073_741_824 ? ['MiB', 1_048_576] : ['GiB', 1_073_741_824];
  return `${(count / Number(size)).toFixed(1)} ${unit}`;
}

export const round = (ms: number): string => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)));

/** Columns of text, padded to the widest cell; `painted` is applied after padding. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
