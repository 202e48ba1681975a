import { nodeId, placeId, type NodeId } from '../../base/ids.ts';
import { defaultKnobs } from '../../base/knobs.ts';
import type { Pulse } from '../../ports/agent.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { DatabaseStatus, Position } from '../../ports/database.ts';
import type { SyncRecord } from '../../ports/records.ts';
import type { Observation, PeerView } from './observation.ts';

/** Builders for tests: three regions and a site, the first one primary of epoch 4. */
export const A = nodeId(placeId('aws:us-east-1'), 'n1');
export const B = nodeId(placeId('aws:eu-west-1'), 'n1');
export const C = nodeId(placeId('aws:ap-northeast-1'), 'n1');
export const W = nodeId(placeId('aws:us-east-2'), 'witness');

export const NOW = 100_000;

export const policy: GroupPolicy = {
  deployment: 'shop',
  group: 'main',
  mode: 'semi-sync',
  confirm: 1,
  whenAlone: 'block',
  async: null,
  dataNodes: [A, B, C],
  promotable: [A, B, C],
  observers: [A, B, C, W],
  regions: [],
};

export const position = (lsn: string, timeline = 1): Position => ({ timeline, lsn, systemId: '7', storedEpoch: 4 });

export const record = (over: Partial<SyncRecord> = {}): SyncRecord => ({
  version: 3,
  epoch: 4,
  primary: A,
  mode: 'semi-sync',
  w: 1,
  names: [B, C],
  ...over,
});

export const standby = (over: Partial<DatabaseStatus> = {}): DatabaseStatus => ({
  state: 'standby',
  systemId: '7',
  timeline: 1,
  history: null,
  storedEpoch: 4,
  storedBy: A,
  endLsn: '0/500',
  replayLsn: '0/500',
  upstream: { node: A, epoch: 4 },
  receiving: true,
  localWalReplayed: true,
  syncList: null,
  standbys: [],
  heartbeatAgeMs: 10,
  heartbeatSeq: 1,
  atMs: NOW,
  ...over,
});

export const pulse = (node: NodeId, over: Partial<Pulse> = {}): Pulse => ({
  node,
  atMs: NOW - 50,
  epoch: 4,
  role: node === A ? 'primary' : node === W ? 'observer' : 'standby',
  open: node === A,
  committed: 10,
  commitAgeMs: 50,
  waitsForSync: false,
  timeline: 1,
  history: node === A ? [] : null,
  settings: null,
  endLsn: '0/500',
  heartbeatAgeMs: 10,
  storedEpoch: 4,
  systemId: '7',
  hasData: node !== W,
  detachable: node === B || node === C,
  ...over,
});

export const peer = (node: NodeId, over: Partial<PeerView> = {}): PeerView => ({
  node,
  pulse: pulse(node),
  heardAtMs: NOW - 50,
  brokenSinceMs: null,
  roleSinceMs: NOW - 60_000,
  doorAnsweredAtMs: null,
  doorRefusedAtMs: null,
  reign: null,
  ...over,
});

/** B looks at a healthy deployment. */
export function observation(over: Partial<Observation> = {}, store: Partial<Observation['store']> = {}): Observation {
  const me = over.me ?? B;
  const peers = new Map([A, B, C, W].filter((node) => node !== me).map((node) => [node, peer(node)]));
  return {
    me,
    nowMs: NOW,
    policy,
    knobs: defaultKnobs(),
    settings: null,
    local: me === W ? null : standby(me === A ? { state: 'primary' } : {}),
    peers,
    promisedUntilMs: 0,
    results: [],
    ...over,
    store: {
      state: 'current',
      epoch: { value: { n: 4, holder: B, systemId: '7', operation: 'takeover-4' }, modRevision: 40 },
      sync: { value: record(), modRevision: 50 },
      position: null,
      fence: null,
      recordFence: null,
      forced: [],
      operation: null,
      request: null,
      paused: null,
      routesEpoch: 4,
      seen: [],
      mine: null,
      epochSeenAtMs: NOW - 60_000,
      leaseGoneAtMs: null,
      ...store,
    },
  };
}

export const against = (observer: NodeId, epoch = 4) => ({
  observer,
  epoch,
  primary: A,
  verdict: 'cannot-see-commit' as const,
  code: 'broken',
  atWallMs: 0,
  heardAtMs: NOW - 100,
});

/** The same observation, with the primary's stream broken for a while. */
export const withBroken = (o: Observation, node: NodeId, sinceMs: number): Observation => ({
  ...o,
  peers: new Map([
    ...o.peers,
    [
      node,
      peer(node, { brokenSinceMs: o.nowMs - sinceMs, heardAtMs: o.nowMs - sinceMs, doorRefusedAtMs: o.nowMs - 10 }),
    ],
  ]),
});
