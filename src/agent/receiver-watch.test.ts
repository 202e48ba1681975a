import { expect, test } from 'vitest';
import { nodeId, placeId } from '../base/ids.ts';
import { type DatabaseStatus, NOTHING } from '../ports/database.ts';
import { ReceiverWatch } from './receiver-watch.ts';

const upstream = { node: nodeId(placeId('aws:eu-west-1'), 'n1'), epoch: 1 } as DatabaseStatus['upstream'];
const standby = (receiving: boolean): DatabaseStatus => ({
  ...NOTHING,
  atMs: 0,
  state: 'standby',
  upstream,
  receiving,
});

test('silent from the first look without WAL to the first with', () => {
  const watch = new ReceiverWatch();
  watch.see(standby(true), 0);
  expect(watch.silentSinceMs).toBeNull();
  watch.see(standby(false), 10_100);
  watch.see(standby(false), 10_200);
  expect(watch.silentSinceMs).toBe(10_100);
  watch.see(standby(true), 10_300);
  expect(watch.silentSinceMs).toBeNull();
  watch.see(standby(false), 10_400);
  expect(watch.silentSinceMs).toBe(10_400);
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
