import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeId, type NodeId, placeId } from '../../base/ids.ts';
import { choose, type Confirmers, covers, hasPositionQuorum } from './quorum.ts';
import { A, B, C, position, record } from './testing.ts';

const D = nodeId(placeId('aws:sa-east-1'), 'n1');
const names = fc.subarray([B, C, D]);
const confirmers: fc.Arbitrary<Confirmers> = names.chain((some) =>
  fc.integer({ min: some.length === 0 ? 0 : 1, max: some.length }).map((w) => ({ w, names: some })),
);

const subsets = (all: readonly NodeId[]): NodeId[][] =>
  all.reduce<NodeId[][]>((some, one) => [...some, ...some.map((s) => [...s, one])], [[]]);

describe('covers (P4.1)', () => {
  it('is true exactly when every set that can confirm meets every set that P3.2 accepts', () => {
    fc.assert(
      fc.property(confirmers, confirmers, (rec, list) => {
        fc.pre(rec.w > 0);
        const confirming = subsets(list.names).filter((s) => s.length >= list.w);
        const accepted = subsets(rec.names).filter((s) => s.length + rec.w > rec.names.length);
        const everyPairMeets = confirming.every((c) => accepted.every((a) => a.some((node) => c.includes(node))));
        expect(covers(rec, list)).toBe(everyPairMeets);
      }),
    );
  });

  it('covers anything when the record is solo, since only the primary itself may then be promoted', () => {
    expect(covers({ w: 0, names: [] }, { w: 1, names: [B, C] })).toBe(true);
    expect(covers({ w: 1, names: [B] }, { w: 0, names: [] })).toBe(false);
  });
});

describe('choose (F8, F9)', () => {
  it('never chooses a member that lacks a write which some confirming set holds (I3, I6)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
        names,
        confirmers,
        (ends, read, rec) => {
          fc.pre(rec.w > 0);
          const at = new Map([B, C, D].map((node, i) => [node, ends[i] ?? 1]));
          // The last acknowledged write is at the w-th highest end among the names: that many hold it.
          const acknowledged = rec.names.map((node) => at.get(node) ?? 0).toSorted((x, y) => y - x)[rec.w - 1] ?? 0;
          const positions = new Map(read.map((node) => [node, position(`0/${at.get(node)}`)]));
          const choice = choose({ ...record(), w: rec.w, names: rec.names }, positions, null, [B, C, D]);
          if (choice.kind === 'chosen') expect(at.get(choice.target) ?? 0).toBeGreaterThanOrEqual(acknowledged);
          else expect(hasPositionQuorum({ ...record(), w: rec.w, names: rec.names }, new Set(read))).toBe(false);
        },
      ),
    );
  });

  it('prefers the order of the file among equals, and position before preference', () => {
    const equal = choose(
      record(),
      new Map([
        [C, position('0/900')],
        [B, position('0/900')],
      ]),
      null,
      [A, B, C],
    );
    expect(equal).toMatchObject({ kind: 'chosen', target: B });
    const ahead = choose(
      record(),
      new Map([
        [C, position('0/901')],
        [B, position('0/900')],
      ]),
      null,
      [A, B, C],
    );
    expect(ahead).toMatchObject({ kind: 'chosen', target: C });
  });

  it('refuses rather than break residency', () => {
    const choice = choose(
      record(),
      new Map([
        [C, position('0/901')],
        [B, position('0/900')],
      ]),
      null,
      [A, B],
    );
    expect(choice).toMatchObject({ kind: 'refused', code: 'no-permitted-candidate' });
  });

  it('refuses a member behind the last recorded position (P1.4), of the same timeline only', () => {
    const positions = new Map([
      [C, position('0/900')],
      [B, position('0/900')],
    ]);
    expect(choose(record(), positions, { epoch: 4, timeline: 1, lsn: '0/A00' }, [A, B, C])).toMatchObject({
      code: 'behind-last-position',
    });
    expect(choose(record(), positions, { epoch: 3, timeline: 0, lsn: '0/A00' }, [A, B, C])).toMatchObject({
      kind: 'chosen',
    });
  });

  it('lets the recorded primary promote itself, and under a solo record nobody else', () => {
    expect(choose(record(), new Map([[A, position('0/100')]]), null, [A, B, C])).toMatchObject({
      kind: 'chosen',
      target: A,
    });
    expect(choose(record({ w: 0, names: [] }), new Map([[B, position('0/900')]]), null, [A, B, C])).toMatchObject({
      code: 'no-position-quorum',
    });
  });

  it('takes the recorded primary too when it was read beside a lone standby that proves nothing', () => {
    const choice = choose(
      record(),
      new Map([
        [A, position('0/100')],
        [B, position('0/100')],
      ]),
      null,
      [B, C, A],
    );
    expect(choice).toMatchObject({ kind: 'chosen', target: A });
  });
});
