import { describe, expect, it } from 'vitest';
import { type NodeFound, planRecovery } from './recovery.ts';
import { A, B, C, policy, record } from './testing.ts';

const found = (node: typeof A, over: Partial<NodeFound> = {}): NodeFound => ({
  node,
  answered: true,
  hasData: true,
  systemId: '7',
  storedEpoch: 4,
  storedBy: A,
  timeline: 2,
  lsn: '0/500',
  open: false,
  ...over,
});
const EMPTY = { epoch: null, sync: null };
const gone = { answered: false, hasData: false, systemId: null, storedEpoch: null, storedBy: null, lsn: null };
const all = (a = {}, b = {}, c = {}) => [found(A, a), found(B, b), found(C, c)];
const epoch = (n: number, systemId = '7') => ({ epoch: { n, holder: A, systemId, operation: 'x' }, sync: record() });

describe('planRecovery (P1.1, I1)', () => {
  it('names the primary of the newest epoch, one epoch on, when every node was read', () => {
    expect(planRecovery(policy, all(), EMPTY, false)).toMatchObject({
      kind: 'recover',
      primary: A,
      epoch: 5,
      systemId: '7',
      loss: null,
    });
    const moved = all({ storedEpoch: 6, storedBy: C }, { storedEpoch: 5 }, { storedEpoch: 6, storedBy: C });
    expect(planRecovery(policy, moved, EMPTY, false)).toMatchObject({ primary: C, epoch: 7 });
  });

  it('goes past the store when that is behind, and past a higher epoch in it', () => {
    expect(planRecovery(policy, all(), epoch(2), false)).toMatchObject({ primary: A, epoch: 5 });
    const lost = planRecovery(policy, all({}, {}, { storedEpoch: 9, storedBy: C }), epoch(8), false);
    expect(lost).toMatchObject({ primary: C, epoch: 10 });
    expect(planRecovery(policy, all(), epoch(30, '8'), false)).toMatchObject({ primary: A, epoch: 5 });
  });

  it('refuses a store that is whole: it knows more than the databases', () => {
    expect(planRecovery(policy, all(), epoch(4), true)).toMatchObject({ code: 'store-whole' });
    expect(planRecovery(policy, all(), epoch(7), true)).toMatchObject({ code: 'store-whole' });
  });

  it('refuses while a node that may know more is not read; forced, it skips the epochs that one may hold', () => {
    expect(planRecovery(policy, all({}, gone), EMPTY, false)).toMatchObject({
      code: 'may-lose-writes',
      why: expect.stringContaining(B),
    });
    expect(planRecovery(policy, all({}, gone), EMPTY, true)).toMatchObject({
      primary: A,
      epoch: 105,
      loss: expect.stringContaining('newer epoch'),
    });
    expect(planRecovery(policy, all({}, { storedEpoch: null }), EMPTY, false)).toMatchObject({
      code: 'may-lose-writes',
    });
  });

  it('without the last primary: the furthest of all others, only where nobody acknowledged alone', () => {
    const empty = { hasData: false, systemId: null, storedEpoch: null, storedBy: null, lsn: null, timeline: null };
    const others = all(empty, { lsn: '0/600' });
    // A may still serve without its agent (P6): B and C are taken from it before they are read.
    expect(planRecovery(policy, others, EMPTY, false)).toMatchObject({
      primary: A,
      names: [B, C],
      epoch: 5,
      loss: null,
    });
    const alone = { ...policy, whenAlone: 'serve-with-rpo-suspended' as const };
    expect(planRecovery(alone, others, EMPTY, false)).toMatchObject({ code: 'may-lose-writes' });
    expect(planRecovery(alone, others, EMPTY, true)).toMatchObject({ primary: B, loss: expect.stringContaining(A) });
    expect(planRecovery({ ...policy, mode: 'async' }, others, EMPTY, false)).toMatchObject({ code: 'may-lose-writes' });
    const barred = { ...policy, promotable: [A, C] };
    expect(planRecovery(barred, others, EMPTY, false)).toMatchObject({ code: 'may-lose-writes' });
    expect(planRecovery({ ...policy, promotable: [A] }, others, EMPTY, true)).toMatchObject({
      code: 'no-permitted-candidate',
    });
  });

  it('refuses clusters that differ, and data that nobody has', () => {
    expect(planRecovery(policy, all({}, { systemId: '8' }), EMPTY, true)).toMatchObject({ code: 'data-foreign' });
    expect(planRecovery(policy, all(gone, gone, gone), EMPTY, true)).toMatchObject({ code: 'no-data' });
  });
});
