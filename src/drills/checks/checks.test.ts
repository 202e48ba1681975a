import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { LedgerRow } from '../ledger.ts';
import { sendLagOf } from './generator.ts';
import { lossOf, type NodeContents } from './loss.ts';
import { recoveryOf } from './recovery.ts';
import { reignChangeOf, zombiesOf } from './reigns.ts';
import { primariesByEpoch } from './single-primary.ts';
import { guarded, worstOf } from './verdict.ts';

/** One attempt every 10 ms from 0, acknowledged on timeline 1 after 5 ms, unless changed. */
const row = (seq: number, change: Partial<LedgerRow> = {}): LedgerRow => ({
  kind: 'attempt',
  cohort: 'c',
  op: 'sql-write',
  id: `d.c.${seq}`,
  seq,
  intendedMs: seq * 10,
  startedMs: seq * 10,
  sentMs: seq * 10,
  doneMs: seq * 10 + 5,
  outcome: 'ok',
  code: null,
  region: null,
  timeline: 1,
  lsn: null,
  session: 0,
  reused: true,
  ...change,
});
const history = (count: number, change: (seq: number) => Partial<LedgerRow> = () => ({})): LedgerRow[] =>
  Array.from({ length: count }, (_, seq) => row(seq, change(seq)));
const holds = (node: string, ids: readonly string[], isPrimary = false): NodeContents => ({
  node,
  isPrimary,
  counts: ids.reduce((counts, id) => counts.set(id, (counts.get(id) ?? 0) + 1), new Map<string, number>()),
});
const idsOf = (rows: readonly LedgerRow[]) => rows.map((each) => each.id);

describe('recoveryOf', () => {
  const window = { t0Ms: 1_000, endMs: 6_000, windowMs: 1_000 };

  it('counts from the fault to the answer of the first request of the stable window', () => {
    const rows = history(600, (seq) => (seq >= 100 && seq < 200 ? { outcome: 'info', timeline: null } : {}));
    const recovery = recoveryOf(rows, window);
    // All but one of a window may succeed, so stability begins no earlier than the end of the last bucket that was down.
    expect(recovery.rtoMs).toBe(1_005);
    expect(recovery).toMatchObject({ failed: 100, unavailableMs: 1_000, clientPerceivedMs: 1_005 });
  });

  it('does not take a parked request for an instant recovery', () => {
    const rows = history(600, (seq) => (seq >= 100 && seq < 190 ? { doneMs: 1_900 } : {}));
    expect(recoveryOf(rows, window)).toMatchObject({
      rtoMs: 900,
      failed: 0,
      unavailableMs: 0,
      clientPerceivedMs: null,
    });
  });

  it('does not take the answers before a stop for service, though all that were parked are answered in the end', () => {
    const rows = history(600, (seq) => (seq >= 110 && seq < 310 ? { doneMs: 3_100 } : {}));
    expect(recoveryOf(rows, window)).toMatchObject({ rtoMs: 2_100, failed: 0 });
  });

  it('counts a relapse: stability begins after the last down bucket', () => {
    const failing = (seq: number) => (seq >= 100 && seq < 120) || (seq >= 300 && seq < 320);
    const recovery = recoveryOf(
      history(600, (seq) => (failing(seq) ? { outcome: 'fail' } : {})),
      window,
    );
    expect(recovery.rtoMs).toBe(2_205);
  });

  it('is not stable when the observation ends before a whole window held', () => {
    const recovery = recoveryOf(
      history(600, (seq) => (seq >= 100 && seq < 520 ? { outcome: 'fail' } : {})),
      window,
    );
    expect(recovery.rtoMs).toBeNull();
  });

  it('is not stable when too many fail although no bucket is down', () => {
    const recovery = recoveryOf(
      history(600, (seq) => (seq > 100 && seq % 10 === 0 ? { outcome: 'fail' } : {})),
      window,
    );
    expect(recovery).toMatchObject({ rtoMs: null, unavailableMs: 0 });
  });

  it('never reports a recovery before the end of an outage, whatever its place and length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 30 }), (fromBucket, buckets) => {
        const from = 100 + fromBucket * 10;
        const to = from + buckets * 10;
        const rows = history(1_200, (seq) => (seq >= from && seq < to ? { outcome: 'fail' } : {}));
        const { rtoMs } = recoveryOf(rows, { t0Ms: 1_000, endMs: 12_000, windowMs: 2_000 });
        expect(rtoMs).toBe(to * 10 + 5 - 1_000);
      }),
    );
  });
});

describe('lossOf', () => {
  it('finds nothing wrong when every node holds what was acknowledged', () => {
    const rows = history(10);
    const loss = lossOf(rows, [holds('a', idsOf(rows), true), holds('b', idsOf(rows))], 50, true);
    expect(loss).toMatchObject({ acknowledged: 10, lost: [], missing: [], phantom: [], duplicates: [], holes: [] });
  });

  it('finds a lost write and how long before the fault it was acknowledged', () => {
    const rows = history(10);
    const kept = idsOf(rows.slice(0, 8));
    const loss = lossOf(rows, [holds('a', kept, true)], 100, true);
    expect(loss).toMatchObject({ lost: ['d.c.8', 'd.c.9'], exposureMs: 15, holes: [] });
  });

  it('calls a lost write a hole when a later one of the same reign was kept', () => {
    const rows = history(10);
    const kept = idsOf(rows.filter((each) => each.seq !== 4));
    expect(lossOf(rows, [holds('a', kept, true)], 100, true).holes).toEqual(['d.c.4']);
  });

  it('is no hole when the kept write began before the lost one was acknowledged', () => {
    const rows = [row(0, { doneMs: 100 }), row(1, { sentMs: 50, doneMs: 60 })];
    expect(lossOf(rows, [holds('a', ['d.c.1'], true)], 200, true)).toMatchObject({ lost: ['d.c.0'], holes: [] });
  });

  it('counts an unknown outcome that is there as recovered, and a failed one that is there as a phantom', () => {
    const rows = [row(0, { outcome: 'info' }), row(1, { outcome: 'fail' }), row(2)];
    const loss = lossOf(rows, [holds('a', idsOf(rows), true)], 100, true);
    expect(loss).toMatchObject({ recovered: 1, phantom: ['d.c.1'] });
  });

  it('finds rows that nobody attempted, unless the ledger broke off', () => {
    const rows = history(2);
    const nodes = [holds('a', [...idsOf(rows), 'd.c.99'], true)];
    expect(lossOf(rows, nodes, 100, true).phantom).toEqual(['d.c.99']);
    expect(lossOf(rows, nodes, 100, false).phantom).toEqual([]);
  });

  it('finds duplicates, and a node that lacks what the primary has', () => {
    const rows = history(3);
    const nodes = [holds('a', [...idsOf(rows), 'd.c.1'], true), holds('b', ['d.c.0', 'd.c.1'])];
    const loss = lossOf(rows, nodes, 100, true);
    expect(loss.duplicates).toEqual(['d.c.1']);
    expect(loss.missing).toEqual([{ node: 'b', ids: ['d.c.2'] }]);
  });

  it('goes red for every acknowledged row that is dropped, and only for those', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 49 })), (dropped) => {
        const rows = history(50, (seq) => ({ outcome: seq % 7 === 0 ? 'info' : 'ok' }));
        const kept = rows.filter((each) => !dropped.includes(each.seq));
        const expected = rows.filter((each) => dropped.includes(each.seq) && each.outcome === 'ok');
        expect(lossOf(rows, [holds('a', idsOf(kept), true)], 1_000, true).lost).toEqual(idsOf(expected));
      }),
    );
  });

  it('throws when no primary was read, so that the finding is inconclusive', () => {
    expect(() => lossOf(history(1), [holds('a', [])], 0, true)).toThrow('no node was read as the primary');
  });
});

describe('reignChangeOf and zombiesOf', () => {
  const rows = history(20, (seq) =>
    seq >= 12 ? { timeline: 2 } : seq >= 8 ? { outcome: 'info', timeline: null } : {},
  );

  it('measures from the last acknowledgement of the old timeline to the first of the new one', () => {
    expect(reignChangeOf(rows, 80)).toEqual({
      oldTimeline: 1,
      newTimeline: 2,
      lastOldAckMs: 75,
      firstNewAckMs: 125,
      gapMs: 50,
    });
  });

  it('sees no change when only one timeline acknowledged, or nothing did before the fault', () => {
    expect(reignChangeOf(history(20), 80)).toBeNull();
    expect(reignChangeOf(rows.slice(12), 80)).toBeNull();
  });

  it('finds acknowledgements of the old side after the new one began, and whether they survived', () => {
    const zombies = [row(30, { timeline: 1 }), row(31, { timeline: 1 })];
    const all = [...rows, ...zombies];
    const found = zombiesOf(all, reignChangeOf(all, 80), new Set(['d.c.30']));
    expect(found).toEqual({ ids: ['d.c.30', 'd.c.31'], notHeld: ['d.c.31'] });
  });
});

describe('primariesByEpoch', () => {
  const sample = (node: string, epoch: number, openPrimary = true) => ({ node, epoch, openPrimary });

  it('accepts one open primary per epoch and ignores nodes that are not open', () => {
    const found = primariesByEpoch([sample('a', 1), sample('a', 1), sample('b', 1, false), sample('b', 2)]);
    expect(found).toEqual({
      epochs: [
        { epoch: 1, nodes: ['a'] },
        { epoch: 2, nodes: ['b'] },
      ],
      contested: [],
    });
  });

  it('finds an epoch under which two nodes were open', () => {
    expect(primariesByEpoch([sample('a', 2), sample('b', 2)]).contested).toEqual([2]);
  });
});

describe('sendLagOf', () => {
  it('does not trust a generator that was late, nor one that sent nothing', () => {
    expect(sendLagOf(history(100)).trustworthy).toBe(true);
    expect(sendLagOf(history(100, (seq) => (seq > 90 ? { startedMs: seq * 10 + 51 } : {}))).trustworthy).toBe(false);
    expect(sendLagOf([]).trustworthy).toBe(false);
  });
});

describe('worstOf and guarded', () => {
  it('passes only when everything passed', () => {
    expect(worstOf(['pass', 'inconclusive', 'fail'])).toBe('fail');
    expect(worstOf(['pass', 'inconclusive'])).toBe('inconclusive');
    expect(worstOf(['pass'])).toBe('pass');
    expect(worstOf([])).toBe('inconclusive');
  });

  it('turns a checker that throws into inconclusive', () => {
    const finding = guarded('loss', () => {
      throw new Error('boom');
    });
    expect(finding).toEqual({ check: 'loss', verdict: 'inconclusive', why: 'the checker itself failed: boom' });
  });
});
