import { describe, expect, it } from 'vitest';
import type { Finding } from '../checks/verdict.ts';
import type { DrillReport } from '../report/report.ts';
import { type Asked, type Cell, cellOf, endedOf, openOf, progressOf, refusedCell } from './cells.ts';

const asked = (drill: string): Asked => ({
  example: 'global',
  mode: 'sync',
  store: 'etcd',
  rttScale: 0,
  drill,
  trial: 0,
});

const ON_TIME: Finding = { check: 'the generator was on time', verdict: 'pass', why: 'p99 3.0 ms late' };
const LATE: Finding = {
  ...ON_TIME,
  verdict: 'inconclusive',
  why: 'p99 90.0 ms late: requests were not sent when they were due',
};
const TORN: Finding = { ...LATE, why: 'the load process did not end by itself: the ledger is incomplete' };
const KEPT: Finding = { check: 'kept', verdict: 'pass', why: '0 lost' };
const LOST: Finding = { check: 'kept', verdict: 'fail', why: '3 lost' };
const UNREAD: Finding = { check: 'every node was read', verdict: 'inconclusive', why: 'a: no answer' };

const report = (...findings: Finding[]) =>
  ({
    findings,
    writeGap: { anyRegionMs: 700 },
    undo: { rejoinMs: 1_200 },
    rpo: { ledger: { lost: { count: 0 } }, orders: null },
  }) as unknown as DrillReport;

const cell = (drill: string, build: string, ...findings: Finding[]): Cell =>
  cellOf(asked(drill), build, report(...findings));

describe('a cell', () => {
  it.each([
    ['all passed', [ON_TIME, KEPT], 'pass', false],
    ['the load alone was late', [LATE, KEPT], 'pass', true],
    ['late, and something is wrong', [LATE, LOST], 'fail', true],
    ['late, and something was not seen', [LATE, UNREAD, KEPT], 'inconclusive', true],
    ['a ledger that breaks off proves nothing', [TORN, KEPT], 'inconclusive', false],
  ] as const)('%s', (_, findings, verdict, late) => {
    expect(cell('a', 'b1', ...findings)).toMatchObject({ verdict, late });
  });

  it('says what decided', () => {
    expect(cell('a', 'b1', LATE, LOST).why).toBe('kept: 3 lost');
    expect(refusedCell(asked('a'), 'b1', 'no\n drill').why).toBe('no drill');
  });
});

describe('slices add up', () => {
  const all = [asked('a'), asked('b'), asked('c')];
  const cells = [cell('a', 'old', KEPT), cell('b', 'new', LOST), cell('b', 'new', KEPT), cell('c', 'new', LOST)];

  it('within one build: what passed there is not run again', () => {
    expect(openOf(all, cells, 'new').map((it) => it.drill)).toEqual(['a', 'c']);
    expect(progressOf(all, endedOf(all, cells, 'new'), 'new')).toBe(
      '1 of 3 cells passed of build new; 2 left: 1 failed, 0 inconclusive, 1 not run',
    );
  });

  it('over all builds, when that is asked for', () => {
    expect(openOf(all, cells, null).map((it) => it.drill)).toEqual(['c']);
    expect(progressOf(all, endedOf(all, cells, null), null)).toContain('2 of 3 cells passed of any build; 1 left');
  });

  it('the last word about a cell counts', () => {
    expect(endedOf(all, cells, 'new').map((it) => it.verdict)).toEqual(['pass', 'fail']);
  });
});
