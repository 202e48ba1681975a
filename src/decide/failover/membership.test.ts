import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultKnobs } from '../../base/knobs.ts';
import type { NodeId } from '../../base/ids.ts';
import type { StandbySeen } from '../../ports/database.ts';
import { decideMembership, type MembershipView } from './membership.ts';
import { type Confirmers, covers } from './quorum.ts';
import { A, B, C, policy } from './testing.ts';

const SOLO: Confirmers = { w: 0, names: [] };
const streaming = (node: NodeId, over: Partial<StandbySeen> = {}): StandbySeen => ({
  node,
  epoch: 4,
  state: 'streaming',
  flushLsn: '0/500',
  replayLsn: '0/500',
  syncState: 'quorum',
  ...over,
});
const view = (over: Partial<MembershipView> = {}): MembershipView => ({
  policy,
  knobs: defaultKnobs(),
  primary: A,
  epoch: 4,
  record: { w: 1, names: [B, C] },
  configured: { w: 1, names: [B, C] },
  olderLists: [],
  standbys: [streaming(B), streaming(C)],
  endLsn: '0/500',
  reignLsn: '0/400',
  nowMs: 100_000,
  goneSinceMs: new Map(),
  ...over,
});
const gone = (...nodes: NodeId[]) => new Map(nodes.map((node) => [node, 100_000 - defaultKnobs().evictAfterMs]));

describe('decideMembership', () => {
  it('does nothing when all is as it should be', () =>
    expect(decideMembership(view())).toMatchObject({ change: null, why: { code: 'settled' } }));

  it('evicts a member that is gone, PostgreSQL first, because the record covers the shorter list (M3)', () => {
    expect(decideMembership(view({ goneSinceMs: gone(C) })).change).toMatchObject({
      path: 'postgres-first',
      to: { w: 1, names: [B] },
    });
  });

  it('lets a name in store first, because the longer list is not covered before (M4)', () => {
    const one = { w: 1, names: [B] };
    expect(decideMembership(view({ record: one, configured: one })).change).toMatchObject({
      path: 'store-first',
      to: { w: 1, names: [B, C] },
    });
  });

  it('starts a reign that blocks when alone from solo: PostgreSQL first, one name at a time', () => {
    const v = view({ record: SOLO, standbys: [streaming(B)] });
    expect(decideMembership(v).change).toMatchObject({ path: 'postgres-first', to: { w: 1, names: [B] } });
  });

  it('keeps the last name under `block`, and goes solo store first under `serve`', () => {
    const alone = {
      record: { w: 1, names: [B] },
      configured: { w: 1, names: [B] },
      standbys: [],
      goneSinceMs: gone(B),
    };
    expect(decideMembership(view(alone))).toMatchObject({ change: null, why: { code: 'alone-and-blocked' } });
    const serve = { ...policy, whenAlone: 'serve-with-rpo-suspended' as const };
    expect(decideMembership(view({ ...alone, policy: serve })).change).toMatchObject({ path: 'store-first', to: SOLO });
  });

  it('withdraws a name that never reached the record (M3)', () => {
    const v = view({ record: { w: 1, names: [B] }, standbys: [streaming(B)] });
    expect(decideMembership(v).change).toMatchObject({
      path: 'postgres-first',
      to: { names: [B] },
      why: { code: 'withdraw' },
    });
  });

  it('lets everybody who is gone leave together: a barrier would wait for each that stays (M3)', () => {
    const serve = { ...policy, whenAlone: 'serve-with-rpo-suspended' as const };
    const both = view({ policy: serve, standbys: [], goneSinceMs: gone(B, C) });
    expect(decideMembership(both).change).toMatchObject({ path: 'store-first', to: SOLO });
  });

  it('replaces the last confirmer by one that is ready, through a record that covers both lists (M1, M3)', () => {
    const one = { w: 1, names: [B] };
    const lost = view({ record: one, configured: one, standbys: [streaming(C)], goneSinceMs: gone(B) });
    const between = { w: 1, names: [B, C] };
    expect(decideMembership(lost).change).toMatchObject({ path: 'record-only', to: between });
    const then = decideMembership({ ...lost, record: between });
    expect(then.change).toMatchObject({ path: 'postgres-first', to: { w: 1, names: [C] } });
  });

  it('lowers how many confirm and who at once through the third setting (M1)', () => {
    const D = 'aws:sa-east-1/n1' as NodeId;
    const wide = { ...policy, confirm: 2, dataNodes: [A, B, C, D] };
    const two = { w: 2, names: [B, C, D] };
    const lost = view({
      policy: wide,
      record: two,
      configured: two,
      standbys: [streaming(B)],
      goneSinceMs: gone(C, D),
    });
    expect(decideMembership(lost).change).toMatchObject({ path: 'record-only', to: { w: 1, names: [B, C, D] } });
    const then = decideMembership({ ...lost, record: { w: 1, names: [B, C, D] } });
    expect(then.change).toMatchObject({ path: 'postgres-first', to: { w: 1, names: [B] } });
  });

  it('withdraws under `serve` a name with which the reign began and that does not come, and waits for it under `block`', () => {
    const began = { record: SOLO, configured: { w: 1, names: [C] }, standbys: [], goneSinceMs: gone(C) };
    const serve = { ...policy, whenAlone: 'serve-with-rpo-suspended' as const };
    expect(decideMembership(view({ ...began, policy: serve })).change).toMatchObject({ path: 'store-first', to: SOLO });
    expect(decideMembership(view({ ...began, policy: serve, goneSinceMs: new Map() })).change).toBeNull();
    expect(decideMembership(view(began)).change).toBeNull();
  });

  it('does not let in a standby of another epoch, before the fork, far behind, or of the same region (M4, M5)', () => {
    const one = { w: 1, names: [B] };
    for (const c of [
      streaming(C, { epoch: 3 }),
      streaming(C, { flushLsn: '0/300' }),
      streaming(C, { state: 'catchup' }),
    ]) {
      expect(decideMembership(view({ record: one, configured: one, standbys: [streaming(B), c] })).change).toBeNull();
    }
    const far = view({
      record: one,
      configured: one,
      endLsn: '1/0',
      standbys: [streaming(B, { flushLsn: '1/0' }), streaming(C)],
    });
    expect(decideMembership(far).change).toBeNull();
    const neighbour = 'aws:us-east-1/n2' as NodeId;
    const near = view({
      record: one,
      configured: one,
      policy: { ...policy, dataNodes: [A, neighbour, B, C] },
      standbys: [streaming(B), streaming(neighbour)],
    });
    expect(decideMembership(near).change).toBeNull();
  });

  it('learns which lists are in force after a restart of the agent before it loosens the record (M2)', () => {
    const one = { w: 1, names: [B] };
    expect(decideMembership(view({ record: one, configured: one, olderLists: null })).change).toMatchObject({
      path: 'learn',
    });
  });

  it('never proposes a change whose two writes leave a list in force that the record does not cover (M1, P4.1)', () => {
    const lists = fc.constantFrom<Confirmers>(
      SOLO,
      { w: 1, names: [B] },
      { w: 1, names: [C] },
      { w: 1, names: [B, C] },
      { w: 2, names: [B, C] },
    );
    const modes = fc.constantFrom<[MembershipView['policy']['mode'], MembershipView['policy']['whenAlone']]>(
      ['sync', 'block'],
      ['semi-sync', 'block'],
      ['sync', 'serve-with-rpo-suspended'],
      ['semi-sync', 'serve-with-rpo-suspended'],
    );
    let changes = 0;
    fc.assert(
      fc.property(
        lists,
        lists,
        fc.array(lists, { maxLength: 2 }),
        modes,
        fc.subarray([B, C]),
        fc.subarray([B, C]),
        (rec, configured, older, [mode, whenAlone], streams, left) => {
          fc.pre([configured, ...older].every((list) => covers(rec, list)));
          const v = view({
            record: rec,
            configured,
            olderLists: older,
            policy: { ...policy, mode, whenAlone },
            standbys: streams.map((n) => streaming(n)),
            goneSinceMs: gone(...left),
          });
          const { change } = decideMembership(v);
          if (change === null || change.path === 'learn') return;
          changes += 1;
          const inForce = [configured, ...older];
          if (change.path !== 'postgres-first')
            expect([...inForce, change.to].every((list) => covers(change.to, list))).toBe(true);
          else expect([...inForce, change.to].every((list) => covers(rec, list))).toBe(true);
          if (whenAlone === 'block') expect(change.to.w).toBeGreaterThan(0);
        },
      ),
      { numRuns: 2_000 },
    );
    expect(changes).toBeGreaterThan(100);
  });
});
