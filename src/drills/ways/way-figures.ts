import { recoveryOf, type RecoveryWindow } from '../checks/recovery.ts';
import type { LedgerRow } from '../ledger.ts';
import { type Connections, wayOfCohort, WAYS, type WayName } from './ways.ts';

export interface Counted {
  readonly requests: number;
  readonly failed: number;
}

/** What became of the safe requests of users who came one way. */
export interface WayReport {
  readonly way: WayName;
  /** The region that answered them last before the fault; null when none did. */
  readonly ledTo: string | null;
  /** Sent before the fault, answered or given up after it. */
  readonly inFlight: Counted;
  /** On connections that were open and idle when the fault came, and on those opened since by users who keep them. */
  readonly kept: Counted;
  /** Each on a connection of its own. */
  readonly fresh: Counted;
  /** From the fault to the first answer of lasting service, the slower of both kinds of connections; null when it did not come. */
  readonly backMs: number | null;
}

export function wayReportsOf(rows: readonly LedgerRow[], window: RecoveryWindow): readonly WayReport[] {
  const taken = new Set(rows.map((row) => wayOfCohort(row.cohort).way));
  return WAYS.filter((way) => taken.has(way)).map((way) => wayReportOf(way, rows, window));
}

function wayReportOf(way: WayName, rows: readonly LedgerRow[], window: RecoveryWindow): WayReport {
  const { t0Ms, endMs } = window;
  const of = (connections: Connections): readonly LedgerRow[] =>
    rows.filter((row) => {
      const is = wayOfCohort(row.cohort);
      return is.way === way && is.connections === connections;
    });
  const [kept, fresh] = [of('kept'), of('new')];
  const both = [...kept, ...fresh];
  const later = (row: LedgerRow): boolean => row.intendedMs >= t0Ms && row.intendedMs < endMs;
  const before = both.filter((row) => row.outcome === 'ok' && row.doneMs < t0Ms);
  const back = [kept, fresh].map((each) => recoveryOf(each, window).rtoMs);
  return {
    way,
    ledTo: before.toSorted((a, b) => a.doneMs - b.doneMs).at(-1)?.region ?? null,
    inFlight: counted(both.filter((row) => row.intendedMs < t0Ms && row.doneMs >= t0Ms)),
    kept: counted(kept.filter(later)),
    fresh: counted(fresh.filter(later)),
    backMs: back.includes(null) ? null : Math.max(...back.map(Number)),
  };
}

const counted = (rows: readonly LedgerRow[]): Counted => ({
  requests: rows.length,
  failed: rows.filter((row) => row.outcome !== 'ok').length,
});
