import { describe, expect, it } from 'vitest';
import { A, B, C, observation } from '../decide/failover/testing.ts';
import type { OperationRecord } from '../ports/records.ts';
import { expectedHere } from './arrival.ts';

const request = (over: Partial<OperationRecord> = {}) => ({
  value: {
    id: 'switchover-1',
    kind: 'switchover' as const,
    epoch: 0,
    actor: 'ada@ops',
    reason: { code: 'asked', text: 'maintenance' },
    state: 'running' as const,
    request: { target: B, epoch: 4, requestedAtWallMs: 0, startWithinMs: 15_000, fenced: null, allowLossMs: null },
    driver: B,
    steps: [],
    ...over,
  },
  modRevision: 70,
  seenAtMs: 0,
});

describe('expectedHere (F17)', () => {
  it('is a planned move of this reign to this node, from when somebody carries it out', () => {
    expect(expectedHere(observation({}, { request: request() }))).toEqual({
      operation: 'switchover-1',
      primary: A,
      epoch: 4,
    });
  });

  it.each([
    ['nothing was asked', null],
    ['nobody has taken it up', request({ state: 'requested' })],
    ['it is a failover, which ends whatever runs', request({ kind: 'failover' })],
  ])('is none when %s', (_, asked) => {
    expect(expectedHere(observation({}, { request: asked }))).toBeNull();
  });

  it('is none on another node, and none once another epoch came', () => {
    expect(expectedHere(observation({ me: C }, { request: request() }))).toBeNull();
    const epoch = { value: { n: 5, holder: B, systemId: '7', operation: 'switchover-1' }, modRevision: 60 };
    expect(expectedHere(observation({}, { request: request(), epoch }))).toBeNull();
  });
});
