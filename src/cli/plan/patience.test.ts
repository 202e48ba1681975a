import { expect, test } from 'vitest';
import { patience } from './patience.ts';

const best = { regions: [0, 1], primary: 0, standby: 1, costUsd: 1_234, coverage: 0.7, worst: 0.5, writeMs: 30 };
const progress = { stage: 'best' as const, size: 4, share: 0.34, best };

/** A clock that is set by hand, and what was said. */
function watch(within: string | undefined) {
  const state = { now: 1_000, said: '' };
  const isEnough = patience(within, () => state.now, { write: (line) => void (state.said += line) });
  return { state, isEnough };
}

test('it stops in time to describe what was found, and says nothing when that is soon', () => {
  const { state, isEnough } = watch('3s');
  state.now += 2_300;
  expect(isEnough(progress)).toBe(false);
  state.now += 200;
  expect(isEnough(progress)).toBe(true);
  expect(state.said).toBe('');
});

test('without any plan so far it goes on for three times as long, and says so', () => {
  const { state, isEnough } = watch('3s');
  const nothing = { ...progress, best: null };
  state.now += 8_900;
  expect(isEnough(nothing)).toBe(false);
  expect(state.said).toContain('no plan so far');
  state.now += 200;
  expect(isEnough(nothing)).toBe(true);
});

test('without a limit it never stops, and says how far it is every two seconds after the first three', () => {
  const { state, isEnough } = watch(undefined);
  for (let second = 0; second < 8; second++) {
    state.now += 1_000;
    expect(isEnough(progress)).toBe(false);
  }
  expect(state.said.split('\n').map((line) => line.slice(0, 18))).toEqual([
    'planning for 3 s: ',
    'planning for 5 s: ',
    'planning for 7 s: ',
    '',
  ]);
  expect(state.said).toContain('the best, sets of 4: 34 %; so far $1234 a month, 70.0 % in time');
});

test.each(['soon', '10ms'])('--within %s is a mistake', (within) => {
  expect(() => patience(within, () => 0, { write: () => {} })).toThrow(/expected a time of 100 ms or more/);
});
