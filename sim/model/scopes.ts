import type { LeaseScope } from './lease.ts';
import { PROTOCOL, type QuorumRules, type QuorumScope } from './quorum/scope.ts';
import type { RejoinScope } from './rejoin.ts';

/** Everything that is searched, by name. */

const THREE_REGIONS = [0, 1, 2];
const TWO_REGIONS = [0, 1];
/** A and B in one region, C in another. */
const TWO_NODES_AND_ONE = [0, 0, 1];

const quorum: QuorumScope = {
  regions: THREE_REGIONS,
  mode: 'all',
  whenAlone: 'block',
  writes: 1,
  faults: 1,
  takeovers: 1,
  changes: 2,
  cancels: false,
  outages: false,
  lateRequests: true,
  slowOrders: false,
  rules: PROTOCOL,
  mistake: null,
  repairTakeovers: 3,
  repairChanges: 4,
};
const any1: QuorumScope = { ...quorum, mode: 'any1' };
const two: QuorumScope = { ...quorum, regions: TWO_REGIONS };
const lease: LeaseScope = {
  nodes: 3,
  ttl: 2,
  time: 7,
  faults: 2,
  takeovers: 1,
  writes: 2,
  persistPromise: true,
  targetKeepsPromise: true,
  suspects: false,
  mistake: null,
};
const suspecting: LeaseScope = { ...lease, writes: 1, suspects: true };
const rejoin: RejoinScope = { nodes: 3, writes: 3, faults: 3, takeovers: 2, mistake: null };

const reading = (rules: Partial<QuorumRules>): { readonly rules: QuorumRules } => ({
  rules: { ...PROTOCOL, ...rules },
});

/** No violation may be found. */
export const QUORUM_SCOPES: Readonly<Record<string, QuorumScope>> = {
  '2-block': { ...two, faults: 2, takeovers: 2, writes: 2, slowOrders: true, cancels: true },
  '2-serve': { ...two, whenAlone: 'serve', faults: 2, takeovers: 2, writes: 2, cancels: true },
  '2-serve-outages': { ...two, whenAlone: 'serve', faults: 2, takeovers: 2, writes: 1, outages: true },
  '3-all-block': { ...quorum, faults: 2, writes: 2 },
  '3-all-serve': { ...quorum, whenAlone: 'serve', faults: 2, writes: 2 },
  '3-any1-block': { ...any1, faults: 2, writes: 2 },
  '3-any1-serve': { ...any1, whenAlone: 'serve', faults: 2, writes: 2 },
  '3-all-block-twice': { ...quorum, takeovers: 2, changes: 1 },
  '3-any1-serve-twice': { ...any1, whenAlone: 'serve', takeovers: 2, changes: 1 },
  '3-any1-slow-orders': { ...any1, takeovers: 2, faults: 0, changes: 0, slowOrders: true },
  'own-region-block': { ...quorum, regions: TWO_NODES_AND_ONE, faults: 1, takeovers: 2, changes: 1, writes: 2 },
  'own-region-three-writes': {
    ...quorum,
    regions: TWO_NODES_AND_ONE,
    faults: 0,
    takeovers: 2,
    changes: 1,
    writes: 3,
    lateRequests: false,
  },
  'own-region-serve': { ...quorum, regions: TWO_NODES_AND_ONE, whenAlone: 'serve', takeovers: 2, changes: 1 },
};

export const LEASE_SCOPES: Readonly<Record<string, LeaseScope>> = { lease, 'lease-store-loss': suspecting };

export const REJOIN_SCOPES: Readonly<Record<string, RejoinScope>> = { 'async-rejoin': rejoin };

/** From every state a write can be acknowledged again after repair. */
export const PROGRESS: Readonly<Record<string, QuorumScope>> = {
  'progress-2-block': { ...two, takeovers: 1, changes: 1 },
  'progress-2-serve': { ...two, whenAlone: 'serve', takeovers: 1, changes: 1 },
  'progress-3-all': { ...quorum, whenAlone: 'serve', faults: 0, takeovers: 1, changes: 0 },
  'progress-3-any1': { ...any1, faults: 0, takeovers: 1, changes: 0, repairTakeovers: 1, repairChanges: 1 },
};

/** A violation must be found: mistakes that the protocol forbids, and readings of its text that break it (`literal-`). */
export const QUORUM_MUTANTS: Readonly<Record<string, QuorumScope>> = {
  'no-barrier': { ...any1, mistake: 'no-barrier' },
  'create-revision': { ...quorum, mistake: 'create-revision', takeovers: 2, changes: 0 },
  'no-position-quorum': { ...any1, mistake: 'no-position-quorum' },
  'degrade-without-store': { ...quorum, mistake: 'degrade-without-store' },
  'promote-empty-list': { ...quorum, mistake: 'promote-empty-list' },
  'cancel-is-ack': { ...quorum, mistake: 'cancel-is-ack', cancels: true },
  'store-loss-demotes': { ...two, mistake: 'store-loss-demotes', outages: true },
  'own-region-confirms': { ...quorum, regions: TWO_NODES_AND_ONE, mode: 'any1', mistake: 'own-region-confirms' },
  'literal-barrier-is-a-probe': { ...any1, ...reading({ barrier: 'probe' }) },
  'literal-record-with-epoch': {
    ...any1,
    ...reading({ recordAt: 'epoch' }),
    takeovers: 2,
    changes: 0,
    faults: 0,
  },
  'literal-record-after-gateway': {
    ...quorum,
    ...reading({ recordAt: 'gateway-open' }),
    whenAlone: 'serve',
    takeovers: 2,
    changes: 0,
  },
  'literal-direction-by-list': {
    ...two,
    ...reading({ judgeBy: 'list' }),
    whenAlone: 'serve',
    faults: 2,
    takeovers: 2,
    writes: 1,
  },
  'literal-lists-one-by-one': { ...quorum, ...reading({ lists: 'one-by-one' }) },
  'literal-late-request': { ...any1, ...reading({ bumpFirst: false }), faults: 1 },
  'literal-evict-postgres-first': { ...quorum, mistake: 'evict-postgres-first' },
  'literal-slow-old-order': {
    ...any1,
    ...reading({ newerCancels: false }),
    slowOrders: true,
    faults: 0,
    changes: 0,
  },
  'literal-own-region-by-position': {
    ...quorum,
    ...reading({ ownRegion: 'position-only' }),
    regions: TWO_NODES_AND_ONE,
    faults: 0,
    takeovers: 2,
    changes: 1,
    writes: 3,
    lateRequests: false,
  },
};

export const LEASE_MUTANTS: Readonly<Record<string, LeaseScope>> = {
  'deadline-from-reply': { ...lease, mistake: 'deadline-from-reply' },
  'killed-postmaster-only': { ...lease, mistake: 'killed-postmaster-only' },
  'store-loss-kills': { ...suspecting, mistake: 'store-loss-kills' },
  'return-means-suspicion': { ...suspecting, mistake: 'return-means-suspicion' },
  'literal-promise-forgotten': { ...lease, persistPromise: false },
  'literal-target-keeps-no-promise': { ...lease, targetKeepsPromise: false },
};

export const REJOIN_MUTANTS: Readonly<Record<string, RejoinScope>> = {
  'no-salvage': { ...rejoin, mistake: 'no-salvage' },
  'follow-without-comparing': { ...rejoin, mistake: 'follow-without-comparing' },
  'compare-by-length': { ...rejoin, mistake: 'compare-by-length' },
  'behind-the-fork-is-a-candidate': { ...rejoin, mistake: 'behind-the-fork-is-a-candidate' },
};

/** Progress must be lost. */
export const PROGRESS_MUTANTS: Readonly<Record<string, QuorumScope>> = {
  'literal-nobody-finishes': { ...two, whenAlone: 'serve', changes: 1, ...reading({ finishes: false }) },
  'literal-nobody-withdraws': { ...two, whenAlone: 'serve', changes: 1, ...reading({ withdraws: false }) },
  'literal-holder-does-not-count': {
    ...any1,
    ...reading({ holderCounts: false }),
    faults: 0,
    changes: 0,
    repairTakeovers: 1,
    repairChanges: 1,
  },
};
