import { expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import type { LedgerRow } from '../ledger.ts';
import { wayReportsOf } from './way-figures.ts';

const T0 = 10_000;
const row = (cohort: string, intendedMs: number, outcome: LedgerRow['outcome'], tookMs = 5): LedgerRow => ({
  kind: 'attempt',
  cohort,
  op: 'http-read',
  id: `${cohort}.${intendedMs}`,
  seq: intendedMs,
  intendedMs,
  startedMs: intendedMs,
  sentMs: intendedMs,
  doneMs: intendedMs + tookMs,
  outcome,
  code: null,
  region: intendedMs < T0 ? placeId('aws:eu-west-1') : placeId('aws:eu-west-3'),
  timeline: null,
  lsn: null,
  session: null,
  reused: false,
});
/** Every 100 ms from 5 s before to 20 s after; `isOut` says which fail. */
const stream = (cohort: string, isOut: (atMs: number) => boolean): readonly LedgerRow[] =>
  Array.from({ length: 250 }, (_, i) => 5_000 + i * 100).map((at) => row(cohort, at, isOut(at) ? 'fail' : 'ok'));
const window = { t0Ms: T0, endMs: 30_000, windowMs: 5_000 };

test('each way by itself: failures on kept and on new connections apart, and when the slower of both is back', () => {
  const rows = [
    ...stream('dns/kept', (at) => at >= T0 && at < T0 + 1_000),
    ...stream('dns/new', (at) => at >= T0 && at < T0 + 3_000),
    ...stream('edge/kept', () => false),
    ...stream('edge/new', () => false),
  ];
  expect(wayReportsOf(rows, window).toReversed()).toEqual([
    {
      way: 'dns',
      ledTo: 'aws:eu-west-1',
      inFlight: { requests: 0, failed: 0 },
      kept: { requests: 200, failed: 10 },
      fresh: { requests: 200, failed: 30 },
      backMs: 3_005,
    },
    {
      way: 'edge',
      ledTo: 'aws:eu-west-1',
      inFlight: { requests: 0, failed: 0 },
      kept: { requests: 200, failed: 0 },
      fresh: { requests: 200, failed: 0 },
      backMs: 5,
    },
  ]);
});

test('what was sent before the fault and ended after it is in flight, and one that never comes back says so', () => {
  const rows = [
    ...stream('client-held/kept', (at) => at >= T0),
    row('client-held/kept', T0 - 50, 'fail', 2_000),
    ...stream('client-held/new', (at) => at >= T0),
  ];
  expect(wayReportsOf(rows, window)[0]).toMatchObject({
    inFlight: { requests: 1, failed: 1 },
    kept: { requests: 200, failed: 200 },
    backMs: null,
  });
});
