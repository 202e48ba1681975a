import type { PlaceId } from '../../base/ids.ts';

/** One row of a table of round trips as it was read: directed, where both directions are given. */
export interface RttRow {
  readonly from: PlaceId;
  readonly to: PlaceId;
  readonly ms: number;
  /** Where it stands, for a person: `rtts.csv:17`. */
  readonly at: string;
}

/** What a gate found. `note`: worth knowing, nothing is refused. */
export interface Finding {
  readonly gate: Gate;
  readonly severity: 'error' | 'note';
  readonly at: string;
  readonly text: string;
}

/** The gates, with what each holds. */
export const GATES = {
  coordinates: 'two sources place a region, or a metro of its name, within 150 km of each other',
  light: 'no round trip is faster than light in a straight fibre',
  triangle: 'no pair is far slower than going through a third region',
  asymmetry: 'both directions of a pair are within 12 ms and 15 %',
  residual: 'no pair is far from what the measured pairs around it say',
  copied: 'no two regions far apart have the same row',
  ids: 'every region is known',
  age: 'no table is older than three years, unless its header says why it is still used',
  checksum: 'every pack is as it was shipped',
} as const;
export type Gate = keyof typeof GATES;

/** A table with both directions of a pair as one: the mean. */
export function symmetric(rows: readonly RttRow[]): readonly RttRow[] {
  const pairs = new Map<string, { row: RttRow; sum: number; count: number }>();
  for (const row of rows) {
    const key = row.from < row.to ? `${row.from}|${row.to}` : `${row.to}|${row.from}`;
    const found = pairs.get(key);
    if (found === undefined) pairs.set(key, { row, sum: row.ms, count: 1 });
    else Object.assign(found, { sum: found.sum + row.ms, count: found.count + 1 });
  }
  return [...pairs.values()].map(({ row, sum, count }) => ({ ...row, ms: sum / count }));
}
