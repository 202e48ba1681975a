import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Admission } from './admission.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const STAYS = new AbortController().signal;

/** Enters and notes in `inside` who is in. */
async function enter(admission: Admission, name: string, inside: string[], timeoutMs = 1_000, gone = STAYS) {
  const leave = await admission.enter(timeoutMs, gone);
  inside.push(leave === null ? `${name} gave up` : name);
  return leave;
}

test('two places: the third comes in when the first leaves, in order of arrival', async () => {
  const admission = new Admission(2);
  const inside: string[] = [];
  const [first] = await Promise.all([enter(admission, 'a', inside), enter(admission, 'b', inside)]);
  void enter(admission, 'c', inside);
  void enter(admission, 'd', inside);
  await vi.advanceTimersByTimeAsync(1);
  expect(inside).toEqual(['a', 'b']);
  first?.();
  first?.();
  await vi.advanceTimersByTimeAsync(1);
  expect(inside).toEqual(['a', 'b', 'c']);
});

test('whoever holds a place without an end delays the next one for 25 ms, not for ever', async () => {
  const admission = new Admission(1);
  const inside: string[] = [];
  for (const name of ['a', 'b', 'c']) void enter(admission, name, inside);
  await vi.advanceTimersByTimeAsync(24);
  expect(inside).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(1);
  expect(inside).toEqual(['a', 'b']);
  await vi.advanceTimersByTimeAsync(25);
  expect(inside).toEqual(['a', 'b', 'c']);
});

test('one that gave up takes no place', async () => {
  const admission = new Admission(1);
  const inside: string[] = [];
  void enter(admission, 'a', inside);
  void enter(admission, 'b', inside, 20);
  void enter(admission, 'c', inside);
  await vi.advanceTimersByTimeAsync(20);
  expect(inside).toEqual(['a', 'b gave up']);
  await vi.advanceTimersByTimeAsync(5);
  expect(inside).toEqual(['a', 'b gave up', 'c']);
  await vi.advanceTimersByTimeAsync(25);
  void enter(admission, 'd', inside);
  await vi.advanceTimersByTimeAsync(0);
  expect(inside.at(-1)).toBe('d');
});

test('one that left while it waited takes no place from those behind it', async () => {
  const admission = new Admission(1);
  const inside: string[] = [];
  const left = new AbortController();
  void enter(admission, 'a', inside);
  void enter(admission, 'b', inside, 1_000, left.signal);
  void enter(admission, 'c', inside);
  left.abort();
  await vi.advanceTimersByTimeAsync(25);
  expect(inside).toEqual(['a', 'b gave up', 'c']);
});

test('who writes comes in before who only reads, whoever came first', async () => {
  const admission = new Admission(1);
  const order: string[] = [];
  const come = (name: string, want: 'rw' | 'ro') =>
    admission.enter(1_000, STAYS, want).then((leave) => void order.push(leave === null ? `${name} gave up` : name));
  for (const [name, want] of [
    ['a', 'rw'],
    ['reader', 'ro'],
    ['b', 'rw'],
    ['c', 'rw'],
  ] as const)
    void come(name, want);
  await vi.advanceTimersByTimeAsync(100);
  expect(order).toEqual(['a', 'b', 'c', 'reader']);
});
