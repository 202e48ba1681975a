import { describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../base/ids.ts';
import { because } from '../base/reason.ts';
import type { NodeStatus } from '../ports/status.ts';
import { assessRpoZero, assessWorld, type WorldView } from './assess.ts';
import type { NodeAnswer } from './open.ts';

const [east, west] = [placeId('aws:us-east-1'), placeId('aws:us-west-2')];

const answer = (place: typeof east, status: Partial<NodeStatus>, answered = true): NodeAnswer => {
  const node = nodeId(place, 'n1');
  const value: NodeStatus = {
    node,
    place,
    pid: 1,
    role: 'standby',
    sync: 'confirms',
    epoch: 1,
    storedEpoch: 1,
    timeline: 1,
    lsn: '0/1',
    lagBytes: 0,
    heartbeatAgeMs: 10,
    open: false,
    health: { ok: true, why: because('fine', 'fine') },
    state: 'steady',
    why: because('fine', 'fine'),
    keeperPid: 1,
    postgresPid: 1,
    gatewayPid: 1,
    gateway: null,
    observedAtWallMs: 0,
    ageMs: 0,
    ...status,
  };
  return {
    node,
    place,
    answered,
    why: answered ? 'answers' : 'connect ECONNREFUSED',
    last: { value, ageMs: 0, observer: node },
  };
};

const healthy: WorldView = {
  supervisorRuns: true,
  held: [],
  dataPlaces: [east, west],
  answers: [answer(east, { role: 'primary', open: true }), answer(west, {})],
  record: {
    value: { version: 3, epoch: 1, primary: nodeId(east, 'n1'), w: 1, names: [nodeId(west, 'n1')] },
    ageMs: 0,
    observer: 'store',
  },
  storeWhy: null,
  badEdges: [],
  badLinks: [],
};
const ill = because('ill', 'it is ill');

describe('state of a world', () => {
  it('is ready when nothing is missing', () => {
    expect(assessWorld(healthy).state).toBe('ready');
  });

  it.each<[string, Partial<WorldView>]>([
    ['region-held', { held: [west] }],
    ['agent-silent', { answers: [answer(east, { open: true }), answer(west, {}, false)] }],
    ['store-unreachable', { storeWhy: 'no answer' }],
    ['no-primary', { answers: [answer(east, { role: 'primary' }), answer(west, {})] }],
    [
      'node-not-following',
      { answers: [answer(east, { open: true }), answer(west, { health: { ok: false, why: ill } })] },
    ],
    ['edge-not-serving', { badEdges: [{ place: east, why: '503' }] }],
    ['link-fault', { badLinks: [{ from: east, to: west, state: 'cut' }] }],
  ])('is degraded, and says %s', (code, change) => {
    expect(assessWorld({ ...healthy, ...change })).toMatchObject({ state: 'degraded', why: { code } });
  });

  it('an open primary that no longer answers is no primary', () => {
    const view = { ...healthy, answers: [answer(east, { role: 'primary', open: true }, false), answer(west, {})] };
    expect(assessWorld(view).why.code).toBe('agent-silent');
  });

  it('is starting until somebody confirms for the first time', () => {
    expect(assessWorld({ ...healthy, record: null })).toMatchObject({
      state: 'starting',
      why: { code: 'rpo-suspended' },
    });
  });

  it('is down without a supervisor, whatever the last words were', () => {
    expect(assessWorld({ ...healthy, supervisorRuns: false }).state).toBe('down');
  });
});

describe('RPO 0', () => {
  it('is kept while somebody confirms, and suspended when the primary is alone or nothing is known', () => {
    expect(assessRpoZero(healthy.record).state).toBe('kept');
    expect(assessRpoZero(null).state).toBe('suspended');
    const alone = healthy.record && { ...healthy.record, value: { ...healthy.record.value, w: 0, names: [] } };
    expect(assessRpoZero(alone)).toMatchObject({ state: 'suspended', why: { code: 'solo' } });
  });
});
