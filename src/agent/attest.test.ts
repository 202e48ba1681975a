import { expect, it } from 'vitest';
import { A, B, C } from '../decide/failover/testing.ts';
import { type Attesting, StandBackPromise } from './attest.ts';

const me = (over: Partial<Attesting> = {}): Attesting => ({
  nowMs: 10_000,
  ttlMs: 3_000,
  highestEpoch: 4,
  primary: A,
  isDriving: false,
  ...over,
});

it('P6: binds for one TTL from the answer, and for one TTL from the start, since an earlier word may be forgotten', () => {
  const promise = new StandBackPromise(1_000, 3_000);
  expect(promise.untilMs).toBe(4_000);
  expect(promise.ask({ epoch: 4, by: A }, me())).toEqual({ kind: 'done' });
  expect(promise.untilMs).toBe(13_000);
  // A later question never shortens it.
  promise.ask({ epoch: 4, by: A }, me({ nowMs: 9_000 }));
  expect(promise.untilMs).toBe(13_000);
});

it('P6: refuses an epoch that is over, whoever is not the primary, and while it changes the primary itself', () => {
  const promise = new StandBackPromise(0, 3_000);
  const codes = [
    promise.ask({ epoch: 3, by: A }, me()),
    promise.ask({ epoch: 4, by: C }, me({ primary: B })),
    promise.ask({ epoch: 4, by: A }, me({ isDriving: true })),
  ].map((answer) => (answer.kind === 'refused' ? answer.code : answer.kind));
  expect(codes).toEqual(['newer-epoch', 'not-primary', 'takeover-runs']);
  expect(promise.untilMs).toBe(3_000);
});
