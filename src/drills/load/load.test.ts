import { describe, expect, it } from 'vitest';
import { parseLedger, rowId } from '../ledger.ts';
import { monotonicMs } from '../monotonic.ts';
import { inFlightBudget } from './config.ts';
import { dueMs, runOpenLoop } from './open-loop.ts';
import { classifyBroken, classifyHttpRead, classifyHttpWrite, classifySqlState } from './outcome.ts';

describe('outcome classes', () => {
  it.each([
    ['08007', 'info'],
    ['57P01', 'info'],
    ['57P02', 'info'],
    ['40003', 'info'],
    ['XX000', 'info'],
    ['57P03', 'fail'],
    ['25006', 'fail'],
    ['23505', 'fail'],
    ['40001', 'fail'],
    ['28P01', 'fail'],
  ])('SQLSTATE %s is %s', (sqlState, outcome) => {
    expect(classifySqlState(sqlState)).toBe(outcome);
  });

  it('knows nothing about a write whose answer was a 5xx, unless the answer says that it was not begun', () => {
    expect(classifyHttpWrite(201, false)).toBe('ok');
    expect(classifyHttpWrite(503, false)).toBe('info');
    expect(classifyHttpWrite(503, true)).toBe('fail');
    expect(classifyHttpWrite(409, false)).toBe('fail');
  });

  it('takes a 404 for an answer and a 502 for an outage', () => {
    expect(classifyHttpRead(404)).toBe('ok');
    expect(classifyHttpRead(502)).toBe('fail');
  });

  it('separates broken before sending from broken after', () => {
    expect(classifyBroken(false)).toBe('fail');
    expect(classifyBroken(true)).toBe('info');
  });
});

describe('runOpenLoop', () => {
  it('fires every intention at its absolute time, also those that a busy event loop delayed', async () => {
    const fired: { seq: number; intendedMs: number }[] = [];
    const startMs = monotonicMs();
    const stop = new AbortController();
    await runOpenLoop(startMs, 500, stop.signal, (seq, intendedMs) => {
      fired.push({ seq, intendedMs });
      if (seq === 3) while (monotonicMs() < startMs + 60); // blocks the loop for about 27 intentions
      if (seq === 40) stop.abort();
    });
    expect(fired).toEqual(Array.from({ length: 41 }, (_, seq) => ({ seq, intendedMs: dueMs(startMs, 2, seq) })));
  });
});

describe('inFlightBudget', () => {
  it('covers a total outage for one deadline, twice', () => {
    expect(inFlightBudget(100, 5_000)).toBe(1_000);
    expect(inFlightBudget(1, 100)).toBe(4);
  });
});

describe('parseLedger', () => {
  const attempt = { kind: 'attempt', id: rowId('d', 'c', 'sql-write', 0) };
  const text = (lines: readonly unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

  it('is complete only with an end line that counts the attempts', () => {
    expect(parseLedger(text([attempt, { kind: 'end', attempts: 1 }]))).toMatchObject({ complete: true });
    expect(parseLedger(text([attempt]))).toMatchObject({ complete: false });
    expect(parseLedger(text([{ kind: 'end', attempts: 1 }]))).toMatchObject({ complete: false });
  });

  it('leaves out a torn last line', () => {
    const ledger = parseLedger(`${text([attempt])}{"kind":"attempt","id":"d.c`);
    expect(ledger).toMatchObject({ rows: [attempt], complete: false });
  });
});
