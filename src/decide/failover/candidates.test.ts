import { describe, expect, it } from 'vitest';
import { defaultKnobs } from '../../base/knobs.ts';
import type { StandbySeen } from '../../ports/database.ts';
import { type CandidatesView, decideCandidates, guardAtMs } from './candidates.ts';
import { A, B, C, NOW, policy } from './testing.ts';

const streams = (node: StandbySeen['node']): StandbySeen => ({
  node,
  epoch: 4,
  state: 'streaming',
  flushLsn: '0/500',
  replayLsn: '0/500',
  syncState: 'async',
});
const asyncPolicy = {
  ...policy,
  mode: 'async' as const,
  confirm: 0,
  whenAlone: 'serve-with-rpo-suspended' as const,
  async: { rpoMs: 5_000, maxLossBytes: null, guard: 'none' as const },
};
const view = (over: Partial<CandidatesView> = {}): CandidatesView => ({
  policy: asyncPolicy,
  knobs: defaultKnobs(),
  primary: A,
  epoch: 4,
  record: { w: 0, names: [B, C] },
  configured: { w: 0, names: [] },
  olderLists: [],
  standbys: [streams(B), streams(C)],
  endLsn: '0/500',
  reignLsn: '0/100',
  nowMs: NOW,
  goneSinceMs: new Map(),
  lagMs: 0,
  ...over,
});
const gone = (...nodes: readonly (typeof B)[]) => new Map(nodes.map((node) => [node, NOW - 3_000]));

describe('M7: candidates of an async group', () => {
  it('nobody is waited for: the list is emptied first, and the record alone says who may be promoted', () => {
    expect(decideCandidates(view({ configured: { w: 1, names: [B] } })).change).toMatchObject({
      path: 'list',
      to: { w: 0, names: [] },
    });
    expect(decideCandidates(view({ record: { w: 0, names: [B] } })).change).toMatchObject({
      path: 'record-only',
      to: { w: 0, names: [B, C] },
    });
    expect(decideCandidates(view()).change).toBeNull();
  });

  it('one that is gone leaves; one behind the fork or of another epoch does not enter', () => {
    const left = view({ goneSinceMs: gone(C), standbys: [streams(B)] });
    expect(decideCandidates(left).change).toMatchObject({ path: 'record-only', to: { w: 0, names: [B] } });
    const behind = { ...streams(C), flushLsn: '0/80' };
    const old = { ...streams(C), epoch: 3 };
    for (const other of [behind, old])
      expect(decideCandidates(view({ record: { w: 0, names: [B] }, standbys: [streams(B), other] })).change).toBeNull();
  });

  it('alone: goes on solo, or with `block` writes wait and the record stays', () => {
    const alone = { goneSinceMs: gone(B, C), standbys: [] };
    expect(decideCandidates(view(alone)).change).toMatchObject({ path: 'record-only', to: { w: 0, names: [] } });
    const blocks = { ...asyncPolicy, whenAlone: 'block' as const };
    const waits = { w: 1, names: [B, C] };
    expect(decideCandidates(view({ ...alone, policy: blocks })).change).toMatchObject({ path: 'list', to: waits });
    const after = decideCandidates(view({ ...alone, policy: blocks, configured: waits }));
    expect(after).toMatchObject({ change: null, why: { code: 'alone-and-blocked' } });
  });

  it('the guard holds writes back before the RPO is reached, and lets go well below it', () => {
    const guarded = { ...asyncPolicy, async: { rpoMs: 1_000, maxLossBytes: null, guard: 'block' as const } };
    expect(guardAtMs(1_000)).toBe(500);
    const waits = { w: 1, names: [B, C] };
    expect(decideCandidates(view({ policy: guarded, lagMs: 490 })).change).toBeNull();
    expect(decideCandidates(view({ policy: guarded, lagMs: 510 })).change).toMatchObject({ path: 'list', to: waits });
    expect(decideCandidates(view({ policy: guarded, lagMs: 300, configured: waits })).change).toBeNull();
    // Until it is shown to be in force it is not trusted (P4.1b).
    const reloading = view({ policy: guarded, lagMs: 300, configured: waits, olderLists: null });
    expect(decideCandidates(reloading).change).toMatchObject({ path: 'learn' });
    expect(decideCandidates(view({ policy: guarded, lagMs: 200, configured: waits })).change).toMatchObject({
      path: 'list',
      to: { w: 0, names: [] },
    });
  });
});
