import { describe, expect, it } from 'vitest';
import { nodeId, placeId } from '../base/ids.ts';
import { because } from '../base/reason.ts';
import type { NodeStatus, ProcessEnd } from '../ports/status.ts';
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
    list: null,
    health: { ok: true, why: because('fine', 'fine') },
    state: 'steady',
    why: because('fine', 'fine'),
    keeperPid: 1,
    postgresPid: 1,
    storedBy: null,
    systemId: null,
    hasData: true,
    drift: [],
    salvages: [],
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
  supervisor: 'runs',
  anythingRuns: true,
  upCommand: 'farshore up shop.yaml',
  held: [],
  dataPlaces: [east, west],
  answers: [answer(east, { role: 'primary', open: true }), answer(west, {})],
  record: {
    value: { version: 3, epoch: 1, primary: nodeId(east, 'n1'), mode: 'sync', w: 1, names: [nodeId(west, 'n1')] },
    ageMs: 0,
    observer: 'store',
  },
  storeWhy: null,
  badEdges: [],
  dns: null,
  badMembers: [],
  badLinks: [],
  ends: [],
};
const solo = (view: WorldView): WorldView['record'] =>
  view.record && { ...view.record, value: { ...view.record.value, w: 0, names: [] } };
const failing: ProcessEnd = {
  name: 'aws-us-east-1-app',
  place: east,
  how: 'exit 1',
  atWallMs: 0,
  agoMs: 900,
  said: 'Error: Cannot find module',
  times: 4,
  failing: true,
  runsAgain: false,
};
const answering = {
  place: west,
  zone: 'shop.example',
  host: 'shop.example',
  server: '127.0.0.1:7802',
  addresses: ['127.0.10.1'],
  region: east,
  why: null,
};
const ill = because('ill', 'it is ill');

describe('state of a world', () => {
  it('is not ready while a primary of before, cut off, still believes in itself', () => {
    const old = answer(east, { role: 'primary', open: true, storedEpoch: 1 });
    const now = answer(west, { role: 'primary', open: true, storedEpoch: 2 });
    const verdict = assessWorld({ ...healthy, answers: [old, now] });
    expect(verdict).toMatchObject({ state: 'degraded', why: { code: 'old-primary' } });
    expect(verdict.why.text).toContain('nothing it takes is acknowledged');
  });

  it('is ready when nothing is missing', () => {
    expect(assessWorld(healthy).state).toBe('ready');
    expect(assessWorld({ ...healthy, dns: answering }).state).toBe('ready');
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
    ['store-member-down', { badMembers: [{ place: east, why: 'has no leader' }] }],
    ['edge-not-serving', { badEdges: [{ place: east, why: '503' }] }],
    ['dns-not-answering', { dns: { ...answering, addresses: [], region: null, why: 'queryA ETIMEOUT' } }],
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

  it('is down only when nothing runs, whatever the last words were', () => {
    expect(assessWorld({ ...healthy, supervisor: 'gone', anythingRuns: false }).state).toBe('down');
  });

  it('is degraded without a supervisor, and says what else is missing', () => {
    const gone: WorldView = { ...healthy, supervisor: 'gone' };
    const restart = 'restarts what ends; run `farshore up shop.yaml`';
    expect(assessWorld(gone)).toEqual({
      state: 'degraded',
      why: because('unsupervised', `everything goes on, but nobody ${restart}`),
    });
    const { state, why } = assessWorld({ ...gone, answers: [answer(west, {})] });
    expect([state, why.code]).toEqual(['degraded', 'unsupervised']);
    expect(why.text).toMatch(/^no primary is open/);
    expect(why.text).toContain(restart);
    expect(assessWorld({ ...healthy, supervisor: 'silent' }).why.code).toBe('supervisor-silent');
  });

  it('names the process that keeps ending, and only then', () => {
    const bad = { ...healthy, badEdges: [{ place: east, why: '503' }] };
    const { why } = assessWorld({ ...bad, ends: [failing] });
    expect(why).toEqual(
      because(
        'edge-not-serving',
        `the edge of ${east} does not serve: 503; aws-us-east-1-app ended 4 times (exit 1): Error: Cannot find module`,
      ),
    );
    expect(assessWorld({ ...bad, ends: [{ ...failing, failing: false }] }).why.text).not.toContain('ended');
  });

  it('a solo record behind a list that waits is no ready world, and nobody acknowledges alone', () => {
    const answers = [
      answer(east, { role: 'primary', open: true, list: { w: 1, names: [nodeId(west, 'n1')] } }),
      answer(west, {}),
    ];
    const { state, why } = assessWorld({ ...healthy, record: solo(healthy), answers });
    expect([state, why.code]).toEqual(['degraded', 'record-solo']);
    expect(why.text).not.toContain('acknowledges alone');
  });
});

describe('RPO 0', () => {
  const rpoZero = (view: WorldView, state: 'ready' | 'down' = 'ready') =>
    assessRpoZero(view.record, view.answers, state);

  it('is kept while somebody confirms, suspended when the primary is alone, unknown when nothing is known', () => {
    expect(rpoZero(healthy).state).toBe('kept');
    expect(rpoZero({ ...healthy, record: null })).toMatchObject({ state: 'unknown', why: { code: 'record-unknown' } });
    expect(rpoZero(healthy, 'down')).toMatchObject({ state: 'unknown', why: { text: 'nothing runs' } });
    expect(rpoZero({ ...healthy, record: solo(healthy) })).toMatchObject({ state: 'suspended', why: { code: 'solo' } });
  });

  it('is kept when the record is solo and the primary waits for others all the same', () => {
    const list = { w: 1, names: [nodeId(west, 'n1')] };
    const view = (status: Partial<NodeStatus>, answered = true) =>
      rpoZero({ ...healthy, record: solo(healthy), answers: [answer(east, status, answered)] });
    expect(view({ list })).toEqual({
      state: 'kept',
      why: because(
        'record-solo',
        `the record names ${east}/n1 alone, but every acknowledgement waits for 1 of ${west}/n1`,
      ),
    });
    expect(view({ list: { w: 0, names: [] } }).state).toBe('suspended');
    // What it said before it went silent proves nothing about now.
    expect(view({ list }, false).state).toBe('suspended');
  });
});
