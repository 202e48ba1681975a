import { expect, test } from 'vitest';
import { placeId } from '../base/ids.ts';
import type { TrafficLook } from '../ports/status.ts';
import { trafficLines } from './status-text.ts';

const LOOK: TrafficLook = {
  asked: placeId('aws:eu-west-1'),
  whenAllUnhealthy: 'hold-last',
  unhealthy: [],
  readOnly: [],
  observers: [
    { observer: 'edge aws:eu-west-1 7800', state: 'votes' },
    { observer: 'dns aws:eu-north-1 7803', state: 'votes' },
  ],
  heldForMs: null,
};
const bad = (text: string) => `!${text}`;

test('on a good day: who votes, and what holds when every region looks unhealthy', () => {
  expect(trafficLines(LOOK, bad)).toEqual([
    '',
    'traffic: 2 of 2 observers vote; when all regions look unhealthy: hold-last',
  ]);
  expect(trafficLines(null, bad)).toEqual([]);
});

test('on a bad day: who abstains, who is missing, since when nothing is voted, and which region is down', () => {
  const [edge, dns] = LOOK.observers;
  const lines = trafficLines(
    {
      ...LOOK,
      observers: [
        { observer: edge?.observer ?? '', state: 'missing' },
        { observer: dns?.observer ?? '', state: 'abstains' },
      ],
      heldForMs: 3_600_000,
      unhealthy: [{ region: placeId('aws:eu-west-1'), why: '2 failures in a row' }],
      readOnly: [{ region: placeId('aws:us-east-1'), why: 'status-503' }],
    },
    bad,
  );
  expect(lines[1]).toContain(
    '0 of 2 observers vote; abstains, sees most regions down: dns aws:eu-north-1 7803; not heard: edge',
  );
  expect(lines.slice(2)).toEqual([
    expect.stringMatching(/^!most observers are not heard for .+: regions stay what they were$/),
    '!aws:eu-west-1 looks unhealthy: 2 failures in a row',
    "!aws:us-east-1 serves reads and can't write: status-503",
  ]);
});
