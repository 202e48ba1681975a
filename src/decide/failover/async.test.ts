import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../base/ids.ts';
import { formatLsn, type Lsn } from '../../base/lsn.ts';
import type { AsyncPolicy } from '../../ports/config.ts';
import type { OperationRecord, SyncRecord } from '../../ports/records.ts';
import { checksFor, obstacleAmong } from './checks.ts';
import { decideFailover } from './decide.ts';
import { lossBeyond, lossUpTo, whyTooMuch } from './loss.ts';
import type { Observation, PeerView, TrailPoint } from './observation.ts';
import { choose, hasPositionQuorum } from './quorum.ts';
import type { Action, FailoverState, Move } from './state.ts';
import {
  A,
  against,
  B,
  C,
  NOW,
  observation,
  peer,
  policy,
  position,
  pulse,
  record,
  standby,
  W,
  withBroken,
} from './testing.ts';

const limits: AsyncPolicy = { rpoMs: 5_000, maxLossBytes: null, guard: 'none' };
const asyncPolicy = { ...policy, mode: 'async' as const, confirm: 0, async: limits };
const candidates = record({ mode: 'async', w: 0, names: [B, C] });

/** The primary was heard serving every 100 ms until `untilMs`, its WAL 0x10 further at each pulse, ending at `0/500`. */
const trailUntil = (untilMs: number): TrailPoint[] =>
  Array.from({ length: 40 }, (_, i) => ({
    atMs: untilMs - i * 100 - 7_000,
    heardAtMs: untilMs - i * 100,
    lsn: formatLsn(0x500n - BigInt(i) * 16n),
  })).toReversed();

/** A is silent for `silentMs`, its lease gone for `goneMs` (null: it stands), a majority against it. */
function lost(silentMs: number, goneMs: number | null, over: Partial<Observation> = {}): Observation {
  const o = observation(
    { policy: asyncPolicy, ...over },
    {
      sync: { value: candidates, modRevision: 50 },
      leaseGoneAtMs: goneMs === null ? null : NOW - goneMs,
      seen: [against(B), against(C), against(W)],
    },
  );
  const gone = withBroken(o, A, silentMs);
  const silent = gone.peers.get(A);
  if (silent === undefined) return gone;
  const heard: PeerView = { ...silent, reign: { epoch: 4, trail: trailUntil(NOW - silentMs) } };
  return { ...gone, peers: new Map([...gone.peers, [A, heard]]) };
}

const suspecting: FailoverState = {
  kind: 'suspecting',
  epoch: 4,
  sinceMs: NOW - 5_000,
  beginning: null,
  unseen: false,
  ended: null,
  retryAtMs: 0,
};
const beginIn = (actions: readonly Action[]) => actions.find((action) => action.do === 'begin-takeover');

describe('F23: an async primary has ended before the epoch is written', () => {
  it('waits while the lease stands, and compares that it is gone', () => {
    const waits = decideFailover(suspecting, lost(2_500, null));
    expect(waits.why.code).toBe('lease-not-expired');
    expect(beginIn(waits.actions)).toBeUndefined();

    const begins = decideFailover(suspecting, lost(3_000, 10));
    expect(beginIn(begins.actions)).toMatchObject({ leaseMustBeGone: true, epoch: 5 });
    expect(begins.state).toMatchObject({ ended: 'lease-expired' });
  });

  it('takes the lease away without waiting when the primary was confirmed killed', () => {
    const restarted = peer(A, {
      pulse: pulse(A, { role: 'standby', open: false, detachable: true }),
      roleSinceMs: NOW - 500,
      reign: { epoch: 4, trail: trailUntil(NOW - 600) },
    });
    const o = lost(2_500, null);
    const step = decideFailover(suspecting, { ...o, peers: new Map([...o.peers, [A, restarted]]) });
    expect(beginIn(step.actions)).toMatchObject({ leaseMustBeGone: false });
    expect(step.state).toMatchObject({ ended: 'killed' });
  });

  it('stands back while this node has promised to (P6)', () => {
    const step = decideFailover(suspecting, lost(3_000, 10, { promisedUntilMs: NOW + 700 }));
    expect(step.why.code).toBe('promised');
  });

  it('counts whose turn it is from the end of the lease', () => {
    const mine = lost(3_000, 10, { me: C });
    const second = { ...mine, peers: new Map([...mine.peers, [B, peer(B)]]) };
    expect(decideFailover(suspecting, second).why.code).toBe('others-first');
  });

  it('changes nothing in the modes that lose nothing', () => {
    const o = withBroken(observation({}, { seen: [against(B), against(C), against(W)] }), A, 2_000);
    expect(beginIn(decideFailover(suspecting, o).actions)).toMatchObject({ leaseMustBeGone: false });
  });
});

describe('F24: the furthest candidate, and a loss that is bounded', () => {
  const fencing = (
    read: readonly (readonly [NodeId, Lsn])[],
    over: { sinceMs?: number; move?: Move } = {},
  ): FailoverState => ({
    kind: 'fencing',
    epoch: 5,
    epochModRevision: 60,
    operation: 'op',
    move: over.move ?? null,
    unseen: true,
    ended: 'lease-expired',
    startedAtMs: NOW - (over.sinceMs ?? 100),
    record: { value: candidates, modRevision: 50 },
    askAgainAtMs: new Map(),
    positions: new Map(read.map(([node, lsn]) => [node, position(lsn)])),
  });
  const epoch5 = (o: Observation): Observation => ({
    ...o,
    store: { ...o.store, epoch: { value: { n: 5, holder: B, systemId: '7', operation: 'op' }, modRevision: 60 } },
  });

  it('waits for every candidate in reach, then promotes the furthest with its loss in the fence', () => {
    const o = epoch5(lost(3_000, 100));
    expect(decideFailover(fencing([[B, '0/4C0']]), o).state.kind).toBe('fencing');
    const step = decideFailover(
      fencing([
        [B, '0/4C0'],
        [C, '0/4F0'],
      ]),
      o,
    );
    const recorded = step.actions.find((action) => action.do === 'record-takeover');
    expect(recorded).toMatchObject({
      target: C,
      fence: { kind: 'lease-expired', loss: { bytes: expect.any(Number) } },
    });
  });

  it('goes on without a candidate that does not answer in time', () => {
    const step = decideFailover(fencing([[B, '0/4C0']], { sinceMs: 1_100 }), epoch5(lost(3_000, 1_200)));
    expect(step.actions.find((action) => action.do === 'record-takeover')).toMatchObject({ target: B });
  });

  it('is left to a person beyond the RPO, beyond maxLoss, and when nobody knows', () => {
    const beyond = epoch5(lost(6_000, 100));
    const codes = [
      decideFailover(suspecting, lost(6_000, 100)).why.code,
      decideFailover(
        fencing([
          [B, '0/500'],
          [C, '0/500'],
        ]),
        beyond,
      ).why.code,
      decideFailover(
        suspecting,
        lost(3_000, 10, { policy: { ...asyncPolicy, async: { ...limits, maxLossBytes: 100 } } }),
      ).why.code,
    ];
    expect(codes).toEqual(['loss-beyond-rpo', 'loss-beyond-rpo', 'loss-beyond-max']);
    const unheard = lost(3_000, 10);
    const never = {
      ...unheard,
      peers: new Map([
        ...unheard.peers,
        [A, peer(A, { pulse: null, brokenSinceMs: 0, heardAtMs: 0, doorRefusedAtMs: NOW })],
      ]),
    };
    expect(decideFailover(suspecting, never).why.code).toBe('loss-unknown');
  });

  it('promotes nobody who is behind a primary that was stopped by order', () => {
    const handedOver = { node: A, timeline: 1, lsn: '0/500', evidence: 'gone' };
    const move: Move = { operation: 'op', kind: 'switchover', target: B, handedOver, force: null };
    const o = epoch5(lost(100, 100));
    expect(
      decideFailover(
        fencing(
          [
            [B, '0/4F0'],
            [C, '0/4F0'],
          ],
          { move },
        ),
        o,
      ).why.code,
    ).toBe('target-behind');
    const step = decideFailover(
      fencing(
        [
          [B, '0/560'],
          [C, '0/500'],
        ],
        { move },
      ),
      o,
    );
    const recorded = step.actions.find((action) => action.do === 'record-takeover');
    expect(recorded).toMatchObject({ target: B, fence: { kind: 'killed' } });
    expect(recorded?.fence.loss).toBeUndefined();
  });

  it('a solo record lets nobody else be promoted', () => {
    const solo: SyncRecord = { ...candidates, names: [] };
    expect(hasPositionQuorum(solo, new Set([B, C]))).toBe(false);
    expect(hasPositionQuorum(candidates, new Set([C]))).toBe(true);
  });

  it('an old primary that is read as well wins when it holds more', () => {
    const read = new Map([
      [A, position('0/500')],
      [B, position('0/4F0')],
    ] as const);
    expect(choose(candidates, read, null, [B, C, A])).toMatchObject({ kind: 'chosen', target: A });
  });

  it('the bound holds whatever the primary acknowledged between its last pulse and its end', () => {
    // The truth: WAL written at `rate` bytes a ms until the end; pulses tell of it every 100 ms; the standby has some of it.
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 0, max: 3_500 }),
        fc.integer({ min: 0, max: 2_000 }),
        (rate, pulsesBehind, silentMs, behindMs) => {
          const endMs = NOW - 20;
          const lastPulseMs = endMs - silentMs;
          const lsnAt = (ms: number): Lsn => formatLsn(BigInt(Math.max(0, Math.round((ms - (NOW - 60_000)) * rate))));
          const trail = Array.from({ length: 100 }, (_, i) => lastPulseMs - i * 100 - pulsesBehind)
            .toReversed()
            .map((heardAtMs) => ({
              atMs: heardAtMs - pulsesBehind - 9_000,
              heardAtMs,
              lsn: lsnAt(heardAtMs - pulsesBehind),
            }));
          const heldUntilMs = lastPulseMs - behindMs;
          const o = lost(silentMs, 20);
          const heard = peer(A, { reign: { epoch: 4, trail }, brokenSinceMs: lastPulseMs, heardAtMs: lastPulseMs });
          const loss = lossBeyond({ ...o, peers: new Map([...o.peers, [A, heard]]) }, lsnAt(heldUntilMs), false);
          expect(loss.ms).toBeGreaterThanOrEqual(endMs - heldUntilMs);
          // Never so wide that it says nothing.
          expect(loss.ms).toBeLessThanOrEqual(endMs - heldUntilMs + 500);
        },
      ),
    );
  });

  it('counts until the end of this node’s own promise, which may have held the primary up beyond its lease (P6)', () => {
    const o = lost(3_000, 2_000);
    const upTo = (promisedUntilMs: number) => lossBeyond({ ...o, promisedUntilMs }, '0/500', false).ms;
    expect((upTo(NOW - 100) ?? 0) - (upTo(0) ?? 0)).toBe(1_900);
  });

  it('dates a pulse that was held up on its way by the quickest of all', () => {
    const o = lost(3_000, 100);
    const late = trailUntil(NOW - 3_000).map((point, i, all) =>
      i === all.length - 1 ? { ...point, heardAtMs: NOW - 200 } : point,
    );
    const heard = peer(A, { reign: { epoch: 4, trail: late } });
    const ms = lossBeyond({ ...o, peers: new Map([...o.peers, [A, heard]]) }, '0/500', false).ms;
    expect(ms).toBeGreaterThanOrEqual(2_900);
  });

  it('is exact where the end of the old primary is known', () => {
    expect(lossUpTo('0/500', '0/500')).toMatchObject({ ms: 0, bytes: 0 });
    expect(lossUpTo('0/400', '0/500')).toMatchObject({ ms: null, bytes: 256 });
    expect(whyTooMuch(asyncPolicy, lossUpTo('0/500', '0/500'))).toBeNull();
  });

  it('with a guard the furthest of all loses no more than the RPO', () => {
    const o = lost(3_000, 100, { policy: { ...asyncPolicy, async: { ...limits, rpoMs: 1_000, guard: 'block' } } });
    expect(lossBeyond(o, '0/4F0', true).ms).toBe(1_000);
    expect(lossBeyond(o, '0/4F0', false).ms).toBeGreaterThan(3_000);
  });
});

describe('what a person may ask of an async group', () => {
  const failover = (o: Observation, fenced: string | null, allowLossMs: number | null) =>
    obstacleAmong(checksFor(o, 'failover' as OperationRecord['kind'], B, { fenced, allowLossMs }))?.name ?? null;

  it('a forced failover needs the end of the old primary and a loss within the limits, or a person for each', () => {
    expect(failover(lost(2_000, null), null, null)).toBe('old primary has ended');
    expect(failover(lost(2_000, null), 'aws:us-east-1', null)).toBe('loss within the limits');
    expect(failover(lost(2_000, null), 'aws:us-east-1', 60_000)).toBeNull();
    expect(failover(lost(3_000, 10), null, null)).toBeNull();
  });
});

it('a cold start is for the recorded holder alone: nobody heard it serve (P8.1)', () => {
  const o = observation(
    { policy: asyncPolicy, local: standby({ upstream: null }) },
    {
      sync: { value: candidates, modRevision: 50 },
      leaseGoneAtMs: NOW - 60_000,
      seen: [against(B), against(C), against(W)],
    },
  );
  expect(decideFailover(suspecting, withBroken(o, A, 60_000)).why.code).toBe('loss-unknown');
});
