import { placeId } from '../../base/ids.ts';
import type { LedgerRow, Op } from '../ledger.ts';
import { predictFailover } from '../predict.ts';
import type { NodeRead, TrialObservation } from './observation.ts';

const KNOBS = { brokenAfterMs: 150, silentAfterMs: 1_300, wedgedAfterMs: 6_000, tickMs: 100, leaseTtlMs: 3_000 };
export const T0_MS = 5_000;
export const BACK_MS = 5_800;
const RELEASED_MS = 17_000;
const END_MS = 25_000;
export const [DEAD, NEAR, FAR] = [placeId('aws:a'), placeId('aws:b'), placeId('aws:c')];

/** A crash at 5 s, writes again from 5.8 s on, under timeline 2. Reads never fail. */
function rowsOf(region: string, op: Op): LedgerRow[] {
  const cohort = `${op === 'sql-write' ? 'sql' : 'http'}@${region}`;
  return Array.from({ length: END_MS / 50 }, (_, seq) => {
    const atMs = seq * 50;
    const isWrite = op !== 'http-read';
    const gone = atMs >= T0_MS && atMs < RELEASED_MS && region === DEAD;
    const parked = isWrite && !gone && atMs >= T0_MS && atMs < BACK_MS;
    const timeline = op !== 'sql-write' || gone ? null : atMs < T0_MS ? 1 : 2;
    const doneMs = parked ? BACK_MS : atMs + 5;
    const times = { intendedMs: atMs, startedMs: atMs + 1, sentMs: atMs + 1, doneMs };
    const outcome = gone ? ('fail' as const) : ('ok' as const);
    const code = gone ? 'ECONNREFUSED' : null;
    // Readers ask for an order of 2.5 s ago.
    const [what, which] = isWrite ? [op, seq] : ['http-write', Math.max(0, seq - 50)];
    const served = { region: null, timeline, lsn: null, session: 0, reused: true };
    return { kind: 'attempt', cohort, op, id: `d.${cohort}.${what}.${which}`, seq, ...times, outcome, code, ...served };
  });
}

/** What a drill sees on a good day, for tests. */
export function honestTrial(): TrialObservation {
  const rows = [DEAD, NEAR, FAR].flatMap((region) =>
    (['sql-write', 'http-write', 'http-read'] as const).flatMap((op) => rowsOf(region, op)),
  );
  const held = (op: Op, untilMs = END_MS): ReadonlyMap<string, number> =>
    new Map(
      rows
        .filter((row) => row.op === op && row.outcome === 'ok' && row.doneMs < untilMs + 10)
        .map((row) => [row.id, 1]),
    );
  const read = (node: string, isPrimary: boolean, untilMs?: number): NodeRead => ({
    node,
    isPrimary,
    lsn: '0/3000000',
    ledger: held('sql-write', untilMs),
    orders: held('http-write', untilMs),
    epochs: [
      { n: 1, node: 'aws:a/n1', timeline: 1 },
      { n: 2, node: 'aws:b/n1', timeline: 2 },
    ],
  });
  return {
    drill: 'd',
    name: 'region-failover',
    fault: 'crash',
    planned: false,
    expects: 'move',
    deployment: 'shop',
    startedAtWallMs: 1_700_000_000_000,
    command: 'farshore drill region-failover',
    objectives: { rtoMs: 30_000, rpoMs: 0 },
    lost: { region: DEAD, wasPrimary: true },
    survivors: [NEAR, FAR],
    prediction: predictFailover(KNOBS, { regionsMs: 0, storeMs: 0 }, 'broken', false),
    windowMs: 10_000,
    loadStartedMs: 0,
    sqlWritesPerSecond: 20,
    injected: { fromMs: T0_MS - 20, effectiveMs: T0_MS, processes: 30, what: 'a is gone', evidence: 'none left' },
    asked: null,
    undo: {
      complete: true,
      why: 'it follows again',
      downFromMs: T0_MS,
      releasedMs: RELEASED_MS,
      rejoinedMs: RELEASED_MS + 3_000,
      syncedMs: RELEASED_MS + 1_000,
    },
    loadEndedMs: END_MS,
    ledger: { rows, complete: true },
    clock: { wallMinusMonotonicMs: 1_000 },
    samples: [
      { node: 'aws:a/n1', atMs: 4_900, role: 'primary', epoch: 1, openPrimary: true },
      { node: 'aws:b/n1', atMs: 6_000, role: 'primary', epoch: 2, openPrimary: true },
      { node: 'aws:c/n1', atMs: 6_000, role: 'standby', epoch: 2, openPrimary: false },
    ],
    marks: [],
    afterPromotion: { startedMs: 16_000, read: read('aws:b/n1', true, 16_000) },
    final: [read('aws:b/n1', true), read('aws:a/n1', false), read('aws:c/n1', false)],
    unread: [],
    operation: {
      id: 'takeover-2',
      kind: 'takeover',
      epoch: 2,
      actor: 'aws:b/n1' as never,
      reason: { code: 'majority', text: '3 of 3 observers cannot see it commit' },
      state: 'done',
      request: null,
      driver: 'aws:b/n1' as never,
      steps: [
        { name: 'epoch', atWallMs: 6_300, tookMs: 50, what: 'epoch 2' },
        { name: 'promote', atWallMs: 6_600, tookMs: 300, what: 'promoted' },
      ],
    },
    told: { bound: null, saved: 0 },
    diverged: false,
    primaryBefore: 'aws:a/n1',
    primaryAfter: 'aws:b/n1',
    cancelledWaits: 0,
    users: null,
    files: { ledger: '/state/reports/d.ledger.jsonl', report: '/state/reports/d.json', html: '/state/reports/d.html' },
  };
}
