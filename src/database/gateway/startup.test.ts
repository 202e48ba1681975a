import { describe, expect, it } from 'vitest';
import { parseAnswer, parsePreface, sameToken, takeLine } from './preface.ts';
import { refusalOf } from './startup.ts';
import { parseFirstPacket, withParameter } from './wire.ts';
import { startup } from './raw-client.testing.ts';

const refused = (parameters: Record<string, string>): string | null =>
  refusalOf(new Map(Object.entries({ user: 'app', ...parameters })))?.sqlState ?? null;

describe('what a client may ask for when it connects (P7.3, P7.4)', () => {
  it.each([
    [{ replication: 'true' }],
    [{ replication: 'database' }],
    [{ synchronous_commit: 'off' }],
    [{ Synchronous_Commit: 'LOCAL' }],
    [{ synchronous_commit: 'remote_write' }],
    [{ client_min_messages: 'error' }],
    [{ options: '-c synchronous_commit=off' }],
    [{ options: '-csynchronous_commit=off' }],
    [{ options: '-Ec synchronous_commit=off' }],
    [{ options: '--synchronous-commit=off' }],
    [{ options: '-c synchronous_commit=on -c synchronous_commit=off' }],
    [{ options: '-c sync\\hronous_commit=off' }],
    [{ options: '-c client_min_messages=panic' }],
    [{ options: '-c synchronous_commit' }],
  ])('%o is refused', (parameters) => {
    expect(refused(parameters)).toBe('28000');
  });

  it.each([
    [{}],
    [{ replication: 'off' }],
    [{ synchronous_commit: 'on' }],
    [{ options: '-c synchronous_commit=remote_apply -c client_min_messages=warning' }],
    [{ options: '-c search_path=a\\ b', application_name: 'synchronous_commit=off' }],
  ])('%o is not', (parameters) => {
    expect(refused(parameters)).toBeNull();
  });
});

describe('the StartupMessage', () => {
  it('comes back with what was put in, however it is cut', () => {
    const packet = startup({ user: 'app', database: 'orders', options: '' });
    for (let end = 0; end < packet.length; end += 1) expect(parseFirstPacket(packet.subarray(0, end))).toBeNull();
    const parsed = parseFirstPacket(Buffer.concat([packet, Buffer.from('rest')]));
    expect(parsed?.used).toBe(packet.length);
    expect(parsed?.value.kind === 'startup' && [...parsed.value.parameters]).toEqual([
      ['user', 'app'],
      ['database', 'orders'],
      ['options', ''],
    ]);
  });

  it('takes one more parameter', () => {
    const parsed = parseFirstPacket(withParameter(startup({ user: 'app' }), 'a', 'b'));
    expect(parsed?.value.kind === 'startup' && parsed.value.parameters.get('a')).toBe('b');
  });
});

describe('the preface between gateways', () => {
  it('is one line and nothing else', () => {
    const line = '{"farshore":1,"token":"t","want":"rw","epoch":4,"leftMs":null}';
    expect(takeLine(Buffer.from(line))).toBeNull();
    expect(takeLine(Buffer.from(`${line}\nrest`))?.used).toBe(line.length + 1);
    expect(parsePreface(line)?.epoch).toBe(4);
    for (const bad of ['', 'x', '{}', line.replace('rw', 'rx'), line.replace('4', '-4'), line.replace('1', '2')]) {
      expect(parsePreface(bad)).toBeNull();
      expect(parseAnswer(bad)).toBeNull();
    }
  });

  it('compares tokens of any length', () => {
    expect(sameToken('abc', 'abc')).toBe(true);
    expect(sameToken('abc', 'abcd')).toBe(false);
    expect(sameToken('', 'a')).toBe(false);
  });
});
