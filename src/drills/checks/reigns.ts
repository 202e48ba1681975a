import type { LedgerRow } from '../ledger.ts';

/**
 * The change of primary as the acknowledgements themselves show it. Every promotion begins a new PostgreSQL timeline and
 * every acknowledged INSERT brings its timeline along, so nothing here depends on what Farshore says about itself.
 */
export interface ReignChange {
  readonly oldTimeline: number;
  readonly newTimeline: number;
  readonly lastOldAckMs: number;
  readonly firstNewAckMs: number;
  /** Last acknowledged write before to first acknowledged after. */
  readonly gapMs: number;
}

type Acknowledged = LedgerRow & { readonly timeline: number };
const acknowledgedOnTimeline = (row: LedgerRow): row is Acknowledged => row.outcome === 'ok' && row.timeline !== null;

/** The change of reign that these rows saw after `t0`; null when they show only one timeline, or nothing before or after. */
export function reignChangeOf(rows: readonly LedgerRow[], t0Ms: number): ReignChange | null {
  const acknowledged = rows.filter(acknowledgedOnTimeline);
  const before = acknowledged.filter((row) => row.doneMs <= t0Ms);
  const oldTimeline = before.reduce((newest, row) => Math.max(newest, row.timeline), 0);
  const newer = acknowledged.filter((row) => row.timeline > oldTimeline);
  if (oldTimeline === 0 || newer.length === 0) return null;
  const firstNew = newer.reduce((first, row) => (row.doneMs < first.doneMs ? row : first));
  const old = acknowledged.filter((row) => row.timeline <= oldTimeline && row.doneMs <= firstNew.doneMs);
  const lastOldAckMs = old.reduce((last, row) => Math.max(last, row.doneMs), 0);
  return {
    oldTimeline,
    newTimeline: firstNew.timeline,
    lastOldAckMs,
    firstNewAckMs: firstNew.doneMs,
    gapMs: firstNew.doneMs - lastOldAckMs,
  };
}

export interface Zombies {
  /** Acknowledged by an old timeline after the new one had acknowledged. */
  readonly ids: readonly string[];
  /** Those of them that the surviving timeline lacks: a lost write that a client was told is safe. */
  readonly notHeld: readonly string[];
}

/** Old-side acknowledgements after the new reign's first one, over all cohorts, and whether the new timeline holds them. */
export function zombiesOf(
  rows: readonly LedgerRow[],
  change: ReignChange | null,
  presentOnPrimary: ReadonlySet<string>,
): Zombies {
  if (change === null) return { ids: [], notHeld: [] };
  const ids = rows
    .filter(acknowledgedOnTimeline)
    .filter((row) => row.timeline <= change.oldTimeline && row.doneMs > change.firstNewAckMs)
    .map((row) => row.id);
  return { ids, notHeld: ids.filter((id) => !presentOnPrimary.has(id)) };
}
