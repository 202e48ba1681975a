import { expect, test } from 'vitest';
import { nodeId, placeId } from '../base/ids.ts';
import { type DatabaseStatus, NOTHING } from '../ports/database.ts';
import { ReceiverWatch } from './receiver-watch.ts';

const upstream = { node: nodeId(placeId('aws:eu-west-1'), 'n1'), epoch: 1 } as DatabaseStatus['upstream'];
const standby = (receiving: boolean, endLsn = '0/500'): DatabaseStatus => ({
  ...NOTHING,
  atMs: 0,
  state: 'standby',
  upstream,
  receiving,
  endLsn,
});

test('a stream that goes on is not silent, nor is one that was away and moves again', () => {
  const watch = new ReceiverWatch();
  watch.see(standby(true), 0);
  watch.see(standby(true), 10_000);
  expect(watch.silentSinceMs).toBeNull();
  watch.see(standby(false), 10_100);
  watch.see(standby(false), 10_200);
  expect(watch.silentSinceMs).toBe(10_100);
  watch.see(standby(true, '0/600'), 10_300);
  expect(watch.silentSinceMs).toBeNull();
});

test('a receiver that is started again and again and gets nothing is silent all the while', () => {
  const watch = new ReceiverWatch();
  for (let atMs = 0; atMs < 20_000; atMs += 100) watch.see(standby(atMs % 300 !== 0), atMs);
  expect(watch.silentSinceMs).toBe(0);
});

test('one that stays is believed after three seconds, though nobody writes', () => {
  const watch = new ReceiverWatch();
  watch.see(standby(false), 0);
  watch.see(standby(true), 100);
  watch.see(standby(true), 3_099);
  expect(watch.silentSinceMs).toBe(0);
  watch.see(standby(true), 3_100);
  expect(watch.silentSinceMs).toBeNull();
});

test('who follows nobody is not silent', () => {
  const watch = new ReceiverWatch();
  watch.see(standby(false), 0);
  watch.see({ ...standby(false), upstream: null }, 100);
  expect(watch.silentSinceMs).toBeNull();
  watch.see(standby(false), 200);
  watch.see({ ...standby(false), state: 'primary' }, 300);
  expect(watch.silentSinceMs).toBeNull();
});
