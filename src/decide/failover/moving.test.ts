import { describe, expect, it } from 'vitest';
import { type NodeId, placeOf } from '../../base/ids.ts';
import type { OperationRecord } from '../../ports/records.ts';
import { checksFor, obstacleAmong, sayCheck } from './checks.ts';
import { decideFailover } from './decide.ts';
import type { ActionResult, Observation, StoreView } from './observation.ts';
import { type FailoverState, STEADY, type Step } from './state.ts';
import { A, against, B, C, NOW, observation, peer, position, pulse, record, standby, withBroken } from './testing.ts';

const ID = 'switchover-1';
const asked = (over: Partial<OperationRecord> = {}, seenAtMs = NOW - 100): NonNullable<StoreView['request']> => ({
  value: {
    id: ID,
    kind: 'switchover',
    epoch: 0,
    actor: 'ada@ops',
    reason: { code: 'asked', text: 'maintenance' },
    state: 'requested',
    request: { target: B, epoch: 4, requestedAtWallMs: 0, startWithinMs: 15_000, fenced: null, allowLossMs: null },
    driver: null,
    steps: [],
    ...over,
  },
  modRevision: 70,
  seenAtMs,
});
const looking = (over: Partial<Observation> = {}, store: Partial<StoreView> = {}) =>
  observation(over, { request: asked(), ...store });
const does = (step: Step) => step.actions.map((action) => action.do);
const claimed: ActionResult = { of: 'claim-operation', operation: ID, kind: 'done', why: 'done' };
const driven = (store: Partial<StoreView> = {}) => ({ request: asked({ state: 'running', driver: B }), ...store });
const claiming = (): FailoverState => decideFailover(STEADY, looking()).state;
const handingOver = (): FailoverState => decideFailover(claiming(), looking({ results: [claimed] }, driven())).state;
const stopped: ActionResult = {
  of: 'hand-over',
  operation: ID,
  kind: 'done',
  handedOver: { node: A, timeline: 1, lsn: '0/600', evidence: 'no process left' },
};
const epochOf = (operation: string) => ({
  epoch: { value: { n: 5, holder: B, systemId: '7', operation }, modRevision: 60 },
});

describe('a planned move', () => {
  it('is claimed by the target, stops the primary by order, and only then writes the epoch (F16, F17)', () => {
    const first = decideFailover(STEADY, looking());
    expect([first.state.kind, does(first)]).toEqual(['moving', ['claim-operation']]);
    const second = decideFailover(first.state, looking({ results: [claimed] }, driven()));
    expect(second.actions).toMatchObject([{ do: 'hand-over', primary: A, epoch: 4, epochModRevision: 40 }]);
    const third = decideFailover(second.state, looking({ results: [stopped] }, driven()));
    expect(third.actions).toMatchObject([
      { do: 'begin-takeover', epoch: 5, move: { target: B, handedOver: { node: A } } },
    ]);
  });

  it('knows its own epoch when the watch tells of it before the answer does', () => {
    const beginning = decideFailover(handingOver(), looking({ results: [stopped] }, driven())).state;
    const seen = decideFailover(beginning, looking({}, driven(epochOf(ID))));
    expect([seen.state.kind, seen.why.code]).toEqual(['moving', 'takeover-begins']);
    const other = decideFailover(beginning, looking({}, driven(epochOf('takeover-5'))));
    expect([other.why.code, does(other)]).toEqual(['overtaken', ['close-request']]);
  });

  it('leaves the primary as it is when the order is refused, and gives the slot back (F17)', () => {
    const refused: ActionResult = {
      of: 'hand-over',
      operation: ID,
      kind: 'refused',
      code: 'cancelled',
      why: 'taken back',
    };
    const step = decideFailover(handingOver(), looking({ results: [refused] }, driven()));
    expect(step.actions).toMatchObject([{ do: 'close-request', ending: { state: 'refused' } }]);
    const gone = decideFailover(step.state, looking({}, { request: null }));
    expect(gone.state).toEqual(STEADY);
  });

  it('ends when it was cancelled, and when another node drives it', () => {
    expect(decideFailover(handingOver(), looking({}, { request: null })).why.code).toBe('cancelled');
    const other = decideFailover(handingOver(), looking({}, { request: asked({ state: 'running', driver: C }) }));
    expect(other.why.code).toBe('taken-over');
  });

  it('goes on from the journal when the driver is gone: the others by rank, the primary never (F16)', () => {
    const lostDriver = (me: typeof B, silentMs: number) => {
      const o = looking({ me }, { request: asked({ state: 'running', driver: B }) });
      return withBroken(o, B, silentMs);
    };
    expect(decideFailover(STEADY, lostDriver(C, 60_000)).state.kind).toBe('moving');
    expect(decideFailover(STEADY, lostDriver(A, 60_000)).state.kind).toBe('steady');
    const heard = looking({ me: C }, { request: asked({ state: 'running', driver: B }) });
    expect(decideFailover(STEADY, heard).state.kind).toBe('steady');
  });

  it('waits for an obstacle to go away, and ends refused with its value when it does not (F16)', () => {
    const silent = { peers: new Map(observation().peers).set(A, peer(A, { pulse: pulse(A, { open: false }) })) };
    const young = decideFailover(STEADY, looking(silent));
    expect(does(young)).not.toContain('claim-operation');
    const old = decideFailover(STEADY, looking(silent, { request: asked({}, NOW - 20_000) }));
    expect(old.actions).toMatchObject([{ do: 'close-request', ending: { state: 'refused' } }]);
    expect(old.why.text).toContain('primary serves');
  });

  it('takes the target among equals, and promotes it with the stop of the old primary as its fence (P3.1)', () => {
    const beginning = decideFailover(handingOver(), looking({ results: [stopped] }, driven())).state;
    const began: ActionResult = { of: 'begin-takeover', kind: 'done', epoch: 5, epochModRevision: 60, operation: ID };
    const fencing = decideFailover(beginning, looking({ results: [began] }, driven(epochOf(ID)))).state;
    const read = (node: typeof B): ActionResult => ({
      of: 'detach',
      epoch: 5,
      node,
      kind: 'done',
      position: position('0/678'),
    });
    const step = decideFailover(fencing, looking({ results: [read(C), read(B)] }, driven(epochOf(ID))));
    expect(step.actions).toMatchObject([{ do: 'record-takeover', target: B, fence: { kind: 'killed' } }]);
    // The old primary may run again by now: no commit of the new reign waits until it has joined (F17).
    const recorded: ActionResult = { of: 'record-takeover', epoch: 5, kind: 'done', why: 'done' };
    const up = looking({ results: [recorded] }, driven(epochOf(ID)));
    const back = peer(A, { pulse: pulse(A, { role: 'standby', open: false, detachable: true }) });
    const last = decideFailover(step.state, { ...up, peers: new Map([...up.peers, [A, back]]) });
    expect(last.actions).toMatchObject([{ do: 'promote', target: B, w: 1, names: [C] }]);
  });
});

describe('an operation that another change of primary came before', () => {
  const began: Partial<StoreView> = { ...epochOf('takeover-5'), routesEpoch: 5 };
  const goOn = (primary: NodeId, kind: OperationRecord['kind'] = 'switchover') => {
    const store = { ...driven({ ...began, sync: { value: record({ epoch: 5, primary }), modRevision: 51 } }) };
    const request = asked({ kind, state: 'running', driver: B });
    const state = { ...claiming(), epoch: 5 } as FailoverState;
    return decideFailover(state, looking({ results: [claimed] }, { ...store, request }));
  };

  it('is done when its target is the primary already, who is not asked to hand over to itself', () => {
    expect(goOn(B).actions).toMatchObject([{ do: 'close-request', ending: { state: 'done' } }]);
    expect(goOn(B, 'failover').actions).toMatchObject([{ do: 'close-request', ending: { state: 'done' } }]);
  });

  it('ends refused when another one is: it was asked about a reign that is over (F16)', () => {
    for (const kind of ['switchover', 'failover'] as const) {
      const step = goOn(C, kind);
      expect(step.actions).toMatchObject([{ do: 'close-request', ending: { state: 'refused' } }]);
      expect(step.why.code).toBe('overtaken');
    }
  });

  it('is left to the node that carries it out, also by one that was writing its ending', () => {
    const refused: ActionResult = { of: 'hand-over', operation: ID, kind: 'refused', code: 'x', why: 'x' };
    const { state } = decideFailover(handingOver(), looking({ results: [refused] }, driven()));
    expect(state).toMatchObject({ phase: 'closing' });
    const other = { request: asked({ state: 'running', driver: C }) };
    expect(decideFailover(state, looking({}, other)).state).toEqual(STEADY);
  });
});

describe('a store that is behind a database (P1.1)', () => {
  const behind = { peers: new Map(observation().peers).set(C, peer(C, { pulse: pulse(C, { storedEpoch: 9 }) })) };

  it('decides nothing, whoever asks', () => {
    for (const kind of ['switchover', 'failover'] as const) {
      const checks = checksFor(observation(behind), kind, B, { fenced: 'aws:us-east-1', allowLossMs: 'any' });
      expect(obstacleAmong(checks)?.name).toBe('no database beyond the store');
    }
    const step = decideFailover(handingOver(), looking({ ...behind, results: [stopped] }, driven()));
    expect(step.actions).toMatchObject([{ do: 'close-request', ending: { state: 'refused' } }]);
  });
});

describe('a pause', () => {
  it('keeps a suspicion from becoming a takeover, and says by whom (F19)', () => {
    const paused = { leftMs: 60_000, actor: 'ada@ops', reason: 'storage work' };
    const lost = (store: Partial<StoreView>) =>
      withBroken(observation({}, { seen: [against(B), against(C)], ...store }), A, 500);
    const suspecting: FailoverState = {
      kind: 'suspecting',
      epoch: 4,
      sinceMs: NOW - 5_000,
      beginning: null,
      unseen: false,
      ended: null,
      retryAtMs: 0,
    };
    expect(does(decideFailover(suspecting, lost({})))).toContain('begin-takeover');
    const step = decideFailover(suspecting, lost({ paused }));
    expect(does(step)).not.toContain('begin-takeover');
    expect(step.why).toMatchObject({ code: 'paused' });
    expect(step.why.text).toContain('ada@ops');
  });
});

describe('a primary that restarts during a pause', () => {
  it('takes over from itself, and reads nobody who could be chosen instead (F19)', () => {
    const paused = { leftMs: 60_000, actor: 'ada@ops', reason: 'storage work' };
    const restarted = (over: Partial<StoreView> = {}) =>
      observation({ me: A, local: standby({ storedEpoch: 4 }) }, { paused, ...over });
    const suspecting: FailoverState = {
      kind: 'suspecting',
      epoch: 4,
      sinceMs: NOW - 5_000,
      beginning: null,
      unseen: false,
      ended: null,
      retryAtMs: 0,
    };
    expect(does(decideFailover(suspecting, restarted()))).toContain('begin-takeover');
    const began: ActionResult = { of: 'begin-takeover', kind: 'done', epoch: 5, epochModRevision: 60, operation: 'op' };
    const beginning = decideFailover(suspecting, restarted()).state;
    const fencing = decideFailover(beginning, { ...restarted(epochOf('op')), results: [began] }).state;
    const asking = decideFailover(fencing, restarted(epochOf('op')));
    expect(asking.actions.map((action) => (action.do === 'detach' ? action.node : action.do))).toEqual([A]);
  });
});

describe('a forced failover (F18, P3.3, I6)', () => {
  /** The record says that A acknowledges alone, and A is gone for good. */
  const solo = { sync: { value: record({ w: 0, names: [] }), modRevision: 50 } };
  const alone = (over: Partial<Observation> = {}) => withBroken(observation(over, solo), A, 60_000);
  const soloOf = (primary: NodeId) => ({ sync: { value: record({ primary, w: 0, names: [] }), modRevision: 50 } });
  /** B hears nobody. */
  const unheard = (store: Partial<StoreView>) =>
    [A, C].reduce((o, node) => withBroken(o, node, 60_000), observation({}, { ...solo, ...store }));
  const obstacle = (accepted: Parameters<typeof checksFor>[3], target = B) => {
    const found = obstacleAmong(checksFor(alone(), 'failover', target, accepted));
    return found === null ? null : sayCheck(found);
  };

  it('needs a fence that somebody vouches for and a loss that was named', () => {
    expect(obstacle({ fenced: null, allowLossMs: 'any' })).toContain('--fenced aws:us-east-1');
    expect(obstacle({ fenced: 'aws:us-east-1', allowLossMs: null })).toContain('--allow-data-loss');
    expect(obstacle({ fenced: 'aws:us-east-1', allowLossMs: 'any' })).toBeNull();
  });

  it('is not begun on a word about another primary: one that took over meanwhile is vouched for by nobody', () => {
    const request = asked({
      kind: 'failover',
      state: 'running',
      driver: B,
      request: {
        target: B,
        epoch: 4,
        requestedAtWallMs: 0,
        startWithinMs: 15_000,
        fenced: placeOf(A),
        allowLossMs: 'any',
      },
    });
    const state: FailoverState = decideFailover(STEADY, unheard({ request })).state;
    const goOn = (primary: NodeId) =>
      decideFailover(state, { ...unheard({ request, ...soloOf(primary) }), results: [claimed] });
    expect(goOn(A).actions).toMatchObject([{ do: 'begin-takeover', move: { force: { said: true } } }]);
    expect(goOn(C).actions).toMatchObject([{ do: 'close-request', ending: { state: 'refused' } }]);
  });

  it('names the node that holds more instead', () => {
    const ahead = alone();
    const peers = new Map(ahead.peers).set(C, peer(C, { pulse: pulse(C, { endLsn: '0/900' }) }));
    const checks = checksFor({ ...ahead, peers }, 'failover', B, { fenced: 'aws:us-east-1', allowLossMs: 'any' });
    expect(obstacleAmong(checks)).toMatchObject({ name: 'holds the most', value: `${C} holds more` });
  });

  it('promotes no other node than the one asked for, when that would lose more than was named', () => {
    const forced = (lossMs: number | 'any'): FailoverState => ({
      kind: 'fencing',
      epoch: 5,
      epochModRevision: 60,
      operation: ID,
      startedAtMs: NOW - 5_000,
      record: { value: record({ w: 0, names: [] }), modRevision: 50 },
      unseen: false,
      ended: null,
      move: {
        operation: ID,
        kind: 'failover',
        target: B,
        handedOver: null,
        force: { said: true, lossMs, actor: 'ada@ops', reason: 'burnt' },
      },
      askAgainAtMs: new Map(),
      positions: new Map([[C, position('0/100')]]),
    });
    // B answers nobody any more; C is an hour behind.
    const o = (() => {
      const base = withBroken(withBroken(observation({ me: C }, { ...solo, ...epochOf(ID) }), A, 60_000), B, 60_000);
      return { ...base, local: standby({ heartbeatAgeMs: 3_600_000 }) };
    })();
    expect(does(decideFailover(forced(500), o))).not.toContain('record-takeover');
    expect(decideFailover(forced('any'), o).actions).toMatchObject([
      {
        do: 'record-takeover',
        target: C,
        fence: { continues: { epoch: 4, timeline: 1 }, lossAccepted: { ms: 'any' } },
      },
    ]);
  });

  it('is still an accepted loss when the forced reign never opened and another takeover goes on with it', () => {
    const lossAccepted = { ms: 'any', actor: 'ada@ops', reason: 'burnt' } as const;
    const recordFence = { epoch: 5, kind: 'operator-said', by: B, atWallMs: 0, evidence: [], lossAccepted } as const;
    const state: FailoverState = {
      kind: 'fencing',
      epoch: 6,
      epochModRevision: 60,
      operation: ID,
      startedAtMs: NOW - 100,
      record: { value: record({ w: 0, names: [], epoch: 5, primary: B }), modRevision: 50 },
      unseen: false,
      ended: null,
      move: null,
      askAgainAtMs: new Map(),
      positions: new Map([[B, position('0/100')]]),
    };
    const after = (routesEpoch: number) => {
      const o = observation({ me: B }, { ...soloOf(B), recordFence, routesEpoch });
      return decideFailover(state, o).actions.find((action) => action.do === 'record-takeover')?.fence;
    };
    expect(after(4)).toMatchObject({ lossAccepted });
    expect(after(5)?.lossAccepted).toBeUndefined();
  });
});
