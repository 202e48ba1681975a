import { type SendLag, sendLagOf } from '../checks/generator.ts';
import { type Loss, lossOf, type NodeContents } from '../checks/loss.ts';
import { recoveryOf } from '../checks/recovery.ts';
import { type ReignChange, reignChangeOf, type Zombies, zombiesOf } from '../checks/reigns.ts';
import { type PrimariesByEpoch, primariesByEpoch } from '../checks/single-primary.ts';
import { type LedgerRow, type Op, streamsIn } from '../ledger.ts';
import { regionOfCohort } from '../load/mix.ts';
import type { NodeRead, TrialObservation } from './observation.ts';
import type { StreamReport } from '../report/report.ts';

/** What the checkers computed from one observation; the findings and the report are made of it. */
export interface Figures {
  readonly streams: readonly StreamReport[];
  readonly change: ReignChange | null;
  readonly changeByRegion: ReadonlyMap<string, ReignChange | null>;
  /** Null when no node was read as the primary: then nothing can be said about loss. */
  readonly ledgerLoss: Loss | null;
  readonly ordersLoss: Loss | null;
  readonly lostAfterPromotion: number | null;
  readonly zombies: Zombies;
  readonly primaries: PrimariesByEpoch;
  readonly errorsReturned: number;
  readonly sendLag: SendLag;
  /** The latest that a request of a surviving region was sent, from a second before the fault until all of them were served. */
  readonly lateInFaultMs: number;
  /** Timelines that acknowledged after t0 and are newer than all before, in order. */
  readonly newTimelines: readonly number[];
  /** Epochs under which an agent said that it is open, before t0 and after it. */
  readonly heardOpen: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** Reads of surviving regions that asked for an order acknowledged before; `stale`: those who did not find it. */
  readonly readsOfAcknowledged: { readonly asked: number; readonly stale: number };
  /** SQL writes due after t0, region by region. */
  readonly writesWentOn: readonly WentOn[];
  /** Of the judged regions: in flight at t0 or later, and not acknowledged. */
  readonly errorsSeen: readonly LedgerRow[];
  /** From the release to the first write acknowledged to the hit region's own users that was begun after it. */
  readonly servedAgainMs: number | null;
}

export interface WentOn {
  readonly region: string;
  /** Acknowledged ones of those that were due. */
  readonly share: number;
  /** Between two acknowledgements, or to the end. */
  readonly longestGapMs: number;
}

const TRANSACTION_UNKNOWN = '08007';
const BEFORE_FAULT_MS = 1_000;

/** t0, or the end of the load when nothing was injected: then nothing happened after it. */
export const t0Of = (o: TrialObservation): number => o.injected?.effectiveMs ?? o.loadEndedMs;

export function figuresOf(o: TrialObservation): Figures {
  const { rows } = o.ledger;
  const t0Ms = t0Of(o);
  const sqlOf = (region: string) =>
    rows.filter((row) => row.op === 'sql-write' && regionOfCohort(row.cohort) === region);
  const served = new Set<string>(o.survivors);
  const surviving = rows.filter((row) => row.op === 'sql-write' && served.has(regionOfCohort(row.cohort)));
  const change = reignChangeOf(surviving, t0Ms);
  const primary = o.final.find((read) => read.isPrimary);
  const streams = streamsOf(o, t0Ms);
  return {
    streams,
    change,
    changeByRegion: new Map(o.survivors.map((region) => [region, reignChangeOf(sqlOf(region), t0Ms)])),
    ledgerLoss: lossIn(o, 'ledger', 'sql-write', t0Ms),
    ordersLoss: rows.some((row) => row.op === 'http-write') ? lossIn(o, 'orders', 'http-write', t0Ms) : null,
    lostAfterPromotion: lostAfterPromotion(o),
    zombies: zombiesOf(rows, change, new Set(primary?.ledger.keys())),
    primaries: primariesByEpoch([...o.samples, ...primariesInData(o.final)]),
    errorsReturned: rows.filter((row) => row.code === TRANSACTION_UNKNOWN).length,
    sendLag: sendLagOf(rows),
    lateInFaultMs: lateInFault(o, streams, t0Ms),
    newTimelines: newTimelines(surviving, change),
    heardOpen: heardOpen(o, t0Ms),
    readsOfAcknowledged: readsOfAcknowledged(o),
    writesWentOn: o.survivors.map((region) => ({ region, ...wentOn(sqlOf(region), t0Ms, o.loadEndedMs) })),
    errorsSeen: rows.filter(
      (row) => row.outcome !== 'ok' && row.doneMs >= t0Ms && served.has(regionOfCohort(row.cohort)),
    ),
    servedAgainMs: servedAgainMs(o, sqlOf(o.lost.region)),
  };
}

const newTimelines = (rows: readonly LedgerRow[], change: ReignChange | null): readonly number[] =>
  change === null
    ? []
    : [...new Set(rows.flatMap((row) => (row.outcome === 'ok' ? (row.timeline ?? []) : [])))]
        .filter((timeline) => timeline > change.oldTimeline)
        .toSorted((a, b) => a - b);

function heardOpen({ samples }: TrialObservation, t0Ms: number): Figures['heardOpen'] {
  const epochs = (isThen: (atMs: number) => boolean) => [
    ...new Set(samples.filter((it) => it.openPrimary && isThen(it.atMs)).map((it) => it.epoch)),
  ];
  return { before: epochs((atMs) => atMs <= t0Ms), after: epochs((atMs) => atMs > t0Ms) };
}

function lateInFault(o: TrialObservation, streams: readonly StreamReport[], t0Ms: number): number {
  const fromMs = (o.injected?.fromMs ?? t0Ms) - BEFORE_FAULT_MS;
  const untilMs = t0Ms + (slowest(streams) ?? 0);
  const served = new Set<string>(o.survivors);
  return o.ledger.rows
    .filter((row) => served.has(regionOfCohort(row.cohort)) && row.intendedMs >= fromMs && row.intendedMs <= untilMs)
    .reduce((most, row) => Math.max(most, row.startedMs - row.intendedMs), 0);
}

function readsOfAcknowledged({ ledger: { rows }, survivors }: TrialObservation): Figures['readsOfAcknowledged'] {
  const served = new Set<string>(survivors);
  const acknowledged = new Set(
    rows.filter((row) => row.op === 'http-write' && row.outcome === 'ok').map((row) => row.id),
  );
  const reads = rows.filter(
    (row) =>
      row.op === 'http-read' &&
      row.outcome === 'ok' &&
      served.has(regionOfCohort(row.cohort)) &&
      acknowledged.has(row.id),
  );
  return { asked: reads.length, stale: reads.filter((row) => row.code === '404').length };
}

function wentOn(rows: readonly LedgerRow[], fromMs: number, untilMs: number): Omit<WentOn, 'region'> {
  const due = rows.filter((row) => row.intendedMs >= fromMs);
  const acknowledged = due.filter((row) => row.outcome === 'ok').map((row) => row.doneMs);
  const moments = [fromMs, ...acknowledged.toSorted((a, b) => a - b), untilMs];
  const gaps = moments.slice(1).map((atMs, i) => atMs - (moments[i] ?? fromMs));
  return { share: due.length === 0 ? 0 : acknowledged.length / due.length, longestGapMs: Math.max(...gaps) };
}

function servedAgainMs({ undo }: TrialObservation, rows: readonly LedgerRow[]): number | null {
  const { releasedMs } = undo;
  if (releasedMs === null) return null;
  const first = rows.filter((row) => row.outcome === 'ok' && row.intendedMs >= releasedMs).map((row) => row.doneMs);
  return first.length === 0 ? null : Math.min(...first) - releasedMs;
}

function streamsOf(o: TrialObservation, t0Ms: number): readonly StreamReport[] {
  const window = { t0Ms, endMs: o.loadEndedMs, windowMs: o.windowMs };
  const served = new Set<string>(o.survivors);
  return streamsIn(o.ledger.rows).flatMap((rows) => {
    const { cohort, op } = rows[0] ?? {};
    if (cohort === undefined || op === undefined) return [];
    const region = regionOfCohort(cohort);
    return [{ cohort, region, op, judged: served.has(region), ...recoveryOf(rows, window) }];
  });
}

function lossIn(o: TrialObservation, table: 'ledger' | 'orders', op: Op, t0Ms: number): Loss | null {
  if (!o.final.some((read) => read.isPrimary)) return null;
  const writes = o.ledger.rows.filter((row) => row.op === op);
  return lossOf(
    writes,
    o.final.map((read) => contentsOf(read, table)),
    t0Ms,
    o.ledger.complete,
    o.objectives.rpoMs > 0,
  );
}

/** Acknowledged before the new primary was read, and not there: seen before the old one came back with its data. */
function lostAfterPromotion(o: TrialObservation): number | null {
  const seen = o.afterPromotion;
  if (seen === null) return null;
  const due = o.ledger.rows.filter((row) => row.outcome === 'ok' && row.doneMs < seen.startedMs);
  return due.filter(
    (row) =>
      (row.op === 'sql-write' && !seen.read.ledger.has(row.id)) ||
      (row.op === 'http-write' && !seen.read.orders.has(row.id)),
  ).length;
}

/** The slowest judged stream; null when there is none or one never became stable. */
export function slowest(streams: readonly StreamReport[]): number | null {
  const judged = streams.filter((stream) => stream.judged);
  if (judged.length === 0 || judged.some((stream) => stream.rtoMs === null)) return null;
  return Math.max(...judged.map((stream) => stream.rtoMs ?? 0));
}

const contentsOf = (read: NodeRead, table: 'ledger' | 'orders'): NodeContents => ({
  node: read.node,
  isPrimary: read.isPrimary,
  counts: read[table],
});

/** What the databases themselves say about who was primary under which epoch. */
const primariesInData = (reads: readonly NodeRead[]) =>
  reads.flatMap((read) => read.epochs.map(({ n, node }) => ({ node, epoch: n, openPrimary: true })));
