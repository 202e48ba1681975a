import { describe, expect, it } from 'vitest';
import type { DatabaseStatus } from '../../ports/database.ts';
import type { Observation } from './observation.ts';
import { decideRole } from './role.ts';
import { A, B, C, NOW, observation, peer, pulse, record, standby } from './testing.ts';

const decide = (
  local: Partial<DatabaseStatus>,
  over: Partial<Observation> = {},
  store: Partial<Observation['store']> = {},
  open = false,
  since: number | null = null,
) => decideRole(observation(over, store), standby(local), open, since);

describe('decideRole', () => {
  it('starts as an isolated standby, also before the store was read (R1)', () => {
    expect(decide({ state: 'stopped' }).action).toEqual({ do: 'start-isolated' });
    expect(decide({ state: 'stopped' }, {}, { state: 'unread' }).action).toEqual({ do: 'start-isolated' });
    expect(decide({ state: 'stopped' }, { me: A }).action).toEqual({ do: 'start-isolated' });
  });

  it('demotes a primary of another reign, or one that nobody recorded (R2)', () => {
    expect(decide({ state: 'primary', storedEpoch: 3 }, { me: A }).action).toEqual({ do: 'demote' });
    expect(decide({ state: 'primary' }, { me: C }).action).toEqual({ do: 'demote' });
    expect(
      decide(
        { state: 'primary' },
        { me: A },
        { epoch: { value: { n: 5, holder: B, systemId: '7', operation: 'x' }, modRevision: 9 } },
        true,
      ).action,
    ).toEqual({ do: 'demote' });
  });

  it('leaves data alone that is foreign or newer than the store (R3, I1)', () => {
    expect(decide({ state: 'stopped', systemId: '8' })).toMatchObject({ action: null, why: { code: 'data-foreign' } });
    expect(decide({ state: 'standby', storedEpoch: 9 })).toMatchObject({ action: null, why: { code: 'store-behind' } });
    expect(decide({ state: 'stopped', storedEpoch: 2 }, { me: A }, { epoch: null, sync: null })).toMatchObject({
      action: null,
      why: { code: 'store-behind' },
    });
  });

  it('makes the first database on the preferred node only, when nobody has data, and resumes an interrupted one', () => {
    const nothing = { epoch: null, sync: null };
    const empty = { state: 'empty' as const, storedEpoch: null };
    const others = (over: Parameters<typeof pulse>[1]) =>
      new Map([B, C].map((n) => [n, peer(n, { pulse: pulse(n, over) })]));
    const fresh = others({ hasData: false });
    expect(decide(empty, { me: A, peers: fresh }, nothing).action).toEqual({ do: 'bootstrap', resume: false });
    expect(decide(empty, { me: B, peers: fresh }, nothing).action).toBeNull();
    // I1: a store that has forgotten everything is not an invitation to begin again.
    expect(decide(empty, { me: A, peers: others({ hasData: true }) }, nothing)).toMatchObject({
      action: null,
      why: { code: 'store-behind' },
    });
    const unheard = new Map([...fresh, [C, peer(C, { pulse: null })]]);
    expect(decide(empty, { me: A, peers: unheard }, nothing)).toMatchObject({
      action: null,
      why: { code: 'others-first' },
    });
    const journal = {
      id: 'bootstrap-1',
      kind: 'bootstrap' as const,
      epoch: 1,
      actor: A,
      reason: { code: '', text: '' },
      state: 'running' as const,
      request: null,
      driver: A,
      steps: [],
    };
    const resumed = decide({ state: 'stopped', storedEpoch: null }, { me: A }, { operation: journal });
    expect(resumed.action).toEqual({ do: 'bootstrap', resume: true });
  });

  it('joins the primary of the present epoch once that one serves, and not before (R4)', () => {
    expect(decide({ upstream: { node: C, epoch: 3 } }).action).toMatchObject({ do: 'join', primary: A, epoch: 4 });
    expect(decide({ state: 'empty' }).action).toMatchObject({ do: 'clone', from: A });
    const o = observation();
    const notYet = { ...o, peers: new Map([...o.peers, [A, peer(A, { pulse: pulse(A, { role: 'standby' }) })]]) };
    expect(decideRole(notYet, standby({ upstream: null }), false, null).action).toBeNull();
    expect(decide({}).action).toBeNull();
  });

  it('compares again when no WAL comes from a primary that is heard', () => {
    expect(decide({ receiving: false }, {}, {}, false, NOW - 1_000).action).toBeNull();
    expect(decide({ receiving: false }, {}, {}, false, NOW - 4_000).action).toMatchObject({ do: 'join-again' });
  });

  it('finishes a reign that the store knows (R5), and waits to be promoted when it is only recorded', () => {
    expect(decide({ state: 'primary' }, { me: A }).action).toEqual({ do: 'finish', epoch: 4 });
    expect(decide({ state: 'primary' }, { me: A }, {}, true).action).toBeNull();
    expect(decide({}, { me: A }, { sync: { value: record(), modRevision: 50 } })).toMatchObject({
      action: null,
      why: { code: 'promotion-expected' },
    });
  });
});
