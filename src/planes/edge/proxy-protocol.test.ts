import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseProxyHeader } from './proxy-protocol.ts';

const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const v2 = (versionCommand: number, family: number, rest: Buffer): Buffer =>
  Buffer.concat([V2, Buffer.from([versionCommand, family, rest.length >> 8, rest.length & 255]), rest]);
const IPV4 = Buffer.from([203, 0, 113, 9, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb]);
const IPV6 = Buffer.from('20010db800000000000000000000000920010db8000000000000000000000001303901bb', 'hex');
const text = (line: string) => parseProxyHeader(Buffer.from(line, 'latin1'));

test.each([
  ['PROXY TCP4 203.0.113.9 198.51.100.1 12345 443\r\n', '203.0.113.9'],
  ['PROXY TCP6 2001:db8::9 2001:db8::1 12345 443\r\n', '2001:db8::9'],
  ['PROXY UNKNOWN\r\n', null],
  ['PROXY UNKNOWN whatever stands here\r\n', null],
])('version 1: %j', (line, source) => {
  expect(text(`${line}GET / HTTP/1.1`)).toEqual({ kind: 'header', lengthBytes: line.length, source });
});

test.each([
  ['TCP4', v2(0x21, 0x11, IPV4), '203.0.113.9'],
  ['TCP6', v2(0x21, 0x21, IPV6), '2001:db8:0:0:0:0:0:9'],
  ['with what a proxy adds', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.from([4, 0, 1, 0])])), '203.0.113.9'],
  ['LOCAL, whatever it says', v2(0x20, 0x11, IPV4), null],
  ['unspecified', v2(0x21, 0x00, Buffer.alloc(0)), null],
  ['a socket of its machine', v2(0x21, 0x31, Buffer.alloc(216)), null],
])('version 2: %s', (_, bytes, source) => {
  expect(parseProxyHeader(Buffer.concat([bytes, Buffer.from('GET')]))).toEqual({
    kind: 'header',
    lengthBytes: bytes.length,
    source,
  });
});

test.each([
  ['HTTP', 'GET / HTTP/1.1\r\n'],
  ['a family that is none', 'PROXY TCP5 203.0.113.9 198.51.100.1 1 2\r\n'],
  ['an address of the other family', 'PROXY TCP4 2001:db8::9 198.51.100.1 1 2\r\n'],
  ['no port', 'PROXY TCP4 203.0.113.9 198.51.100.1 1\r\n'],
  ['a port too large', 'PROXY TCP4 203.0.113.9 198.51.100.1 1 65536\r\n'],
  ['one word too many', 'PROXY TCP4 203.0.113.9 198.51.100.1 1 2 3\r\n'],
  ['a line without end', `PROXY TCP4 ${'1'.repeat(120)}`],
  ['small letters', 'proxy TCP4 203.0.113.9 198.51.100.1 1 2\r\n'],
  ['version 1 in version 2', v2(0x11, 0x11, IPV4).toString('latin1')],
  ['an unknown command', v2(0x22, 0x11, IPV4).toString('latin1')],
  ['a datagram', v2(0x21, 0x12, IPV4).toString('latin1')],
  ['too short for its addresses', v2(0x21, 0x21, IPV4).toString('latin1')],
  ['a length beyond the bound', Buffer.concat([V2, Buffer.from([0x21, 0x11, 0xff, 0xff])]).toString('latin1')],
])('refused: %s', (_, bytes) => {
  expect(text(bytes).kind).toBe('bad');
});

test('every part of a header is incomplete, never bad and never a header', () => {
  for (const whole of [v2(0x21, 0x11, IPV4), Buffer.from('PROXY TCP4 203.0.113.9 198.51.100.1 12345 443\r\n')])
    for (let length = 0; length < whole.length; length += 1)
      expect(parseProxyHeader(whole.subarray(0, length)).kind).toBe('incomplete');
});

test('no bytes make it throw, wait without end, or name what is no address', () => {
  const begun = fc.constantFrom(Buffer.from('PROXY TCP4 '), Buffer.from('PROXY TCP6 '), V2, Buffer.alloc(0));
  fc.assert(
    fc.property(begun, fc.uint8Array({ maxLength: 300 }), (begin, rest) => {
      const bytes = Buffer.concat([begin, rest]);
      const header = parseProxyHeader(bytes);
      if (header.kind === 'header') {
        expect(header.lengthBytes).toBeLessThanOrEqual(bytes.length);
        expect(header.source ?? '::').toMatch(/^[0-9a-f.:]+$/i);
      }
      const padded = parseProxyHeader(Buffer.concat([bytes, Buffer.alloc(5_000)]));
      expect(padded.kind).not.toBe('incomplete');
    }),
  );
});
