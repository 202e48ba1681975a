import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../base/ids.ts';
import type { SyncRecord } from '../../ports/records.ts';
import { decideFailover } from './decide.ts';
import type { ActionResult, Observation, PeerView } from './observation.ts';
import { type FailoverState, STEADY } from './state.ts';
import { A, B, C, NOW, observation, peer, position, pulse, record, standby, W } from './testing.ts';

/** Every write that was acknowledged is on A and B; C is behind (P8.1). */
const ENDS: ReadonlyMap<NodeId, string> = new Map([
  [A, '0/600'],
  [B, '0/600'],
  [C, '0/500'],
]);
const STEP_MS = 100;
const FOR_MS = 15_000;

interface Group {
  epoch: { n: number; modRevision: number; holder: NodeId };
  seen: Observation['store']['seen'][number][];
}

/** Everything died; these came back as isolated standbys and stay as they are. Who is recorded as primary, if anybody? */
function coldStart(
  back: readonly NodeId[],
  sync: SyncRecord,
  ends = ENDS,
): { readonly target: NodeId | null; readonly why: string } {
  const group: Group = { epoch: { n: 4, modRevision: 40, holder: B }, seen: [] };
  const states = new Map<NodeId, FailoverState>();
  const results = new Map<NodeId, ActionResult[]>();
  let why = '';
  for (let nowMs = NOW; nowMs < NOW + FOR_MS; nowMs += STEP_MS) {
    for (const me of back) {
      const o = look({ me, back, sync, group, nowMs, ends, results: results.get(me) ?? [] });
      results.set(me, []);
      const step = decideFailover(states.get(me) ?? STEADY, o);
      states.set(me, step.state);
      if (step.state.kind === 'suspecting' && me !== W) why = step.why.text;
      for (const action of step.actions) {
        if (action.do === 'record-takeover') return { target: action.target, why };
        const result = carryOut(action, me, { back, group, nowMs, ends });
        if (result !== null) results.set(me, [...(results.get(me) ?? []), result]);
      }
    }
  }
  return { target: null, why };
}

function carryOut(
  action: ReturnType<typeof decideFailover>['actions'][number],
  me: NodeId,
  { back, group, nowMs, ends }: Pick<Looking, 'back' | 'group' | 'nowMs' | 'ends'>,
): ActionResult | null {
  if (action.do === 'publish-verdict') {
    const { epoch, primary, verdict, code } = action;
    group.seen = [
      ...group.seen.filter((it) => it.observer !== me),
      { observer: me, epoch, primary, verdict, code, atWallMs: 0, heardAtMs: nowMs },
    ];
  }
  if (action.do === 'begin-takeover' && action.epochModRevision === group.epoch.modRevision) {
    group.epoch = { n: action.epoch, modRevision: group.epoch.modRevision + 1, holder: me };
    const { n: epoch, modRevision: epochModRevision } = group.epoch;
    return { of: 'begin-takeover', kind: 'done', epoch, epochModRevision, operation: `takeover-${epoch}` };
  }
  const end = action.do === 'detach' ? ends.get(action.node) : undefined;
  if (action.do !== 'detach' || end === undefined || !back.includes(action.node)) return null;
  return { of: 'detach', epoch: action.takeover.epoch, node: action.node, kind: 'done', position: position(end) };
}

interface Looking {
  readonly me: NodeId;
  readonly back: readonly NodeId[];
  readonly sync: SyncRecord;
  readonly group: Group;
  readonly nowMs: number;
  readonly ends: ReadonlyMap<NodeId, string>;
  readonly results: readonly ActionResult[];
}

function look({ me, back, sync, group, nowMs, ends, results }: Looking): Observation {
  const view = (node: NodeId): PeerView =>
    back.includes(node)
      ? peer(node, {
          pulse: pulse(
            node,
            node === W ? {} : { role: 'standby', open: false, detachable: true, endLsn: ends.get(node) ?? null },
          ),
          heardAtMs: nowMs,
          roleSinceMs: NOW - 1_000,
        })
      : peer(node, { pulse: null, heardAtMs: NOW, brokenSinceMs: NOW, roleSinceMs: NOW, doorRefusedAtMs: nowMs });
  const { n, modRevision, holder } = group.epoch;
  const lsn = ends.get(me);
  return observation(
    {
      me,
      nowMs,
      results,
      local: lsn === undefined ? null : standby({ endLsn: lsn, replayLsn: lsn, upstream: null, receiving: false }),
      peers: new Map([A, B, C, W].filter((node) => node !== me).map((node) => [node, view(node)])),
    },
    {
      epoch: { value: { n, holder, systemId: '7', operation: `takeover-${n}` }, modRevision },
      sync: { value: sync, modRevision: 50 },
      epochSeenAtMs: NOW - 1_000,
      seen: group.seen,
      mine: group.seen.find((it) => it.observer === me) ?? null,
    },
  );
}

const ORDERS: readonly (readonly NodeId[])[] = [
  [A, B, C],
  [A, C, B],
  [B, A, C],
  [B, C, A],
  [C, A, B],
  [C, B, A],
];
const name = (nodes: readonly NodeId[]): string =>
  nodes.map((node) => ({ [A]: 'A', [B]: 'B', [C]: 'C' })[node] ?? 'W').join('');

/** Every set of nodes that is there at some moment of some order of return: with each node missing for ever among them. */
const MOMENTS = [
  ...new Map(ORDERS.flatMap((order) => [1, 2, 3].map((n) => order.slice(0, n))).map((it) => [name(it), it])).values(),
];

describe('cold start in any order of return (P8.1, F5, F8)', () => {
  it('looks at every order', () =>
    expect(MOMENTS.map(name).toSorted()).toEqual(
      ['A', 'AB', 'ABC', 'AC', 'ACB', 'B', 'BA', 'BAC', 'BC', 'BCA', 'C', 'CA', 'CAB', 'CB', 'CBA'].toSorted(),
    ));

  describe.each(MOMENTS.map((back) => ({ back, label: name(back) })))('after $label came back', ({ back }) => {
    const withWitness = [...back, W];

    it('one of two confirmed: the last primary, or both standbys and the further one', () => {
      const { target, why } = coldStart(withWitness, record());
      if (back.includes(A) || (back.includes(B) && back.includes(C))) expect([A, B]).toContain(target);
      else {
        expect(target).toBeNull();
        expect(why).toMatch(/can be read/);
      }
    });

    it('both confirmed: anybody has everything, so anybody who is there', () => {
      const { target } = coldStart(withWitness, record({ w: 2 }), new Map(ENDS).set(C, '0/600'));
      expect(back).toContain(target);
    });

    it('acknowledged alone: only the one who did; otherwise closed, saying what to do', () => {
      const { target, why } = coldStart(withWitness, record({ w: 0, names: [] }));
      expect(target).toBe(back.includes(A) ? A : null);
      if (!back.includes(A)) expect(why).toMatch(/acknowledged alone.*bring .* back.*--allow-data-loss/is);
    });
  });

  it('needs a majority of observers, or the last primary saying that it is none any more', () => {
    expect(coldStart([A], record()).target).toBe(A);
    expect(coldStart([C], record({ w: 2 })).target).toBeNull();
    expect(coldStart([B, C], record()).target).toBe(B);
  });

  it('a record of a newer reign than the last that opened is judged by the same rule', () => {
    expect(coldStart([B, C, W], record({ primary: B, w: 0, names: [] })).target).toBe(B);
    expect(coldStart([A, C, W], record({ primary: B, w: 0, names: [] })).target).toBeNull();
  });
});
