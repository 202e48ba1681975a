import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeId, placeOf, type NodeId } from '../../base/ids.ts';
import type { Position } from '../../ports/database.ts';
import { decideFailover } from './decide.ts';
import { decideMembership, type MembershipView } from './membership.ts';
import { homeFirst, neighboursOf } from './neighbours.ts';
import type { Observation } from './observation.ts';
import { reignList } from './positioning.ts';
import { choose, positionQuorumSize } from './quorum.ts';
import type { FailoverState } from './state.ts';
import { suspicion } from './suspicion.ts';
import { A, against, B, C, NOW, observation, peer, policy, position, pulse, record, standby, W } from './testing.ts';

/** A second node beside each of the first ones. */
const A2 = nodeId(placeOf(A), 'n2');
const B2 = nodeId(placeOf(B), 'n2');
const nodes = [A, A2, B, B2];
const pairs = { ...policy, mode: 'sync' as const, dataNodes: nodes, promotable: nodes, observers: [...nodes, W] };
const toB = record({ w: 1, names: [B] });

const lsnOf = (n: number): string => `0/${(0x1000 + n).toString(16).toUpperCase()}`;

describe('a neighbour of the primary that was lost (F20)', () => {
  const read = (of: readonly (readonly [NodeId, Position])[]) => choose(toB, new Map(of), null, homeFirst(pairs, A));

  it('comes before another region when it holds as much, and when it holds more', () => {
    expect(
      read([
        [B, position('0/500')],
        [A2, position('0/500')],
      ]),
    ).toMatchObject({ kind: 'chosen', target: A2 });
    expect(
      read([
        [B, position('0/500')],
        [A2, position('0/600')],
      ]),
    ).toMatchObject({ kind: 'chosen', target: A2 });
  });

  it('is passed over when it is behind (I6)', () => {
    expect(
      read([
        [B, position('0/500')],
        [A2, position('0/4FF')],
      ]),
    ).toMatchObject({ kind: 'chosen', target: B });
  });

  it('proves nothing by itself: the position quorum is of the record’s members (P3.2)', () => {
    expect(read([[A2, position('0/900')]])).toMatchObject({ kind: 'refused', code: 'no-position-quorum' });
    const solo = record({ w: 0, names: [] });
    const alone = choose(solo, new Map([[A2, position('0/900')]]), null, homeFirst(pairs, A));
    expect(alone).toMatchObject({ kind: 'refused', code: 'no-position-quorum' });
  });

  it('is of another branch when its newest epoch is not the record’s, whatever its timeline and position (I10)', () => {
    for (const storedEpoch of [3, 5, null])
      expect(
        read([
          [B, position('0/500')],
          [A2, { ...position('0/900'), storedEpoch }],
        ]),
      ).toMatchObject({ target: B });
    expect(
      read([
        [B, position('0/500')],
        [A2, position('0/900', 2)],
      ]),
    ).toMatchObject({ target: B });
  });

  it('is of the primary’s region: an unnamed node elsewhere is no candidate', () => {
    expect(
      read([
        [B, position('0/500')],
        [B2, position('0/900')],
      ]),
    ).toMatchObject({ target: B });
  });

  it('never lacks an acknowledged write, for any quorum that was read and any fork', () => {
    const members = [B, B2, C, nodeId(placeOf(C), 'n2')];
    const world = fc.record({
      ends: fc.array(fc.nat(40), { minLength: 1, maxLength: 4 }),
      w: fc.integer({ min: 1, max: 4 }),
      skip: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      neighbour: fc.nat(50),
      forked: fc.boolean(),
    });
    let took = 0;
    fc.assert(
      fc.property(world, ({ ends, w, skip, neighbour, forked }) => {
        const names = members.slice(0, ends.length);
        const confirmed = Math.min(w, names.length);
        // The furthest write that W of them have: nothing past it was acknowledged.
        const acknowledged = ends.toSorted((a, b) => b - a)[confirmed - 1] ?? 0;
        const of = record({ w: confirmed, names });
        const left = names.filter((_, i) => skip[i] !== true);
        const positions = new Map(left.map((node) => [node, position(lsnOf(ends[names.indexOf(node)] ?? 0))]));
        // One that was promoted apart has the same timeline and not the epoch's row.
        positions.set(A2, { ...position(lsnOf(neighbour)), storedEpoch: forked ? 3 : 4 });
        const choice = choose(of, positions, null, [A2, ...names]);
        if (left.length < positionQuorumSize(of)) expect(choice.kind).toBe('refused');
        else if (choice.kind === 'chosen' && choice.target === A2) {
          took += 1;
          expect(forked).toBe(false);
          expect(neighbour).toBeGreaterThanOrEqual(acknowledged);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(took).toBeGreaterThan(50);
  });

  it('is told apart from the primary and from other regions', () => {
    expect(neighboursOf(pairs, A)).toEqual([A2]);
    expect(homeFirst(pairs, B)).toEqual([B2, A, A2, B]);
    expect(homeFirst(policy, A)).toEqual([A, B, C]);
  });
});

describe('a takeover with a neighbour in reach', () => {
  const fencing = (read: readonly (readonly [NodeId, Position])[], startedAtMs = NOW - 100): FailoverState => ({
    kind: 'fencing',
    epoch: 5,
    epochModRevision: 60,
    operation: 'takeover-5',
    move: null,
    unseen: false,
    ended: null,
    startedAtMs,
    record: { value: toB, modRevision: 50 },
    askAgainAtMs: new Map(),
    positions: new Map(read),
  });
  const looks = (over: Partial<Observation> = {}): Observation =>
    observation(
      {
        me: A2,
        policy: pairs,
        local: standby(),
        peers: new Map(
          [A, B, B2, W].map((node) => [
            node,
            peer(node, { pulse: pulse(node, { detachable: node !== A && node !== W }) }),
          ]),
        ),
        ...over,
      },
      { epoch: { value: { n: 5, holder: A2, systemId: '7', operation: 'takeover-5' }, modRevision: 60 } },
    );

  it('asks it with the members, and waits for it although the quorum is there', () => {
    const step = decideFailover(fencing([]), looks());
    const asked = step.actions.flatMap((action) => (action.do === 'detach' ? [action.node] : []));
    expect(asked).toEqual(expect.arrayContaining([B, A2]));
    const waits = decideFailover(fencing([[B, position('0/500')]]), looks());
    expect(waits).toMatchObject({ state: { kind: 'fencing' }, why: { code: 'neighbour-first' } });
  });

  it('takes another region when it does not answer in time, or is not in reach', () => {
    const late = decideFailover(fencing([[B, position('0/500')]], NOW - 2_500), looks());
    expect(late).toMatchObject({ state: { kind: 'positioning', target: B } });
    const gone = decideFailover(fencing([[B, position('0/500')]]), looks({ local: standby({ state: 'stopped' }) }));
    expect(gone).toMatchObject({ state: { kind: 'positioning', target: B } });
  });

  it('records the neighbour with the quorum that proved it', () => {
    const step = decideFailover(
      fencing([
        [B, position('0/500')],
        [A2, position('0/500')],
      ]),
      looks(),
    );
    expect(step.state).toMatchObject({ kind: 'positioning', target: A2 });
    expect(step.actions[0]).toMatchObject({ do: 'record-takeover', fence: { kind: 'quorum-detached' } });
  });
});

describe('suspicion with neighbours (F21)', () => {
  const seen = (observers: readonly NodeId[]) =>
    suspicion(observation({ policy: pairs }, { seen: observers.map((node) => against(node)) })).kind;

  it('is a majority outside the region: the region may be gone with every voice in it', () => {
    expect(seen([B, B2])).toBe('majority');
    expect(seen([B])).toBe('none');
  });

  it('is also a majority of all but the suspect: a node is lost, and its neighbour sees it', () => {
    expect(seen([B, A2])).toBe('none');
    expect(seen([B, A2, W])).toBe('majority');
    const few = { ...pairs, observers: [A, A2, nodeId(placeOf(A), 'n3'), B, W] };
    const blind = [A2, nodeId(placeOf(A), 'n3'), W].map((node) => against(node));
    expect(suspicion(observation({ policy: few }, { seen: blind })).kind).toBe('majority');
  });

  it('a neighbour judges the primary like anybody else', () => {
    const dead = { brokenSinceMs: NOW - 400, heardAtMs: NOW - 400, doorRefusedAtMs: NOW - 10 };
    const o = observation({ me: A2, policy: pairs, peers: new Map([[A, peer(A, dead)]]) });
    const step = decideFailover({ kind: 'steady' }, o);
    expect(step.actions[0]).toMatchObject({ do: 'publish-verdict', verdict: 'cannot-see-commit' });
  });
});

describe('who confirms with several nodes in a region (M5, M6)', () => {
  const streams = (node: NodeId) => ({
    node,
    epoch: 4,
    state: 'streaming' as const,
    flushLsn: '0/500',
    replayLsn: '0/500',
    syncState: 'async' as const,
  });
  const view = (over: Partial<MembershipView> = {}): MembershipView => ({
    policy: pairs,
    knobs: observation().knobs,
    primary: A,
    epoch: 4,
    record: { w: 1, names: [B] },
    configured: { w: 1, names: [B] },
    olderLists: [],
    standbys: [A2, B, B2].map(streams),
    endLsn: '0/500',
    reignLsn: '0/100',
    nowMs: NOW,
    goneSinceMs: new Map(),
    ...over,
  });

  it('one name a region: its other nodes and the primary’s neighbour stay out', () => {
    expect(decideMembership(view())).toMatchObject({ change: null, why: { code: 'settled' } });
    expect(
      decideMembership(view({ record: { w: 0, names: [] }, configured: { w: 0, names: [] } })).change,
    ).toMatchObject({
      to: { w: 1, names: [B] },
    });
  });

  it('another node of the region takes the place of one that is gone', () => {
    const gone = { goneSinceMs: new Map([[B, NOW - 3_000]]), standbys: [A2, B2].map(streams) };
    // Fewer names at once would not cover the list in force, so both are named for a moment (P4.1).
    const between = { w: 1, names: [B, B2] };
    expect(decideMembership(view(gone))).toMatchObject({
      change: { path: 'record-only', to: between },
      why: { code: 'replace' },
    });
    const next = decideMembership(view({ ...gone, record: between }));
    expect(next).toMatchObject({ change: { path: 'postgres-first', to: { w: 1, names: [B2] } } });
  });

  it('a reign begins with one of each region, one in reach if there is', () => {
    expect(reignList(pairs, A, () => true)).toEqual({ w: 1, names: [B] });
    expect(reignList(pairs, A, (node) => node === B2)).toEqual({ w: 1, names: [B2] });
    expect(reignList(pairs, A2, () => false)).toEqual({ w: 1, names: [B] });
  });
});
