import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeId, parseNodeId, placeId } from '../../base/ids.ts';
import { applicationName, parseApplicationName, parseSyncList, renderSyncList } from './names.ts';

const member = fc
  .tuple(fc.stringMatching(/^[a-z]{2,6}$/), fc.stringMatching(/^[a-z]{2}-[a-z]{4,40}-\d$/), fc.nat(9))
  .map(([cloud, region, n]) => nodeId(placeId(`${cloud}:${region}`), `n${n}`));
const members = fc.uniqueArray(member, { minLength: 1, maxLength: 6 });
const epoch = fc.nat(1_000_000_000);

describe('application names (P10.2)', () => {
  test('an example', () => {
    const node = nodeId(placeId('aws:eu-west-1'), 'n1');
    expect(applicationName('main', node, 12)).toBe('main-aws-eu-west-1-n1-e12');
  });

  test('fit into the 63 bytes that PostgreSQL keeps, and lead back to member and epoch', () => {
    fc.assert(
      fc.property(members, epoch, (all, n) => {
        for (const node of all) {
          const name = applicationName('main', node, n);
          expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
          expect(parseApplicationName('main', all, name)).toEqual({ node, epoch: n });
        }
      }),
    );
  });

  test('of another epoch or another group are not the same', () => {
    fc.assert(
      fc.property(member, epoch, epoch, (node, n, other) => {
        fc.pre(n !== other);
        expect(applicationName('main', node, n)).not.toBe(applicationName('main', node, other));
        expect(applicationName('main', node, n)).not.toBe(applicationName('shop', node, n));
      }),
    );
  });
});

describe('the sync list', () => {
  test('survives PostgreSQL: what is written is read back', () => {
    fc.assert(
      fc.property(members, epoch, fc.nat(6), (all, n, w) => {
        const list = { epoch: n, w: Math.min(w, all.length), names: w === 0 ? [] : all };
        expect(parseSyncList('main', all, renderSyncList('main', list), n)).toEqual(list);
      }),
    );
  });

  test('nobody to wait for is the empty text, whatever names are given', () => {
    const node = nodeId(placeId('aws:eu-west-1'), 'n1');
    expect(renderSyncList('main', { epoch: 3, w: 0, names: [node] })).toBe('');
    expect(parseSyncList('main', [node], '', 3)).toEqual({ epoch: 3, w: 0, names: [] });
  });

  test("a stranger's name, an old reign's and a person's own list stay visible", () => {
    const node = nodeId(placeId('aws:eu-west-1'), 'n1');
    const old = 'main-aws-eu-west-1-n1-e1';
    const text = `ANY 1 ("${applicationName('main', node, 2)}","stranger","${old}")`;
    expect(parseSyncList('main', [node], text, 2)).toEqual({
      epoch: 2,
      w: 1,
      names: [node, parseNodeId('stranger'), parseNodeId(old)],
    });
    expect(parseSyncList('main', [node], '*', 2)).toEqual({ epoch: 2, w: 1, names: ['*'] });
    expect(parseSyncList('main', [node], 'FIRST 2 (x, y)', 2)).toMatchObject({ w: 2, names: ['x', 'y'] });
  });
});
