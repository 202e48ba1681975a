import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../base/ids.ts';
import type { Position } from '../../ports/database.ts';
import { decideFailover } from './decide.ts';
import type { ActionResult, Observation } from './observation.ts';
import { type FailoverState, STEADY, type Step } from './state.ts';
import { A, against, B, C, NOW, observation, peer, policy, position, pulse, record, standby, W } from './testing.ts';

type Read = readonly (readonly [NodeId, Position])[];

const epoch5 = { epoch: { value: { n: 5, holder: B, systemId: '7', operation: 'op' }, modRevision: 60 } };
/** The old primary answers again as a standby: it ended its reign when it saw the epoch. */
const answersAsStandby = peer(A, { pulse: pulse(A, { role: 'standby', open: false, detachable: true }) });
const looks = (over: Partial<Observation> = {}): Observation => {
  const o = observation(over, epoch5);
  return { ...o, peers: over.peers ?? new Map([...o.peers, [A, answersAsStandby]]) };
};
const fencing = (unseen: boolean, read: Read = [], sinceMs = 100): FailoverState => ({
  kind: 'fencing',
  epoch: 5,
  epochModRevision: 60,
  operation: 'op',
  move: null,
  unseen,
  ended: null,
  startedAtMs: NOW - sinceMs,
  record: { value: record(), modRevision: 50 },
  askAgainAtMs: new Map(),
  positions: new Map(read),
});
const asked = (step: Step): readonly NodeId[] =>
  step.actions.flatMap((action) => (action.do === 'detach' ? [action.node] : []));
const both: Read = [
  [B, position('0/500')],
  [C, position('0/500')],
];

describe('a takeover from a primary that answers and commits nothing (F22)', () => {
  it('remembers that a majority did not see it commit', () => {
    const wedged = peer(A, { pulse: pulse(A, { commitAgeMs: 10_000 }) });
    const o = observation({}, { seen: [against(B), against(W)] });
    const seen = { ...o, peers: new Map([...o.peers, [A, wedged]]) };
    const began: ActionResult = {
      of: 'begin-takeover',
      kind: 'done',
      epoch: 5,
      epochModRevision: 60,
      operation: 'op',
    };
    const suspects = decideFailover(STEADY, seen);
    const begins = decideFailover(suspects.state, { ...seen, nowMs: NOW + 2_000, peers: heardAt(NOW + 2_000, wedged) });
    expect(begins.actions.at(-1)).toMatchObject({ do: 'begin-takeover', reason: { code: 'majority-cannot-see' } });
    expect(decideFailover(begins.state, { ...seen, results: [began] }).state).toMatchObject({
      kind: 'fencing',
      unseen: true,
      ended: null,
    });
  });

  it('is driven by another node first, although the primary comes first by preference', () => {
    const seen = [against(B), against(C), against(W)];
    const state: FailoverState = {
      kind: 'suspecting',
      epoch: 4,
      sinceMs: NOW - 20,
      beginning: null,
      unseen: false,
      ended: null,
      retryAtMs: 0,
    };
    // B could be read as well as A: without the rule A, first by preference, would begin and B wait.
    const o = observation({}, { seen });
    const answers = peer(A, { pulse: pulse(A, { commitAgeMs: 10_000, detachable: true }) });
    const step = decideFailover(state, { ...o, peers: new Map([...o.peers, [A, answers]]) });
    expect(step.actions.map((action) => action.do)).toContain('begin-takeover');
    const atA = decideFailover(state, observation({ me: A }, { seen }));
    expect(atA.why).toMatchObject({ code: 'others-first' });
  });

  it('does not read it while the standbys in reach are a position quorum', () => {
    expect(asked(decideFailover(fencing(true), looks()))).toEqual([B, C]);
    expect(asked(decideFailover(fencing(false), looks()))).toEqual([B, C, A]);
  });

  it('takes another candidate, also when the primary was read first', () => {
    for (const read of [both, [[A, position('0/600')] as const, ...both]])
      expect(decideFailover(fencing(true, read), looks()).state).toMatchObject({ kind: 'positioning', target: B });
    const confirmed = decideFailover(fencing(false, [[A, position('0/600')], ...both]), looks());
    expect(confirmed.state).toMatchObject({ kind: 'positioning', target: A });
  });

  it('reads it when the standbys do not answer in time, or are no quorum', () => {
    expect(asked(decideFailover(fencing(true, [], 2_100), looks()))).toContain(A);
    const alone = new Map([[A, answersAsStandby]]);
    expect(asked(decideFailover(fencing(true), looks({ peers: alone })))).toContain(A);
  });

  it('takes it when nobody else may become primary', () => {
    const policyOfOne = { ...policy, promotable: [A] };
    const step = decideFailover(fencing(true), looks({ policy: policyOfOne }));
    expect(asked(step)).toContain(A);
    const read: Read = [[A, position('0/600')], ...both];
    const chosen = decideFailover(fencing(true, read), looks({ policy: policyOfOne, local: standby() }));
    expect(chosen.state).toMatchObject({ kind: 'positioning', target: A });
  });
});

function heardAt(nowMs: number, primary: Observation['peers'] extends ReadonlyMap<NodeId, infer P> ? P : never) {
  const others = [C, W].map((node) => [node, peer(node, { heardAtMs: nowMs - 50 })] as const);
  return new Map([[A, { ...primary, heardAtMs: nowMs - 50 }], ...others]);
}
