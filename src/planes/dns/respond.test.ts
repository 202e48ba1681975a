/** What an authoritative server must get right, judged by another implementation's decoder. */
import { decode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAddress } from './network.ts';
import { ask, FIRST_BYTE, FROM, NOBODY, queryOf, read, responderOf, subnetOption } from './testing.ts';

/** The other implementation does not know it by name. */
const HTTPS = 'UNKNOWN_65';
const responder = responderOf();
const SOA =
  'shop.example 30 SOA {"mname":"ns1.shop.example","rname":"hostmaster.shop.example","serial":2026112701,"refresh":14400,"retry":3600,"expire":1209600,"minimum":30}';

describe('answers', () => {
  it('an address of the region that the client is led to, at the apex as at any other host', () => {
    for (const name of ['shop.example', 'www.shop.example', 'api.deep.shop.example']) {
      const { rcode, aa, ra, tc, answers, authorities, additionals } = ask(responder, name, 'A');
      expect({ rcode, aa, ra, tc, authorities, additionals }).toEqual({
        rcode: 0,
        aa: true,
        ra: false,
        tc: false,
        authorities: [],
        additionals: [],
      });
      expect(answers).toEqual([`${name} 20 A 192.0.2.1`]);
    }
    const elsewhere = { from: readAddress('11.0.0.1') };
    expect(ask(responder, 'shop.example', 'A', elsewhere).answers).toEqual(['shop.example 20 A 192.0.2.2']);
    expect(ask(responder, 'shop.example', 'AAAA', elsewhere).answers).toEqual(['shop.example 20 AAAA 2001:db8:2::1']);
  });

  it('HTTPS with the protocols and the addresses of that region (RFC 9460)', () => {
    const { answers } = ask(responder, 'shop.example', HTTPS, { from: readAddress('12.0.0.1') });
    const data = '0001 00 0001 000c 02 6832 08 687474702f312e31 0004 0004 c0000203'.replaceAll(' ', '');
    expect(answers).toEqual([`shop.example 20 UNKNOWN_65 ${data}`]);
    expect(ask(responderOf({ alpn: [] }), 'shop.example', HTTPS).answers).toEqual([]);
  });

  it('what never changes: NS with glue, SOA, TXT, MX, CAA, SRV, CNAME', () => {
    const ns = ask(responder, 'shop.example', 'NS');
    expect(ns.answers).toEqual(['shop.example 3600 NS ns1.shop.example', 'shop.example 3600 NS ns2.shop.example']);
    expect(ns.additionals).toEqual([
      'ns1.shop.example 3600 A 192.0.2.53',
      'ns1.shop.example 3600 AAAA 2001:db8::53',
      'ns2.shop.example 3600 A 198.51.100.53',
    ]);
    expect(ask(responder, 'shop.example', 'SOA').answers).toEqual([SOA.replace(' 30 ', ' 3600 ')]);
    expect(ask(responder, 'shop.example', 'TXT').answers).toEqual(['shop.example 3600 TXT v=spf1 -all']);
    expect(ask(responder, 'shop.example', 'MX').answers).toEqual([
      'shop.example 3600 MX {"preference":10,"exchange":"mail.shop.example"}',
    ]);
    expect(ask(responder, 'shop.example', 'CAA').answers[0]).toContain('"tag":"issue","value":"ca.example"');
    expect(ask(responder, '_sip._tcp.shop.example', 'SRV').answers[0]).toContain('"port":5060');
    expect(ask(responder, 'mail.shop.example', 'A').answers).toEqual(['mail.shop.example 3600 A 192.0.2.25']);
    for (const type of ['CNAME', 'A', 'TXT'])
      expect(ask(responder, 'docs.shop.example', type).answers).toEqual([
        'docs.shop.example 3600 CNAME docs.host.example',
      ]);
  });

  it('ANY as little as possible (RFC 8482)', () => {
    const { answers, rcode } = ask(responder, 'shop.example', 'ANY');
    expect(rcode).toBe(0);
    expect(answers).toEqual(['shop.example 3600 HINFO {"cpu":"RFC8482","os":""}']);
    expect(ask(responder, 'none.shop.example', 'ANY').rcode).toBe(3);
  });
});

describe('there is none (RFC 2308)', () => {
  const expectNone = (name: string, type: string, rcode: number, from = FROM) => {
    const answer = ask(responder, name, type, { from });
    expect([answer.rcode, answer.aa, answer.answers, answer.authorities]).toEqual([rcode, true, [], [SOA]]);
  };
  it('of a name: NXDOMAIN; of a type, or of a name between two others: NODATA', () => {
    expectNone('none.shop.example', 'A', 3);
    expectNone('a.b.c.none.shop.example', 'TXT', 3);
    expectNone('www.shop.example', 'TXT', 0);
    expectNone('deep.shop.example', 'A', 0);
    expectNone('_tcp.shop.example', 'A', 0);
    expectNone('mail.shop.example', 'AAAA', 0);
  });

  it('of an address family in a region, or when nobody may serve the client: NODATA, or siblings would suffer', () => {
    expectNone('shop.example', 'AAAA', 0, readAddress('12.0.0.1'));
    for (const type of ['A', 'AAAA', HTTPS]) expectNone('www.shop.example', type, 0, readAddress('13.0.0.1'));
    expect(FIRST_BYTE.lead(readAddress('13.0.0.1'))).toBe(NOBODY);
  });

  it('of an unknown type: NODATA, not an error (RFC 3597)', () => {
    expectNone('shop.example', 'UNKNOWN_666', 0);
  });
});

describe('refusals', () => {
  it('a zone of somebody else: REFUSED, and no hint upwards', () => {
    for (const name of ['example', 'other.example', 'xshop.example', 'shop.example.org', 'www.xshop.example']) {
      const { rcode, aa, answers, authorities, additionals } = ask(responder, name, 'A');
      expect([rcode, aa, answers, authorities, additionals]).toEqual([5, false, [], [], []]);
    }
  });

  it('transfers and other classes: REFUSED; types that are no data: NOTIMP, FORMERR', () => {
    expect(ask(responder, 'shop.example', 'AXFR', { transport: 'tcp' }).rcode).toBe(5);
    expect(ask(responder, 'shop.example', 'IXFR').rcode).toBe(5);
    expect(ask(responder, 'version.bind', 'TXT', { class: 'CH' }).rcode).toBe(5);
    expect(ask(responder, 'shop.example', 'A', { class: 'ANY' }).rcode).toBe(5);
    expect(ask(responder, 'shop.example', 'TSIG').rcode).toBe(4);
    expect(ask(responder, 'shop.example', 'OPT').rcode).toBe(1);
  });

  it('opcodes other than QUERY: NOTIMP with the opcode', () => {
    const query = queryOf('shop.example', 'A');
    query[2] = 0x28;
    const answer = responder.respond(query, FROM, 'udp');
    expect([answer?.length, (answer?.[2] ?? 0) & 0x78, (answer?.[3] ?? 0) & 0xf]).toEqual([12, 0x28, 4]);
  });
});

describe('the question comes back byte for byte (0x20)', () => {
  it('in whatever case', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('www.shop.example', 'none.shop.example', 'docs.shop.example', 'x.org'),
        fc.nat(),
        (name, bits) => {
          const mixed = Array.from(name, (char, i) => ((bits >>> i) & 1 ? char.toUpperCase() : char)).join('');
          const { query, answer, rcode, questions, authorities } = ask(responder, mixed, 'A');
          const end = 12 + name.length + 2 + 4;
          expect(answer.subarray(12, end)).toEqual(query.subarray(12, end));
          expect(questions[0]?.name).toBe(mixed);
          expect(rcode).toBe(ask(responder, name, 'A').rcode);
          for (const record of authorities) expect(record.toLowerCase()).toBe(SOA.toLowerCase());
        },
      ),
    );
  });
});

describe('EDNS (RFC 6891)', () => {
  it('only when asked, version 0, 1232 bytes, and only the DO flag comes back', () => {
    expect(ask(responder, 'shop.example', 'A', { edns: false }).opt).toBeNull();
    const plain = ask(responder, 'shop.example', 'A', { ednsFlags: 0x7fff });
    expect(plain.opt).toMatchObject({ udpPayloadSize: 1_232, ednsVersion: 0, extendedRcode: 0, flags: 0, options: [] });
    expect(ask(responder, 'shop.example', 'A', { ednsFlags: 0x8000 }).opt?.flags).toBe(0x8000);
  });

  it('a newer version: BADVERS, without an answer', () => {
    const { rcode, opt, answers } = ask(responder, 'shop.example', 'A', {
      version: 1,
      options: [{ code: 100, data: Uint8Array.of(1) }],
    });
    expect([rcode, opt?.extendedRcode, opt?.ednsVersion, answers]).toEqual([0, 1, 0, []]);
  });

  it('unknown options are ignored', () => {
    const options = [100, 10, 65_001].map((code) => ({ code, data: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]) }));
    const { rcode, answers, opt } = ask(responder, 'shop.example', 'A', { options });
    expect([rcode, answers.length, opt?.options]).toEqual([0, 1, []]);
  });

  it('NSID for those who ask (RFC 5001), and the idle time by TCP (RFC 7828)', () => {
    const named = responderOf({}, FIRST_BYTE, 'fra-1');
    const options = [3, 11].map((code) => ({ code, data: new Uint8Array() }));
    const byUdp = ask(named, 'shop.example', 'A', { options });
    expect(byUdp.opt?.options.map((it) => [it.code, it.data?.toString('latin1')])).toEqual([[3, 'fra-1']]);
    const byTcp = ask(named, 'shop.example', 'A', { options, transport: 'tcp' });
    expect(byTcp.opt?.options.map((it) => it.data?.toString('hex'))).toEqual(['6672612d31', '0064']);
    expect(ask(responder, 'shop.example', 'A', { options }).opt?.options).toEqual([]);
  });

  it('RD and CD come back, AD and Z do not, RA is never set', () => {
    const { answer } = ask(responder, 'shop.example', 'A', { flags: 0x0170 });
    expect([answer[2], answer[3]]).toEqual([0x85, 0x10]);
  });
});

describe('client subnet (RFC 7871)', () => {
  const asked = (option: ReturnType<typeof subnetOption>, type = 'A', name = 'shop.example') => {
    const { answers, opt, rcode } = ask(responder, name, type, { from: readAddress('12.0.0.1'), options: [option] });
    return { rcode, answers, subnet: opt?.options[0]?.data?.toString('hex') };
  };
  it('decides instead of the address of the resolver, and the scope says for whom the answer is', () => {
    expect(asked(subnetOption(1, 24, [11, 7, 7]))).toEqual({
      rcode: 0,
      answers: ['shop.example 20 A 192.0.2.2'],
      subnet: '000118080b0707',
    });
    const none = ask(responder, 'shop.example', 'A');
    expect(none.opt?.options).toEqual([]);
  });

  it('of zero bits is a wish not to be located: the resolver decides, scope 0', () => {
    const fromResolver = ['shop.example 20 A 192.0.2.3'];
    expect(asked(subnetOption(1, 0, []))).toEqual({ rcode: 0, answers: fromResolver, subnet: '00010000' });
    expect(asked(subnetOption(2, 0, []))).toEqual({ rcode: 0, answers: fromResolver, subnet: '00020000' });
    expect(asked(subnetOption(0, 0, []))).toEqual({ rcode: 0, answers: fromResolver, subnet: '00000000' });
  });

  it('has scope 0 where the answer is the same for all', () => {
    for (const [name, type] of [
      ['shop.example', 'TXT'],
      ['none.shop.example', 'A'],
      ['www.shop.example', 'MX'],
    ] as const)
      expect(asked(subnetOption(1, 24, [11, 7, 7]), type, name).subnet).toBe('000118000b0707');
  });

  it('is FORMERR when malformed', () => {
    expect(asked(subnetOption(1, 24, [11, 7]))).toMatchObject({ rcode: 1, answers: [] });
    expect(asked(subnetOption(9, 24, [11, 7, 7]))).toMatchObject({ rcode: 1, answers: [] });
  });

  it('an IPv4 client in an IPv6 subnet is found, and the scope counts the carrier', () => {
    const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 11, 7, 7];
    const canonical = responderOf(
      {},
      {
        lead: () => 1,
        scopeOf: (client) => (client.family === 6 ? 8 : 0),
      },
    );
    const { opt } = ask(canonical, 'shop.example', 'A', { options: [subnetOption(2, 120, mapped)] });
    expect(opt?.options[0]?.data?.[3]).toBe(104);
  });
});

describe('what does not fit', () => {
  it('by UDP is cut whole, with TC; by TCP all of it comes', () => {
    for (const asking of [{ edns: false }, { udpBytes: 512 }, { udpBytes: 65_535 }, {}]) {
      const { tc, answers, answer, questions } = ask(responder, 'long.shop.example', 'TXT', asking);
      expect([tc, answers.length, questions.length]).toEqual([true, 0, 1]);
      expect(answer.length).toBeLessThan(100);
    }
    const { tc, answers } = ask(responder, 'long.shop.example', 'TXT', { transport: 'tcp' });
    expect([tc, answers.length]).toEqual([false, 1]);
    expect(decode(ask(responder, 'long.shop.example', 'TXT', { transport: 'tcp' }).answer).answers?.[0]).toMatchObject({
      ttl: 3_600,
    });
  });

  it('a size below 512 counts as 512', () => {
    const { tc, answers } = ask(responder, 'shop.example', 'NS', { udpBytes: 0 });
    expect([tc, answers.length]).toEqual([false, 2]);
  });

  it('over the rate limit: only "ask by TCP"', () => {
    const { tc, answers, rcode } = ask(responder, 'shop.example', 'A', { transport: 'slip' });
    expect([tc, answers.length, rcode]).toEqual([true, 0, 0]);
  });
});

describe('whatever arrives', () => {
  const good = queryOf('www.shop.example', 'A', {
    options: [subnetOption(1, 24, [10, 1, 2]), { code: 3, data: new Uint8Array() }],
  });
  const named = responderOf({}, FIRST_BYTE, 'a-server-with-a-long-name');
  const damaged = fc
    .tuple(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 5 }), fc.uint8Array({ maxLength: 8 }))
    .map(([changes, tail]) => {
      const packet = Buffer.concat([good, tail]);
      for (const [at, byte] of changes) packet[at] = byte;
      return packet;
    });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((it) => Buffer.from(it)),
    damaged,
  );

  it('it never throws, never answers an answer, and what it cannot read it never answers with more bytes', () => {
    fc.assert(
      fc.property(bytes, fc.constantFrom('udp' as const, 'slip' as const), (packet, transport) => {
        const before = Buffer.from(packet);
        const answer = named.respond(packet, FROM, transport);
        expect(packet).toEqual(before);
        if (packet.length < 12 || (packet[2] ?? 0) >= 0x80) {
          expect(answer).toBeNull();
          return;
        }
        if (answer === null) throw new Error('no answer');
        expect(answer.subarray(0, 2)).toEqual(packet.subarray(0, 2));
        expect((answer[2] ?? 0) & 0x80).toBe(0x80);
        expect(answer.length).toBeLessThanOrEqual(1_232);
        const rcode = (answer[3] ?? 0) & 0xf;
        if (rcode !== 0 && rcode !== 3) expect(answer.length).toBeLessThanOrEqual(packet.length);
        if (transport === 'slip') expect(answer.length).toBeLessThanOrEqual(packet.length + 4 + 25);
      }),
      { numRuns: 4_000 },
    );
  });

  it('what another implementation can read as a query, it can read the answer to', () => {
    fc.assert(
      fc.property(damaged, (packet) => {
        const answer = named.respond(packet, FROM, 'udp');
        if (answer === null) return;
        const rcode = (answer[3] ?? 0) & 0xf;
        // Names that were damaged may hold bytes that the other implementation does not write the same way.
        if (rcode !== 1) expect(read(answer).rcode).toBe(rcode);
      }),
      { numRuns: 2_000 },
    );
  });
});
