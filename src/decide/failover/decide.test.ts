import { describe, expect, it } from 'vitest';
import { decideFailover, TRANSITIONS } from './decide.ts';
import type { ActionResult, Observation } from './observation.ts';
import { type FailoverState, STEADY, type Step } from './state.ts';
import {
  A,
  against,
  B,
  C,
  NOW,
  observation,
  peer,
  position,
  pulse,
  record,
  standby,
  W,
  withBroken,
} from './testing.ts';

const lost = (over: Partial<Observation> = {}, store: Partial<Observation['store']> = {}) =>
  withBroken(observation(over, { seen: [against(B), against(W)], ...store }), A, 500);
const suspecting = (sinceMs = NOW - 5_000): FailoverState => ({
  kind: 'suspecting',
  epoch: 4,
  sinceMs,
  beginning: null,
  unseen: false,
  ended: null,
  retryAtMs: 0,
});
const afterEpoch = {
  epoch: { value: { n: 5, holder: B, systemId: '7', operation: 'op' }, modRevision: 60 },
  epochSeenAtMs: NOW,
};
const takeover = {
  epoch: 5,
  epochModRevision: 60,
  operation: 'op',
  startedAtMs: NOW,
  move: null,
  unseen: false,
  ended: null,
  record: { value: record(), modRevision: 50 },
};
const fencing = (over: Partial<Extract<FailoverState, { kind: 'fencing' }>> = {}): FailoverState => ({
  ...takeover,
  kind: 'fencing',
  askAgainAtMs: new Map(),
  positions: new Map(),
  ...over,
});
const detached = (node: typeof A, lsn: string): ActionResult => ({
  of: 'detach',
  epoch: 5,
  node,
  kind: 'done',
  position: position(lsn),
});
const does = (step: Step) => step.actions.map((action) => action.do);

describe('a takeover from loss to promotion', () => {
  it('suspects, then begins once a majority cannot see the primary commit', () => {
    const first = decideFailover(STEADY, lost({}, { seen: [] }));
    expect(first.state.kind).toBe('suspecting');
    expect(first.actions).toMatchObject([{ do: 'publish-verdict', verdict: 'cannot-see-commit', epoch: 4 }]);
    const begun = decideFailover(first.state, lost());
    expect(begun.actions).toMatchObject([
      { do: 'begin-takeover', epoch: 5, epochModRevision: 40, record: { modRevision: 50 } },
    ]);
    const written = decideFailover(
      begun.state,
      lost({ results: [{ of: 'begin-takeover', kind: 'done', epoch: 5, epochModRevision: 60, operation: 'op' }] }),
    );
    expect(written.state).toMatchObject({ kind: 'fencing', epoch: 5, epochModRevision: 60 });
  });

  it('detaches the recorded set, and proves the position before anything is promoted (F8, F11)', () => {
    const asks = decideFailover(fencing(), lost({}, afterEpoch));
    expect(asks.actions.map((a) => a.do === 'detach' && a.node)).toEqual([B, C]);
    const one = decideFailover(asks.state, lost({ results: [detached(B, '0/500')] }, afterEpoch));
    expect(one.state.kind).toBe('fencing');
    const both = decideFailover(one.state, lost({ results: [detached(C, '0/600')] }, afterEpoch));
    expect(both.state).toMatchObject({ kind: 'positioning', target: C });
    expect(both.actions).toMatchObject([
      { do: 'record-takeover', target: C, fence: { kind: 'quorum-detached', evidence: [{ node: B }, { node: C }] } },
    ]);
    const recorded = decideFailover(
      both.state,
      lost({ results: [{ of: 'record-takeover', epoch: 5, kind: 'done', why: '' }] }, afterEpoch),
    );
    expect(recorded.actions).toMatchObject([{ do: 'promote', target: C, w: 1, names: [B], restarted: false }]);
    const serves = decideFailover(
      recorded.state,
      lost({ results: [{ of: 'promote', epoch: 5, kind: 'done', why: '' }] }, afterEpoch),
    );
    expect(serves.state).toEqual(STEADY);
    expect(does(serves)).toEqual(['close-operation']);
  });

  it('promotes with nobody to confirm only where the file allows it and nobody is in reach', () => {
    const policy = { ...observation().policy, whenAlone: 'serve-with-rpo-suspended' as const };
    const state: FailoverState = { ...takeover, kind: 'positioning', target: B, position: position('0/500') };
    const o = lost({ policy, results: [{ of: 'record-takeover', epoch: 5, kind: 'done', why: '' }] }, afterEpoch);
    expect(decideFailover(state, o).actions).toMatchObject([{ do: 'promote', w: 1, names: [C] }]);
    expect(decideFailover(state, withBroken(o, C, 500)).actions).toMatchObject([{ do: 'promote', w: 0, names: [] }]);
  });
});

describe('what holds a takeover back', () => {
  it('no majority', () =>
    expect(does(decideFailover(suspecting(), lost({}, { seen: [against(B)] })))).not.toContain('begin-takeover'));

  it('not enough members in reach for P3.2 (F5)', () => {
    const step = decideFailover(suspecting(), withBroken(lost(), C, 500));
    expect(step.why.code).toBe('no-position-quorum-in-reach');
  });

  it('a store that is not current, and a site (F6)', () => {
    expect(decideFailover(suspecting(), lost({}, { state: 'stale' })).why.code).toBe('store-not-current');
    expect(decideFailover(suspecting(), lost({ me: W, local: null })).why.code).toBe('observer-only');
  });

  it('a better placed node that is heard, for its stagger (F7)', () => {
    const o = lost({ me: C, local: standby() });
    expect(decideFailover(suspecting(NOW), o).why.code).toBe('others-first');
    expect(does(decideFailover(suspecting(NOW - o.knobs.driverStaggerMs), o))).toContain('begin-takeover');
  });

  it('ends when the primary is seen again, before anything was written (F4)', () => {
    expect(decideFailover(suspecting(), observation()).state).toEqual(STEADY);
  });

  it('ends in every later state when a newer epoch overtook it (F13)', () => {
    const newer = { epoch: { value: { n: 6, holder: C, systemId: '7', operation: 'other' }, modRevision: 70 } };
    const states: FailoverState[] = [
      fencing(),
      { ...takeover, kind: 'positioning', target: B, position: position('0/1') },
      { ...takeover, kind: 'promoting', target: B, position: position('0/1'), askedAtMs: NOW },
    ];
    for (const state of states)
      expect(decideFailover(state, lost({}, newer))).toMatchObject({
        state: STEADY,
        actions: [],
        why: { code: 'overtaken' },
      });
  });

  it('gives up without a quorum, and says so in the journal (F10)', () => {
    const o = lost({ nowMs: NOW + observation().knobs.takeoverPatienceMs + 1 }, afterEpoch);
    const step = decideFailover(fencing(), o);
    expect(step.actions).toMatchObject([
      { do: 'close-operation', state: 'refused', why: { code: 'no-position-quorum' } },
    ]);
  });
});

describe('a store that is behind the databases (P1.1, I1)', () => {
  it('begins no takeover when any database has seen a newer epoch', () => {
    const ahead = lost();
    const peers = new Map([...ahead.peers, [C, peer(C, { pulse: pulse(C, { storedEpoch: 6 }) })]]);
    expect(decideFailover(suspecting(), { ...ahead, peers }).why.code).toBe('store-behind');
    expect(decideFailover(suspecting(), lost({ local: standby({ storedEpoch: 6 }) })).why.code).toBe('store-behind');
  });

  it('takes no position of another cluster or of a newer reign for a proof', () => {
    const alien: ActionResult = {
      ...detached(C, '0/900'),
      position: { ...position('0/900'), systemId: '8' },
    } as ActionResult;
    const newer: ActionResult = {
      ...detached(C, '0/900'),
      position: { ...position('0/900'), storedEpoch: 5 },
    } as ActionResult;
    for (const result of [alien, newer]) {
      const step = decideFailover(fencing(), lost({ results: [detached(B, '0/500'), result] }, afterEpoch));
      expect(step.state.kind).toBe('fencing');
    }
  });
});

describe('what could make a takeover wait for ever', () => {
  it('a refused detach is asked again', () => {
    const asks = decideFailover(fencing(), lost({}, afterEpoch));
    const no: ActionResult = { of: 'detach', epoch: 5, node: C, kind: 'refused', why: 'not a standby yet' };
    const waits = decideFailover(asks.state, lost({ results: [detached(B, '0/500'), no] }, afterEpoch));
    expect(does(waits)).toEqual([]);
    const later = lost({ nowMs: NOW + observation().knobs.brokenAfterMs }, afterEpoch);
    const again = decideFailover(waits.state, { ...later, peers: lost().peers });
    expect(again.actions).toMatchObject([{ do: 'detach', node: C }]);
  });

  it('an answer of an older takeover does not hide the present one, and no answer at all ends it', () => {
    const state: FailoverState = { ...takeover, kind: 'positioning', target: B, position: position('0/500') };
    const old: ActionResult = { of: 'record-takeover', epoch: 4, kind: 'refused', why: 'late' };
    const now: ActionResult = { of: 'record-takeover', epoch: 5, kind: 'done', why: '' };
    expect(decideFailover(state, lost({ results: [old, now] }, afterEpoch)).state.kind).toBe('promoting');
    const never = lost({ nowMs: NOW + observation().knobs.takeoverPatienceMs + 1 }, afterEpoch);
    expect(decideFailover(state, never)).toMatchObject({ state: STEADY, actions: [{ state: 'unknown' }] });
  });

  it('a quorum without a permitted candidate asks on for a better one', () => {
    const strict = { ...observation().policy, promotable: [A, B] };
    const results = [detached(B, '0/500'), detached(C, '0/600')];
    const step = decideFailover(fencing(), lost({ policy: strict, results }, afterEpoch));
    expect(step).toMatchObject({ state: { kind: 'fencing' }, why: { code: 'no-permitted-candidate' } });
  });
});

describe('the first restart after everything stopped (P8.1)', () => {
  it('the recorded primary, now an isolated standby, proves its position alone', () => {
    const o = observation({ me: A, local: standby({ upstream: null, receiving: false }) });
    const step = decideFailover(decideFailover(STEADY, o).state, o);
    expect(does(step)).toContain('begin-takeover');
    const own = { ...o, store: { ...o.store, ...afterEpoch }, results: [detached(A, '0/400')] };
    expect(decideFailover(fencing(), own)).toMatchObject({
      state: { kind: 'positioning', target: A },
      actions: [{ fence: { kind: 'self' } }],
    });
  });
});

describe('every step', () => {
  it('goes where the table of transitions says, and has a reason', () => {
    const states: FailoverState[] = [
      STEADY,
      suspecting(),
      fencing(),
      { ...takeover, kind: 'positioning', target: B, position: position('0/1') },
      { ...takeover, kind: 'promoting', target: B, position: position('0/1'), askedAtMs: NOW },
    ];
    const results: ActionResult[][] = [
      [],
      [detached(B, '0/5'), detached(C, '0/5')],
      [{ of: 'record-takeover', epoch: 5, kind: 'refused', why: 'told by the test' }],
      [{ of: 'promote', epoch: 5, kind: 'unknown', why: 'told by the test' }],
      [{ of: 'begin-takeover', kind: 'unknown', why: 'told by the test' }],
    ];
    const worlds = [
      observation(),
      lost(),
      lost({}, afterEpoch),
      observation({}, { epoch: null, sync: null }),
      observation({ me: W, local: null }),
      lost({ nowMs: NOW + 60_000 }),
    ];
    let looked = 0;
    for (const state of states)
      for (const world of worlds)
        for (const some of results) {
          const step = decideFailover(state, { ...world, results: some });
          expect(TRANSITIONS[state.kind] as readonly string[]).toContain(step.state.kind);
          expect(step.why.text.length).toBeGreaterThan(5);
          looked += 1;
        }
    expect(looked).toBe(states.length * worlds.length * results.length);
  });

  it('reads the end back from the target when the answer was lost (F12)', () => {
    const state: FailoverState = {
      ...takeover,
      kind: 'promoting',
      target: C,
      position: position('0/1'),
      askedAtMs: NOW,
    };
    const o = lost({}, afterEpoch);
    const serving = {
      ...o,
      peers: new Map([...o.peers, [C, peer(C, { pulse: pulse(C, { role: 'primary', open: true, storedEpoch: 5 }) })]]),
    };
    expect(does(decideFailover(state, serving))).toEqual(['close-operation']);
  });
});
