import { describe, expect, it } from 'vitest';
import { ownOtherBranch, whyOtherBranch } from './branch.ts';
import { decideRole } from './role.ts';
import { isDetachable } from './suspicion.ts';
import { A, NOW, observation, peer, pulse, record, standby } from './testing.ts';

const history = [
  { timeline: 1, lsn: '0/400' },
  { timeline: 2, lsn: '0/450' },
];

/** B's view; A is primary on timeline 3, which left 1 at 0/400 and 2 at 0/450. */
const seen = (over: Parameters<typeof pulse>[1] = {}, heard: Parameters<typeof peer>[1] = {}) => {
  const o = observation();
  const primary = peer(A, { pulse: pulse(A, { timeline: 3, history, ...over }), ...heard });
  return { ...o, peers: new Map([...o.peers, [A, primary]]) };
};
const at = (timeline: number, lsn: string) => whyOtherBranch(seen(), record(), { timeline, lsn, storedEpoch: 4 });

describe('whyOtherBranch (I10)', () => {
  it('knows its own branch: the same timeline, or an ancestor up to where it was left', () => {
    expect(at(3, '0/900')).toBeNull();
    expect(at(1, '0/400')).toBeNull();
    expect(at(2, '0/3FF')).toBeNull();
  });

  it('knows another branch: beyond the fork, or a timeline that is no ancestor', () => {
    expect(at(1, '0/401')?.text).toContain('1 bytes beyond');
    expect(at(2, '0/500')?.code).toBe('other-branch');
    expect(at(4, '0/100')?.text).toContain('no ancestor');
  });

  it('judges by the last pulse of a primary that is silent, never by that of another reign', () => {
    const silent = seen({}, { heardAtMs: NOW - 60_000, brokenSinceMs: NOW - 60_000 });
    expect(whyOtherBranch(silent, record(), { timeline: 1, lsn: '0/500', storedEpoch: 4 })).not.toBeNull();
    expect(
      whyOtherBranch(seen({ storedEpoch: 3 }), record(), { timeline: 1, lsn: '0/500', storedEpoch: 4 }),
    ).toBeNull();
    expect(whyOtherBranch(seen({ history: null }), record(), { timeline: 1, lsn: '0/500', storedEpoch: 4 })).toBeNull();
  });

  it('without the primary, a timeline newer than the reign is another branch (F15)', () => {
    const unheard = { ...observation({}, { position: { epoch: 4, timeline: 3, lsn: '0/500' } }), peers: new Map() };
    expect(whyOtherBranch(unheard, record(), { timeline: 4, lsn: '0/500', storedEpoch: 4 })?.code).toBe('other-branch');
    expect(whyOtherBranch(unheard, record(), { timeline: 3, lsn: '0/900', storedEpoch: 4 })).toBeNull();
    const older = { ...unheard, store: { ...unheard.store, position: { epoch: 3, timeline: 2, lsn: '0/500' } } };
    expect(whyOtherBranch(older, record(), { timeline: 4, lsn: '0/500', storedEpoch: 4 })).toBeNull();
  });
});

describe('a node on another branch (R6)', () => {
  const forked = standby({ timeline: 1, endLsn: '0/500', receiving: false });

  it('joins at the first look, although it follows and its receiver is gone for a moment only', () => {
    const decision = decideRole(seen(), forked, false, NOW - 10);
    expect(decision).toMatchObject({ action: { do: 'join', primary: A }, why: { code: 'other-branch' } });
    const behind = standby({ timeline: 1, endLsn: '0/400', receiving: false });
    expect(decideRole(seen(), behind, false, NOW - 10).action).toBeNull();
  });

  it('is not detachable, and says why while the primary is not heard', () => {
    expect(isDetachable({ ...seen(), local: forked }, seen().me)).toBe(false);
    expect(isDetachable({ ...seen(), local: standby({ timeline: 3 }) }, seen().me)).toBe(true);
    const silent = seen({}, { heardAtMs: NOW - 60_000, brokenSinceMs: NOW - 60_000 });
    expect(decideRole(silent, forked, false, null)).toMatchObject({ action: null, why: { code: 'other-branch' } });
  });

  it('is not judged while its timeline is not exact', () => {
    expect(ownOtherBranch(seen(), { ...forked, localWalReplayed: false })).toBeNull();
    expect(ownOtherBranch(seen(), { ...forked, state: 'primary' })).toBeNull();
  });

  // Epoch 7 was forced onto data that ended in epoch 4 on timeline 3; 5 and 6 were given up, and made a timeline 4 as well.
  describe('after a forced failover (P3.3, R7)', () => {
    const o = seen();
    const forced = { ...o, store: { ...o.store, forced: [{ epoch: 7, continues: { epoch: 4, timeline: 3 } }] } };
    const code = (timeline: number, storedEpoch: number | null) =>
      whyOtherBranch(forced, record(), { timeline, lsn: '0/100', storedEpoch })?.code;

    it('knows data of a reign that was given up, whatever its timeline is called', () => {
      expect(code(4, 5)).toBe('given-up');
      expect(code(4, 6)).toBe('given-up');
      expect(code(3, 5)).toBe('given-up');
    });

    it('takes a timeline as new as the forced reign’s without the row of it for the other branch', () =>
      expect(code(4, 4)).toBe('given-up'));

    it('leaves what the forced reign went on from, what it wrote, and what came after', () => {
      expect(code(3, 4)).toBeUndefined();
      expect(code(2, 2)).not.toBe('given-up');
      expect(code(4, 7)).not.toBe('given-up');
      expect(code(5, 8)).not.toBe('given-up');
    });

    it('does not take a standby that receives the new timeline, and has not replayed it yet, for another branch', () => {
      const local = { ...standby(), timeline: 4, storedEpoch: 4, endLsn: '0/100', localWalReplayed: true };
      const own = (receiving: boolean) => ownOtherBranch(forced, { ...local, receiving })?.code;
      expect(own(true)).not.toBe('given-up');
      expect(own(false)).toBe('given-up');
    });
  });
});
