import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseLog } from './log.ts';
import { encodeLine } from './record-line.ts';

const batches = fc.array(fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 3 }), {
  minLength: 1,
  maxLength: 6,
});
const lines = (values: readonly (readonly string[])[], firstSeq = 1): Buffer[] =>
  values.map((batch, at) => {
    const writes = batch.map((value, index) => ({ key: `k${index}`, value, lease: '0', createRevision: 2 }));
    return encodeLine({ seq: firstSeq + at, changes: [{ kind: 'txn', revision: at + 2, writes }] });
  });

test('a log cut at any byte gives its whole records and the size of the torn rest', () => {
  fc.assert(
    fc.property(batches, fc.nat(), (values, cut) => {
      const records = lines(values);
      const whole = Buffer.concat(records);
      const bytes = whole.subarray(0, cut % (whole.length + 1));
      const log = parseLog(bytes, 'log');
      let length = 0;
      let count = 0;
      for (const record of records) {
        if (length + record.length > bytes.length) break;
        length += record.length;
        count++;
      }
      expect(log).toMatchObject({ length, tornBytes: bytes.length - length });
      expect(log.records.map((record) => record.seq)).toEqual(values.slice(0, count).map((_, at) => at + 1));
    }),
  );
});

test('a flipped bit in the last record drops it; in an earlier one the log is refused', () => {
  fc.assert(
    fc.property(batches, fc.nat(), fc.nat(7), (values, at, bit) => {
      const records = lines(values);
      const whole = Buffer.concat(records);
      const index = at % whole.length;
      whole.writeUInt8((whole.readUInt8(index) ^ (1 << bit)) & 0xff, index);
      const lastStart = whole.length - (records.at(-1)?.length ?? 0);
      if (index < lastStart) expect(() => parseLog(whole, 'log')).toThrow(/damaged/);
      else expect(parseLog(whole, 'log').records).toHaveLength(values.length - 1);
    }),
    { numRuns: 300 },
  );
});

test('a damaged newline between the last two records is damage, not a torn tail', () => {
  const [first, last] = lines([['a'], ['b']]);
  const whole = Buffer.concat([first ?? Buffer.alloc(0), last ?? Buffer.alloc(0)]);
  whole.writeUInt8(0x0b, (first?.length ?? 0) - 1);
  expect(() => parseLog(whole, 'log')).toThrow(/record 2 after it is whole/);
});

test('a missing record in the middle is refused, also when both neighbours are whole', () => {
  const records = lines([['a'], ['b'], ['c']]);
  const gap = Buffer.concat([...records.slice(0, 1), ...records.slice(2)]);
  expect(() => parseLog(gap, 'log')).toThrow(/record 3 follows record 1/);
});

test('zeros or old bytes after the last record are a torn tail', () => {
  const whole = Buffer.concat(lines([['a'], ['b']]));
  for (const rest of [Buffer.alloc(4_096), Buffer.from('deadbeef {"seq":3}\n\n\x00\xff')]) {
    const log = parseLog(Buffer.concat([whole, rest]), 'log');
    expect(log).toMatchObject({ length: whole.length, tornBytes: rest.length });
  }
});
