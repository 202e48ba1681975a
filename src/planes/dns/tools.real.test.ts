/** The server as dig and kdig see it: what operators type, and the list of probes of DNS-compliance tests. */
import { execFile, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeClock } from '../../telemetry/node-clock.ts';
import { type Doors, openDoors } from './doors.ts';
import { DNS_LIMITS } from './limits.ts';
import { RateLimiter } from './rate-limit.ts';
import { FIRST_BYTE, responderOf } from './testing.ts';

const missing = ['dig', 'kdig'].filter((tool) => spawnSync(tool, ['-v']).error !== undefined);
const wanted = missing.length === 0 || process.env['CI'] === 'true';
const title = wanted ? 'tools' : `tools (left out: ${missing.join(', ')} not installed; npm run setup:debian)`;

describe.skipIf(!wanted)(title, () => {
  let doors: Doors;
  beforeAll(async () => {
    doors = await openDoors({
      listen: [{ host: '127.0.0.1', port: 0 }],
      responder: responderOf(
        {},
        { ...FIRST_BYTE, lead: (it) => (it.family === 4 && it.words[0] >>> 24 === 127 ? 1 : FIRST_BYTE.lead(it)) },
        'fra-1',
      ),
      limiter: new RateLimiter({ perSecond: 0, slip: 0 }, () => false, 1),
      limits: DNS_LIMITS,
      clock: nodeClock,
    });
  });
  afterAll(() => doors.close());

  const run = (tool: string, args: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(tool, ['@127.0.0.1', '-p', String(doors.ports[0]), ...args], (error, out, err) =>
        error === null ? resolve(out + err) : reject(new Error(`${tool} ${args.join(' ')}: ${out}${err}`)),
      );
    });
  const dig = (...args: string[]) => run('dig', ['+tries=1', '+time=5', '+norecurse', ...args]);
  const kdig = (...args: string[]) => run('kdig', ['+retry=0', '+time=5', ...args]);

  /** The probes of ISC's compliance tests, and what an authoritative server of today answers. */
  const SOA = ['status: NOERROR', ' aa', 'SOA ns1.shop.example. hostmaster.shop.example. 2026112701'];
  it.each<[string, string[], string[], string[]]>([
    ['dns', ['+noedns', '+noad', 'shop.example', 'SOA'], SOA, ['EDNS', ' tc', ' ra']],
    ['aa and ad', ['+noedns', '+ad', 'shop.example', 'SOA'], SOA, [' ad;', ' ad ']],
    ['edns', ['+edns=0', '+nocookie', '+noad', 'shop.example', 'SOA'], [...SOA, 'EDNS: version: 0'], ['COOKIE']],
    [
      'edns1',
      ['+edns=1', '+noednsnegotiation', '+nocookie', '+noad', 'shop.example', 'SOA'],
      ['status: BADVERS', 'EDNS: version: 0'],
      ['hostmaster'],
    ],
    [
      'edns@512',
      ['+bufsize=512', '+nocookie', '+noad', 'long.shop.example', 'TXT', '+ignore'],
      ['status: NOERROR', ' tc', 'EDNS: version: 0'],
      [],
    ],
    [
      'ednsopt',
      ['+ednsopt=100', '+nocookie', '+noad', 'shop.example', 'SOA'],
      [...SOA, 'EDNS: version: 0'],
      ['OPT=100'],
    ],
    [
      'edns1opt',
      ['+edns=1', '+noednsnegotiation', '+ednsopt=100', '+nocookie', 'shop.example', 'SOA'],
      ['status: BADVERS', 'EDNS: version: 0'],
      ['OPT=100', 'hostmaster'],
    ],
    ['do', ['+dnssec', '+nocookie', '+noad', 'shop.example', 'SOA'], [...SOA, 'flags: do'], []],
    ['ednsflags', ['+ednsflags=0x40', '+nocookie', '+noad', 'shop.example', 'SOA'], [...SOA, 'flags:;'], ['MBZ']],
    ['docookie', ['+cookie', '+dnssec', '+noad', 'shop.example', 'SOA'], [...SOA, 'flags: do'], []],
    [
      'optlist',
      ['+nsid', '+subnet=0.0.0.0/0', '+expire', '+cookie=0102030405060708', 'shop.example', 'SOA'],
      [...SOA, 'NSID: 66 72 61 2d 31', 'CLIENT-SUBNET: 0.0.0.0/0/0'],
      [],
    ],
    [
      'ednstcp',
      ['+tcp', '+nocookie', 'long.shop.example', 'TXT'],
      ['status: NOERROR', 'EDNS: version: 0', 'xxxxxxxx'],
      [' tc'],
    ],
    ['opcode', ['+opcode=15', '+header-only', '+noedns'], ['status: NOTIMP', 'opcode: RESERVED15'], [' aa']],
    ['type666', ['shop.example', 'TYPE666'], ['status: NOERROR', 'AUTHORITY: 1', 'ANSWER: 0'], []],
    ['tcp', ['+tcp', '+noedns', 'shop.example', 'SOA'], SOA, []],
    [
      'recursion is not offered',
      ['+recurse', 'shop.example', 'SOA'],
      ['recursion requested but not available'],
      [' ra'],
    ],
    ['upward referral', ['example', 'NS'], ['status: REFUSED', 'AUTHORITY: 0'], ['root-servers']],
  ])('probe: %s', async (_, args, has, hasNot) => {
    const said = await dig(...args);
    const words = said.replaceAll(/[ \t]+/g, ' ');
    for (const text of has) expect(words).toContain(text);
    const flags = said.split('\n').filter((line) => line.startsWith(';; flags'));
    for (const text of hasNot) expect(text.startsWith(' ') ? flags.join('\n') : said).not.toContain(text);
  });

  it('a user of a place is led to the region of the place', async () => {
    expect((await dig('+short', 'shop.example')).trim()).toBe('192.0.2.2');
    expect((await dig('+short', '+subnet=12.9.9.0/24', 'www.shop.example')).trim()).toBe('192.0.2.3');
    expect(await dig('+subnet=12.9.9.0/24', 'www.shop.example')).toContain('CLIENT-SUBNET: 12.9.9.0/24/8');
    expect((await kdig('+short', '+subnet=10.9.9.0/24', 'www.shop.example')).trim()).toBe('192.0.2.1');
  });

  it('kdig reads every type it knows', async () => {
    const https = await kdig('shop.example', 'HTTPS');
    expect(https).toContain('1 . alpn=h2,http/1.1 ipv4hint=192.0.2.2 ipv6hint=2001:db8:2::1');
    expect(await kdig('shop.example', 'CAA')).toContain('0 issue "ca.example"');
    expect(await kdig('_sip._tcp.shop.example', 'SRV')).toContain('1 2 5060 mail.shop.example.');
    expect(await kdig('shop.example', 'ANY')).toMatch(/HINFO\s+"RFC8482" ""/);
    expect(await kdig('+tcp', '+keepopen', 'long.shop.example', 'TXT', 'shop.example', 'MX')).toContain(
      '10 mail.shop.example.',
    );
  });

  it('a cut answer is asked for again by TCP, by itself', async () => {
    const said = await dig('long.shop.example', 'TXT');
    expect(said).toContain('Truncated, retrying in TCP mode');
    expect(said).toContain('ANSWER: 1');
  });
});
