import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultKnobs } from '../../base/knobs.ts';
import type { NodeId } from '../../base/ids.ts';
import type { StandbySeen } from '../../ports/database.ts';
import { decideMembership, type MembershipView } from './membership.ts';
import { type Confirmers, covers, weakestOf } from './quorum.ts';
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

  it('withdraws a name that never reached the record, through a record that covers a mix of both lists (M1, M3)', () => {
    const sync = { ...policy, mode: 'sync' as const };
    const v = view({ policy: sync, record: { w: 1, names: [B] }, configured: { w: 2, names: [B, C] }, standbys: [] });
    expect(decideMembership(v)).toMatchObject({
      change: { path: 'record-only', to: { w: 1, names: [B, C] } },
      why: { code: 'withdraw' },
    });
    const then = { ...v, record: { w: 1, names: [B, C] }, goneSinceMs: gone(C) };
    expect(decideMembership(then).change).toMatchObject({ path: 'postgres-first', to: { w: 1, names: [B] } });
  });

  // One walsender has read `ANY 2 (B, C)`, the other still has `ANY 1 (B)`, and counts C, which says that it is named.
  it('lets a name in under `sync` through a record that asks of fewer, and then asks of all (M1, M4)', () => {
    const sync = { ...policy, mode: 'sync' as const };
    const one = { w: 1, names: [B] };
    const v = view({ policy: sync, record: one, configured: one });
    expect(decideMembership(v).change).toMatchObject({ path: 'record-only', to: { w: 1, names: [B, C] } });
    const then = decideMembership({ ...v, record: { w: 1, names: [B, C] } });
    expect(then).toMatchObject({
      change: { path: 'postgres-first', to: { w: 2, names: [B, C] } },
      why: { code: 'tighten' },
    });
  });

  it('evicts under `sync` through a record that asks of fewer (M1, M3)', () => {
    const both = { w: 2, names: [B, C] };
    const sync = { ...policy, mode: 'sync' as const };
    const v = view({ policy: sync, record: both, configured: both, standbys: [streaming(B)], goneSinceMs: gone(C) });
    expect(decideMembership(v).change).toMatchObject({ path: 'record-only', to: { w: 1, names: [B, C] } });
    const then = decideMembership({ ...v, record: { w: 1, names: [B, C] } });
    expect(then.change).toMatchObject({ path: 'postgres-first', to: { w: 1, names: [B] } });
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

  describe('a record between two settings names both nodes of a region (M6)', () => {
    const second = 'aws:eu-west-1/n2' as NodeId;
    const between = { w: 1, names: [B, second] };
    const both = { record: between, standbys: [streaming(B), streaming(second)] };
    const sync = { ...policy, mode: 'sync' as const, dataNodes: [A, B, second, C] };
    const changeOf = (over: Partial<MembershipView>) => decideMembership(view({ ...both, policy: sync, ...over }));

    it.each([
      ['the one in PostgreSQL’s list stays', { configured: { w: 1, names: [B] } }, B],
      ['and when that is the other', { configured: { w: 1, names: [second] } }, second],
      [
        'rather one that keeps up',
        { configured: { w: 1, names: [B] }, standbys: [streaming(B, { state: 'catchup' }), streaming(second)] },
        second,
      ],
      ['one that is gone leaves anyway', { configured: { w: 1, names: [B] }, goneSinceMs: gone(B) }, second],
    ] as const)('the first is back: %s', (_what, over, stays) => {
      expect(changeOf(over).change).toMatchObject({ to: { w: 1, names: [stays] } });
    });

    it('before anybody else enters, and one that leaves takes no spare one’s place', () => {
      expect(changeOf({ configured: between, standbys: [...both.standbys, streaming(C)] }).why.code).toBe(
        'one-of-region',
      );
      const three = { w: 1, names: [B, second, C] };
      const left = changeOf({ record: three, configured: { w: 2, names: [B, C] }, goneSinceMs: gone(C) });
      expect(left.change).toMatchObject({ to: { w: 1, names: [B] } });
    });
  });

  it('learns which lists are in force after a restart of the agent before it loosens the record (M2)', () => {
    const one = { w: 1, names: [B] };
    expect(decideMembership(view({ record: one, configured: one, olderLists: null })).change).toMatchObject({
      path: 'learn',
    });
  });

  it('never proposes a change whose two writes leave a list in force, or a mix of lists, that the record does not cover (M1, P4.1)', () => {
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
          fc.pre(covers(rec, weakestOf([configured, ...older])));
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
          const after = change.path === 'record-only' ? inForce : [...inForce, change.to];
          expect(covers(change.path === 'postgres-first' ? rec : change.to, weakestOf(after))).toBe(true);
          // What was acknowledged under the record that stood stays in reach of the one that follows at once.
          if (change.path !== 'postgres-first') expect(covers(change.to, rec)).toBe(true);
          if (whenAlone === 'block') expect(change.to.w).toBeGreaterThan(0);
        },
      ),
      { numRuns: 2_000 },
    );
    expect(changes).toBeGreaterThan(100);
  });

  it('comes to rest from every record that covers what is in force: no chain of changes goes round in circles (M1)', () => {
    const settings = [
      SOLO,
      { w: 1, names: [B] },
      { w: 1, names: [C] },
      { w: 1, names: [B, C] },
      { w: 2, names: [B, C] },
    ];
    const pairs = settings.flatMap((record) => settings.map((configured) => ({ record, configured })));
    const begun = pairs.filter(({ record, configured }) => covers(record, configured));
    for (const mode of ['sync', 'semi-sync'] as const)
      for (const whenAlone of ['block', 'serve-with-rpo-suspended'] as const)
        for (const streams of [[B], [C], [B, C]]) {
          const w = mode === 'sync' ? streams.length : 1;
          const rested = begun.map((from) => rest(view({ ...from, policy: { ...policy, mode, whenAlone } }), streams));
          expect(rested.map(({ record }) => ({ w: record.w, names: record.names.toSorted() }))).toEqual(
            begun.map(() => ({ w, names: streams.toSorted() })),
          );
        }
    expect(begun.length).toBeGreaterThan(10);
  });
});

/** Looks and changes until nothing is left to change, while these stream and the others are gone. */
function rest(from: MembershipView, streams: readonly NodeId[]): MembershipView {
  const goneNow = gone(...[B, C].filter((node) => !streams.includes(node)));
  let v: MembershipView = { ...from, standbys: streams.map((node) => streaming(node)), goneSinceMs: goneNow };
  for (let looks = 0; looks < 8; looks++) {
    const { change } = decideMembership(v);
    if (change === null) return v;
    if (change.path === 'learn') continue;
    v = { ...v, record: change.to, configured: change.path === 'record-only' ? v.configured : change.to };
  }
  throw new Error(`no rest from ${JSON.stringify({ record: from.record, configured: from.configured })}`);
}
