import { z } from 'zod';
import type { Draft, RecordDraft } from '../draft.ts';
import { atField, atValue, type Field, type Finding } from '../finding.ts';

/** E25xx: records that a DNS server would refuse, found before it is started. */
export function dnsRecords({ dns }: Draft): readonly Finding[] {
  if (dns === null) return [];
  return [...dns.records.flatMap(valueOfType), ...contradictions(dns.hosts, dns.records), ...ownNames(dns)];
}

const HOST = String.raw`[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*\.?`;
const NUMBER = String.raw`\d{1,5}`;

/** How the value of each type looks, and an example for those who missed it. */
const VALUES: Readonly<Record<string, { readonly is: (value: string) => boolean; readonly example: string }>> = {
  A: { is: (value) => z.ipv4().safeParse(value).success, example: '203.0.113.10' },
  AAAA: { is: (value) => z.ipv6().safeParse(value).success && !value.includes('%'), example: '2001:db8::10' },
  CAA: { is: (value) => /^\d{1,3} [a-z0-9]{1,15} "[^"]*"$/.test(value), example: '0 issue "ca.example"' },
  CNAME: { is: (value) => isHost(value), example: 'shop.hosting.example' },
  MX: { is: (value) => words(value, `${NUMBER} ${HOST}`), example: '10 mail.shop.example' },
  SRV: { is: (value) => words(value, `${NUMBER} ${NUMBER} ${NUMBER} ${HOST}`), example: '0 5 5060 sip.shop.example' },
  TXT: { is: () => true, example: '' },
};

const isHost = (value: string): boolean => new RegExp(`^${HOST}$`, 'i').test(value) && value.length <= 253;

/** Numbers of 16 bits, then a host. */
const words = (value: string, pattern: string): boolean =>
  new RegExp(`^${pattern}$`, 'i').test(value) &&
  value.split(' ').every((word, index, all) => (index === all.length - 1 ? isHost(word) : Number(word) <= 65_535));

function valueOfType({ type, value }: RecordDraft): readonly Finding[] {
  if (type === null || value === null) return [];
  const rule = VALUES[type.value];
  if (rule === undefined || rule.is(value.value)) return [];
  return [
    {
      code: 'E2501',
      message: `"${value.value.slice(0, 60)}" is not the value of ${/^(A|MX|SRV)/.test(type.value) ? 'an' : 'a'} ${type.value} record`,
      at: [atValue(value.path), ...atField(type)],
      help: [`for example: ${rule.example}`],
    },
  ];
}

/** What the server itself is called in its zone. */
const SERVER = 'ns1';

function ownNames({ hosts, records }: NonNullable<Draft['dns']>): readonly Finding[] {
  const taken = [...hosts, ...records.flatMap(({ name }) => name ?? [])].filter((field) => field.value === SERVER);
  return taken.map((field) => ({
    code: 'E2502',
    message: `"${SERVER}" is the name of the DNS server itself`,
    at: [atValue(field.path)],
    help: ['choose another name'],
  }));
}

/** RFC 1034 §3.6.2: an alias stands alone. And what routing decides about has no second address. */
function contradictions(hosts: readonly Field<string>[], records: readonly RecordDraft[]): readonly Finding[] {
  const findings: Finding[] = [];
  const hostOf = new Map(hosts.map((host) => [host.value, host] as const));
  const ofName = new Map<string, RecordDraft[]>();
  for (const record of records) {
    if (record.name !== null) ofName.set(record.name.value, [...(ofName.get(record.name.value) ?? []), record]);
  }
  for (const [name, all] of ofName) {
    const host = hostOf.get(name);
    for (const { type } of all) {
      if (type === null) continue;
      const isAlias = type.value === 'CNAME';
      const isAddress = type.value === 'A' || type.value === 'AAAA';
      const what = name === '@' ? 'the zone itself' : `"${name}"`;
      if (host !== undefined && (isAlias || isAddress)) {
        findings.push({
          code: 'E2502',
          message: `the addresses of ${what} are led by routing; it has no ${type.value} record of its own`,
          at: [atValue(type.path), ...atField(host, 'a host')],
          help: ['leave the record out, or the name out of `dns.hosts`'],
        });
      } else if (isAlias && (name === '@' || all.length > 1)) {
        const other = all.find((it) => it.type !== type)?.type ?? null;
        findings.push({
          code: 'E2502',
          message: `${what} is an alias (CNAME) and has other records: an alias stands alone`,
          at: [atValue(type.path), ...(other === null ? [] : atField(other))],
          help: [
            name === '@'
              ? 'list "@" in `dns.hosts`: its addresses are then answered directly'
              : 'give it one or the others',
          ],
        });
      }
    }
  }
  return findings;
}
