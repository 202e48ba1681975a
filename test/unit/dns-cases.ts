import { edit, TWO, type Case } from './spec-cases.ts';

const dns = (lines: string): string => `${TWO}dns:\n  zone: shop.example\n${lines}`;
const records = (...lines: readonly string[]): string =>
  dns(`  records:\n${lines.map((it) => `    - ${it}\n`).join('')}`);

/** What can be wrong with the section `dns`: its lines begin at 28. */
export const DNS_MEANING: readonly Case[] = [
  {
    title: 'an address that is none',
    text: records('{ name: mail, type: A, value: 203.0.113 }'),
    expect: ['E2501 31:37 +31:27'],
    says: 'for example: 203.0.113.10',
  },
  {
    title: 'an IPv4 address in an AAAA record',
    text: records('{ name: mail, type: AAAA, value: 203.0.113.1 }'),
    expect: ['E2501 31:40 +31:27'],
  },
  {
    title: 'an MX without a preference, and one beyond 16 bits',
    text: records(
      '{ name: "@", type: MX, value: mail.shop.example }',
      '{ name: "@", type: MX, value: 70000 a.example }',
    ),
    expect: ['E2501 31:37 +31:26', 'E2501 32:37 +32:26'],
    says: '10 mail.shop.example',
  },
  {
    title: 'a CAA without quotes',
    text: records('{ name: "@", type: CAA, value: 0 issue ca.example }'),
    expect: ['E2501 31:38 +31:26'],
  },
  {
    title: 'an address of a host that routing leads',
    text: records('{ name: www, type: A, value: 203.0.113.1 }'),
    expect: ['E2502 31:26'],
    says: 'led by routing',
  },
  {
    title: 'an alias of the zone itself',
    text: dns('  hosts: [www]\n  records:\n    - { name: "@", type: CNAME, value: a.example }\n'),
    expect: ['E2502 32:26'],
    says: 'its addresses are then answered directly',
  },
  {
    title: 'an alias beside a text',
    text: records('{ name: docs, type: CNAME, value: a.example }', '{ name: docs, type: TXT, value: x }'),
    expect: ['E2502 31:27 +32:27'],
    says: 'stands alone',
  },
  {
    title: 'the name of the server',
    text: records('{ name: ns1, type: A, value: 203.0.113.1 }'),
    expect: ['E2502 31:15'],
  },
];

/** And what does not have its shape. */
export const DNS_SHAPE: readonly Case[] = [
  {
    title: 'a zone that is no domain',
    text: edit(dns(''), ['shop.example', 'shop']),
    expect: ['E1008 29:9'],
    says: 'a domain name',
  },
  { title: 'a host with a dot at its end', text: dns('  hosts: ["www.shop.example."]\n'), expect: ['E1008 30:11'] },
  {
    title: 'an unknown type',
    text: records('{ name: a, type: TXTT, value: x }'),
    expect: ['E1005 31:24'],
    says: 'did you mean "TXT"?',
  },
  { title: 'a time to live below 5s', text: dns('  ttl: 1s\n'), expect: ['E1007 30:8'], says: '5s' },
  { title: 'a misspelt key', text: dns('  host: [www]\n'), expect: ['E1002 30:3'], says: 'did you mean "hosts"?' },
];
