import { encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { queryOf, subnetOption } from '../testing.ts';
import { RCODE } from './codes.ts';
import { textOfName, wireName } from './name.ts';
import { DROP, FAMILY_NONE, Query, readQuery } from './query.ts';

const query = new Query();
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));
const anyCase = (text: string, bits: number): string =>
  Array.from(text, (char, i) => ((bits >>> (i % 31)) & 1 ? char.toUpperCase() : char)).join('');

describe('a query is read', () => {
  it('as another implementation wrote it, whatever the case of its letters', () => {
    fc.assert(
      fc.property(
        name,
        fc.nat(),
        fc.constantFrom('A', 'AAAA', 'TXT', 'SOA'),
        fc.boolean(),
        (text, bits, type, edns) => {
          const packet = queryOf(anyCase(text, bits), type, { edns, udpBytes: 4_000 });
          expect(readQuery(packet, query)).toBe(RCODE.NOERROR);
          expect(textOfName(query.name.subarray(0, query.nameBytes))).toBe(`${text}.`);
          const wire = wireName(text);
          expect(wire.ok && [...wire.value]).toEqual([...query.name.subarray(0, query.nameBytes)]);
          expect(query.labels).toBe(text.split('.').length);
          expect(query.type).toBe({ A: 1, AAAA: 28, TXT: 16, SOA: 6 }[type]);
          expect(query.edns).toBe(edns);
          expect(query.udpBytes).toBe(edns ? 4_000 : 512);
          expect(query.questionEnd).toBe(12 + query.nameBytes + 4);
        },
      ),
    );
  });

  it('never throws, and reads nothing behind the end, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const read = readQuery(bytes, query);
        expect([DROP, RCODE.NOERROR, RCODE.FORMERR, RCODE.NOTIMP, RCODE.BADVERS]).toContain(read);
        expect(query.questionEnd).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 3_000 },
    );
  });

  it('never throws when a good packet was damaged or cut', () => {
    const good = queryOf('www.shop.example', 'A', {
      options: [subnetOption(1, 24, [10, 1, 2]), { code: 3, data: new Uint8Array() }],
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(good.length),
        (changes, length) => {
          const packet = Buffer.from(good);
          for (const [at, byte] of changes) packet[at] = byte;
          const read = readQuery(packet.subarray(0, length), query);
          if (length < 12) expect(read).toBe(DROP);
          expect(query.questionEnd).toBeLessThanOrEqual(length);
        },
      ),
      { numRuns: 3_000 },
    );
    for (let length = 12; length < good.length; length += 1) {
      expect(readQuery(good.subarray(0, length), query)).toBe(RCODE.FORMERR);
    }
  });

  it('is never an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 100 }), (bytes) => {
        bytes[2] = (bytes[2] ?? 0) | 0x80;
        expect(readQuery(bytes, query)).toBe(DROP);
      }),
    );
  });
});

describe('what is refused', () => {
  const packet = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(queryOf('www.shop.example', 'A', { edns: false }));
    change(bytes);
    return bytes;
  };
  it.each([
    ['no question', packet((it) => it.writeUInt16BE(0, 4)), RCODE.FORMERR],
    ['two questions', packet((it) => it.writeUInt16BE(2, 4)), RCODE.FORMERR],
    ['an answer in a query', packet((it) => it.writeUInt16BE(1, 6)), RCODE.FORMERR],
    ['a record that is not there', packet((it) => it.writeUInt16BE(1, 10)), RCODE.FORMERR],
    ['bytes behind the end', Buffer.concat([packet(() => undefined), Buffer.from([0])]), RCODE.FORMERR],
    ['a pointer in the question', packet((it) => it.writeUInt16BE(0xc00c, 12)), RCODE.FORMERR],
    ['a label of the reserved kinds', packet((it) => it.writeUInt8(0x41, 12)), RCODE.FORMERR],
    ['NOTIFY', packet((it) => it.writeUInt8(0x20, 2)), RCODE.NOTIMP],
    ['UPDATE', packet((it) => it.writeUInt8(0x28, 2)), RCODE.NOTIMP],
  ])('%s', (_, bytes, rcode) => {
    expect(readQuery(bytes, query)).toBe(rcode);
  });

  it('a name of more than 255 bytes, though each label is short', () => {
    const labels = Buffer.concat([
      ...Array.from({ length: 5 }, () => Buffer.from(`\u003f${'a'.repeat(63)}`)),
      Buffer.of(0),
    ]);
    const bytes = Buffer.concat([packet(() => undefined).subarray(0, 12), labels, Buffer.from([0, 1, 0, 1])]);
    expect(readQuery(bytes, query)).toBe(RCODE.FORMERR);
  });

  it('EDNS of another version, and a second OPT record', () => {
    expect(readQuery(queryOf('a.example', 'A', { version: 1 }), query)).toBe(RCODE.BADVERS);
    const one = queryOf('a.example', 'A');
    const twice = Buffer.concat([one, one.subarray(one.length - 11)]);
    twice.writeUInt16BE(2, 10);
    expect(readQuery(twice, query)).toBe(RCODE.FORMERR);
  });
});

describe('a client subnet (RFC 7871)', () => {
  const readOption = (option: { code: number; data: Uint8Array }): number =>
    readQuery(queryOf('a.example', 'A', { options: [option] }), query);

  it('is read when its address has exactly the bytes its length needs', () => {
    expect(readOption(subnetOption(1, 24, [203, 0, 113]))).toBe(RCODE.NOERROR);
    expect([query.subnetFamily, query.subnetBits, ...query.subnet.subarray(0, 4)]).toEqual([1, 24, 203, 0, 113, 0]);
    expect(readOption(subnetOption(2, 56, [0x20, 1, 0xd, 0xb8, 0, 0, 1]))).toBe(RCODE.NOERROR);
    expect([query.subnetFamily, query.subnetBits]).toEqual([2, 56]);
    expect(readOption(subnetOption(1, 0, []))).toBe(RCODE.NOERROR);
    expect(readOption(subnetOption(0, 0, []))).toBe(RCODE.NOERROR);
    expect(query.subnetFamily).toBe(FAMILY_NONE);
  });

  it.each([
    ['too few bytes', subnetOption(1, 24, [203, 0])],
    ['too many bytes', subnetOption(1, 24, [203, 0, 113, 0])],
    ['bits behind its length', subnetOption(1, 23, [203, 0, 113])],
    ['a length that its family does not have', subnetOption(1, 33, [203, 0, 113, 1, 0])],
    ['an unknown family', subnetOption(3, 8, [1])],
    ['a scope, which only answers have', subnetOption(1, 24, [203, 0, 113], 24)],
    ['three bytes in all', { code: 8, data: Uint8Array.from([0, 1, 0]) }],
  ])('is malformed with %s', (_, option) => {
    expect(readOption(option)).toBe(RCODE.FORMERR);
  });

  it('leaves nothing of the query before', () => {
    readOption(subnetOption(1, 24, [203, 0, 113]));
    const packet = encode({ type: 'query', id: 1, questions: [{ name: 'a.example', type: 'A' }] } as Packet);
    expect(readQuery(packet, query)).toBe(RCODE.NOERROR);
    expect([query.subnetFamily, query.subnetBits, query.edns, query.udpBytes]).toEqual([0, 0, false, 512]);
  });
});
