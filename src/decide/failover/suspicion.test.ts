import { describe, expect, it } from 'vitest';
import { A, against, B, C, NOW, observation, peer, pulse, standby, W, withBroken } from './testing.ts';
import { ownVerdict, suspicion } from './suspicion.ts';

const knobs = observation().knobs;
const withPrimary = (over: Parameters<typeof peer>[1]) => {
  const o = observation();
  return { ...o, peers: new Map([...o.peers, [A, peer(A, over)]]) };
};

describe('ownVerdict (F1)', () => {
  it('sees a primary that commits', () => expect(ownVerdict(observation()).kind).toBe('commits'));

  it('waits before it believes a broken stream, then says so', () => {
    expect(ownVerdict(withBroken(observation(), A, knobs.brokenAfterMs - 1)).kind).toBe('abstains');
    expect(ownVerdict(withBroken(observation(), A, knobs.brokenAfterMs))).toMatchObject({
      kind: 'cannot-see-commit',
      why: { code: 'broken' },
    });
  });

  it('lets an agent that died alone come back within its lease, as long as its gateway answers (P10.1)', () => {
    const alone = {
      brokenSinceMs: NOW - 2_000,
      heardAtMs: NOW - 2_000,
      doorAnsweredAtMs: NOW - 100,
      doorRefusedAtMs: NOW - 300,
    };
    expect(ownVerdict(withPrimary(alone))).toMatchObject({ kind: 'abstains', why: { code: 'agent-restarts' } });
    expect(ownVerdict(withPrimary({ ...alone, heardAtMs: NOW - knobs.leaseTtlMs }))).toMatchObject({
      why: { code: 'agent-gone' },
    });
    expect(ownVerdict(withPrimary({ ...alone, doorRefusedAtMs: NOW - 50 }))).toMatchObject({ why: { code: 'broken' } });
    expect(
      ownVerdict(
        withPrimary({
          ...alone,
          brokenSinceMs: NOW - 500,
          heardAtMs: NOW - 500,
          doorAnsweredAtMs: null,
          doorRefusedAtMs: null,
        }),
      ).kind,
    ).toBe('abstains');
  });

  it('tolerates a silence of one second, because a pause looks the same', () => {
    expect(ownVerdict(withPrimary({ heardAtMs: NOW - 1_000 })).kind).toBe('commits');
    expect(ownVerdict(withPrimary({ heardAtMs: NOW - knobs.silentAfterMs }))).toMatchObject({
      why: { code: 'silent' },
    });
  });

  it('waits longer for commits that stop than the eviction of a lost standby takes', () => {
    expect(knobs.wedgedAfterMs).toBeGreaterThan(knobs.evictAfterMs);
    expect(ownVerdict(withPrimary({ pulse: pulse(A, { commitAgeMs: knobs.evictAfterMs + 500 }) })).kind).toBe(
      'commits',
    );
    expect(ownVerdict(withPrimary({ pulse: pulse(A, { commitAgeMs: knobs.wedgedAfterMs }) }))).toMatchObject({
      why: { code: 'wedged' },
    });
  });

  it('abstains in the region of the primary: a loss of the region would take both', () => {
    expect(ownVerdict(observation({ me: A })).kind).toBe('abstains');
  });

  it('leaves a takeover that runs alone, shorter when its driver is not heard (F3)', () => {
    const running = {
      epoch: { value: { n: 5, holder: C, systemId: '7', operation: 'x' }, modRevision: 60 },
      epochSeenAtMs: NOW - 2_000,
    };
    expect(ownVerdict(observation({}, running))).toMatchObject({ kind: 'abstains', why: { code: 'takeover-runs' } });
    expect(ownVerdict(withBroken(observation({}, running), C, 500))).toMatchObject({
      why: { code: 'takeover-unfinished' },
    });
    const old = { ...running, epochSeenAtMs: NOW - knobs.takeoverPatienceMs };
    expect(ownVerdict(observation({}, old))).toMatchObject({ why: { code: 'takeover-unfinished' } });
  });

  it('does not take the target of a running promotion for a dead primary', () => {
    const o = observation({}, { routesEpoch: 3, epochSeenAtMs: NOW - 500 });
    const target = {
      ...o,
      peers: new Map([...o.peers, [A, peer(A, { pulse: pulse(A, { role: 'standby', open: false }) })]]),
    };
    expect(ownVerdict(target).kind).toBe('abstains');
    expect(suspicion(target).kind).toBe('none');
  });
});

describe('suspicion (F2, P3.4)', () => {
  it('needs a majority of the observers outside the suspect', () => {
    expect(suspicion(observation({}, { seen: [against(B)] })).kind).toBe('none');
    expect(suspicion(observation({}, { seen: [against(B), against(W)] })).kind).toBe('majority');
  });

  it('does not count the suspect itself, nor a verdict on another epoch', () => {
    expect(suspicion(observation({}, { seen: [against(B), against(A)] })).kind).toBe('none');
    expect(suspicion(observation({}, { seen: [against(B), against(W, 3)] })).kind).toBe('none');
  });

  it('does not count a verdict against the primary before, nor a pulse from before the promotion', () => {
    const other = { ...against(W), primary: C };
    expect(suspicion(observation({}, { seen: [against(B), other] })).kind).toBe('none');
    const before = pulse(A, { role: 'standby', open: false, storedEpoch: 3 });
    expect(suspicion(withPrimary({ pulse: before, roleSinceMs: NOW - 60_000 })).kind).toBe('none');
    expect(
      ownVerdict(
        observation(
          { peers: withPrimary({ pulse: before, roleSinceMs: NOW - 60_000 }).peers },
          { epochSeenAtMs: NOW - 500 },
        ),
      ).kind,
    ).toBe('abstains');
  });

  it('takes the word of the suspect that it runs as an isolated standby', () => {
    expect(
      suspicion(withPrimary({ pulse: pulse(A, { role: 'standby', open: false }), roleSinceMs: NOW - 500 })).kind,
    ).toBe('confirmed-killed');
    expect(suspicion(observation({ me: A, local: standby() })).kind).toBe('confirmed-killed');
    expect(suspicion(observation({ me: A })).kind).toBe('none');
  });
});
