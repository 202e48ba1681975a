import { expect, it } from 'vitest';
import { nodeId, placeId } from '../../base/ids.ts';
import { isNamedAgain } from './in-sync.ts';

const [west, central, paris] = ['aws:eu-west-1', 'aws:eu-central-1', 'aws:eu-west-3'].map((id) =>
  nodeId(placeId(id), 'n1'),
) as [ReturnType<typeof nodeId>, ReturnType<typeof nodeId>, ReturnType<typeof nodeId>];
const start = { primary: { node: central, region: placeId('aws:eu-central-1') }, confirms: [west, paris] };
type Records = Parameters<typeof isNamedAgain>[0];
const records = (n: number, epoch: number, primary: string, names: readonly string[]): Records =>
  ({ kind: 'done', value: { epoch: { n }, sync: { epoch, primary, names }, paused: null } }) as unknown as Records;

it.each([
  ['all of them', records(1, 1, central, [west, paris]), true],
  ['another primary, the old one confirms', records(2, 2, paris, [west, central]), true],
  [
    'another node of a region took its place',
    records(1, 1, central, [nodeId(placeId('aws:eu-west-1'), 'n2'), paris]),
    true,
  ],
  ['one is missing', records(1, 1, central, [paris]), false],
  ['the record is of an older epoch', records(2, 1, central, [west, paris]), false],
  ['the store does not answer', { kind: 'unknown', why: 'no answer' } as Records, null],
])('%s', (_, seen, expected) => {
  expect(isNamedAgain(seen, start)).toBe(expected);
});
