import type { PrimarySample } from '../checks/single-primary.ts';
import type { ReignChange } from '../checks/reigns.ts';
import { groupBy } from '../group-by.ts';
import type { LedgerRow } from '../ledger.ts';
import { regionOfCohort } from '../load/mix.ts';
import type { TrialObservation } from './observation.ts';

/** What happened when, for a picture. Milliseconds after t0; all lists are in order of time. */
export interface Timeline {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
  /** One per region and kind of request: what was answered in each bucket, counted where the answer came. */
  readonly traffic: readonly {
    readonly region: string;
    readonly kind: 'writes' | 'reads';
    readonly judged: boolean;
    readonly ok: readonly number[];
    readonly failed: readonly number[];
  }[];
  /** What each node's agent said about itself. `silent`: it said nothing. */
  readonly roles: readonly {
    readonly node: string;
    readonly spans: readonly RoleSpan[];
  }[];
  readonly marks: readonly { readonly name: string; readonly atMs: number; readonly what: string }[];
  /** Every acknowledged SQL write around the change of primary, by region; null when the primary did not change. */
  readonly closeUp: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly lastOldAckMs: number;
    readonly firstNewAckMs: number;
    readonly acks: readonly {
      readonly region: string;
      readonly old: readonly number[];
      readonly new: readonly number[];
    }[];
  } | null;
}

interface RoleSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly role: 'open' | 'closed' | 'standby' | 'none' | 'silent';
  readonly epoch: number;
}

const BUCKET_MS = 100;
/** Pulses come every 100 ms; a gap longer than this is shown as silence. */
const SILENT_AFTER_MS = 1_000;
const CLOSE_UP_MARGIN_MS = 800;

export function timelineOf(o: TrialObservation, t0Ms: number, change: ReignChange | null): Timeline {
  const fromMs = Math.floor((o.loadStartedMs - t0Ms) / BUCKET_MS) * BUCKET_MS;
  const toMs = Math.max(fromMs + BUCKET_MS, Math.ceil((o.loadEndedMs - t0Ms) / BUCKET_MS) * BUCKET_MS);
  return {
    fromMs,
    toMs,
    bucketMs: BUCKET_MS,
    traffic: trafficOf(o, t0Ms, fromMs, toMs),
    roles: rolesOf(o.samples, t0Ms, toMs),
    marks: o.marks.map(({ name, atMs, what }) => ({ name, atMs: atMs - t0Ms, what })),
    closeUp: change === null ? null : closeUpOf(o, t0Ms, change),
  };
}

function trafficOf(o: TrialObservation, t0Ms: number, fromMs: number, toMs: number): Timeline['traffic'] {
  const served = new Set<string>(o.survivors);
  const regions = [...new Set(o.ledger.rows.map((row) => regionOfCohort(row.cohort)))];
  const count = Math.ceil((toMs - fromMs) / BUCKET_MS);
  return regions.flatMap((region) =>
    (['writes', 'reads'] as const).flatMap((kind) => {
      const rows = o.ledger.rows.filter(
        (row) => regionOfCohort(row.cohort) === region && (row.op === 'http-read') === (kind === 'reads'),
      );
      if (rows.length === 0) return [];
      const ok = Array.from({ length: count }, () => 0);
      const failed = Array.from({ length: count }, () => 0);
      for (const row of rows) {
        const bucket = Math.min(count - 1, Math.max(0, Math.floor((row.doneMs - t0Ms - fromMs) / BUCKET_MS)));
        const counts = row.outcome === 'ok' ? ok : failed;
        counts[bucket] = (counts[bucket] ?? 0) + 1;
      }
      return [{ region, kind, judged: served.has(region), ok, failed }];
    }),
  );
}

function rolesOf(samples: readonly PrimarySample[], t0Ms: number, toMs: number): Timeline['roles'] {
  const byNode = groupBy(
    samples.filter((sample) => sample.role !== 'observer'),
    (sample) => sample.node,
  );
  return [...byNode]
    .map(([node, said]) => ({ node, spans: spansOf(said, t0Ms, toMs) }))
    .toSorted((a, b) => a.node.localeCompare(b.node));
}

function spansOf(samples: readonly PrimarySample[], t0Ms: number, toMs: number): readonly RoleSpan[] {
  const spans: { -readonly [K in keyof RoleSpan]: RoleSpan[K] }[] = [];
  for (const sample of samples) {
    const atMs = sample.atMs - t0Ms;
    const role = roleOf(sample);
    const last = spans.at(-1);
    if (last !== undefined && atMs - last.toMs > SILENT_AFTER_MS)
      spans.push({ fromMs: last.toMs, toMs: atMs, role: 'silent', epoch: last.epoch });
    const before = spans.at(-1);
    if (before !== undefined && before.role === role && before.epoch === sample.epoch) before.toMs = atMs;
    else {
      if (before !== undefined) before.toMs = atMs;
      spans.push({ fromMs: atMs, toMs: atMs, role, epoch: sample.epoch });
    }
  }
  const end = spans.at(-1);
  if (end !== undefined && toMs - end.toMs > SILENT_AFTER_MS)
    spans.push({ fromMs: end.toMs, toMs, role: 'silent', epoch: end.epoch });
  return spans.filter((span) => span.toMs > span.fromMs);
}

function roleOf({ role, openPrimary }: PrimarySample): RoleSpan['role'] {
  if (role === 'primary') return openPrimary ? 'open' : 'closed';
  return role === 'standby' ? 'standby' : 'none';
}

function closeUpOf(o: TrialObservation, t0Ms: number, change: ReignChange): Timeline['closeUp'] {
  const fromMs = Math.min(0, change.lastOldAckMs - t0Ms) - CLOSE_UP_MARGIN_MS;
  const toMs = change.firstNewAckMs - t0Ms + CLOSE_UP_MARGIN_MS;
  const isInside = (row: LedgerRow) =>
    row.op === 'sql-write' && row.outcome === 'ok' && row.doneMs - t0Ms >= fromMs && row.doneMs - t0Ms <= toMs;
  const byRegion = groupBy(o.ledger.rows.filter(isInside), (row) => regionOfCohort(row.cohort));
  const acks = [...byRegion].map(([region, rows]) => {
    const times = (wanted: (timeline: number) => boolean) =>
      rows
        .filter((row) => wanted(row.timeline ?? 0))
        .map((row) => Math.round((row.doneMs - t0Ms) * 10) / 10)
        .toSorted((a, b) => a - b);
    return {
      region,
      old: times((timeline) => timeline <= change.oldTimeline),
      new: times((timeline) => timeline > change.oldTimeline),
    };
  });
  const { lastOldAckMs, firstNewAckMs } = change;
  return { fromMs, toMs, lastOldAckMs: lastOldAckMs - t0Ms, firstNewAckMs: firstNewAckMs - t0Ms, acks };
}
