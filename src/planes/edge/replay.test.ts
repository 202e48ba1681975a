import { expect, test } from 'vitest';
import { nextReplay, parseReplay, replayHeaders } from './replay.ts';
import { A, B } from './testing.ts';

test.each([
  ['primary', { epoch: 0, state: null }],
  [' primary ;epoch=7; state=cart-1', { epoch: 7, state: 'cart-1' }],
  ['primary; state=a/b+c=', { epoch: 0, state: 'a/b+c=' }],
  ['', null],
  ['elsewhere', null],
  ['primary; epoch=-1', null],
  ['primary; epoch=1e9', null],
  ['primary; region=mars', null],
  ['primary; state=two words', null],
])('farshore-replay: %j', (value, asked) => {
  expect(parseReplay(value)).toEqual(asked);
});

test('a region that is asked as the primary and is none waits for a newer table; a circle ends', () => {
  const asked = { epoch: 3, state: null };
  const first = nextReplay(null, A, asked, { region: B, epoch: 5 });
  expect(first).toEqual({ leastEpoch: 3, times: 1, from: A, state: null });
  if (first === 'circle') return;
  const second = nextReplay(first, B, asked, { region: B, epoch: 5 });
  expect(second).toMatchObject({ leastEpoch: 6, times: 2 });
  if (second === 'circle') return;
  const third = nextReplay(second, A, asked, { region: A, epoch: 6 });
  expect(third === 'circle' || nextReplay(third, B, asked, { region: B, epoch: 7 })).toBe('circle');
});

test('what the application of the primary hears', () => {
  const replay = { leastEpoch: 3, times: 1, from: A, state: 'cart-1' };
  expect(replayHeaders(replay, 5)).toEqual(['farshore-replay-src', `region=${A}; state=cart-1`, 'farshore-epoch', '5']);
});
