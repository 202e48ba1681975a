import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DnsZone } from '../../ports/dns.ts';
import { queryOf, REGIONS, ZONE } from './testing.ts';
import { labelsOf, wireName } from './wire/name.ts';
import { Query, readQuery } from './wire/query.ts';
import { rdataOfStatic } from './wire/rdata.ts';
import { buildZone, Names, steeredBodies } from './zone.ts';

const why = (zone: Partial<DnsZone>): string => {
  const built = buildZone({ ...ZONE, ...zone }, REGIONS);
  return built.ok ? 'served' : built.error;
};

describe('a zone that cannot be served says why', () => {
  it.each<[string, Partial<DnsZone>, string]>([
    ['a name that is none', { name: 'shop..example' }, 'not a label'],
    ['the root', { name: '.' }, 'the root'],
    ['no server', { nameservers: [] }, 'names no server'],
    ['an address that is none', { nameservers: [{ name: 'ns1.shop.example', addresses: ['nowhere'] }] }, 'nowhere'],
    ['a host elsewhere', { hosts: ['www.other.example.'] }, 'is not in zone'],
    ['a host with its own address', { records: [{ name: 'www', type: 'A', value: '192.0.2.9' }] }, 'of its own'],
    ['a host with an alias', { records: [{ name: 'www', type: 'CNAME', value: 'a.example' }] }, 'of its own'],
    [
      'an alias at the apex',
      { hosts: [], records: [{ name: '@', type: 'CNAME', value: 'a.example' }] },
      'CNAME stands beside',
    ],
    [
      'two aliases',
      { records: ['a', 'b'].map((value) => ({ name: 'x', type: 'CNAME', value })) },
      'CNAME stands beside',
    ],
    ['a record elsewhere', { records: [{ name: 'a.org.', type: 'TXT', value: 'x' }] }, 'is not in zone'],
    ['an MX without a host', { records: [{ name: '@', type: 'MX', value: '10' }] }, 'MX'],
    ['an A that is IPv6', { records: [{ name: 'a', type: 'A', value: '2001:db8::1' }] }, 'not an address of A'],
    ['a CAA without a tag', { records: [{ name: '@', type: 'CAA', value: 'letsencrypt' }] }, 'issue'],
    ['a port that is none', { records: [{ name: '_a._tcp', type: 'SRV', value: '1 1 70000 a.example' }] }, 'SRV'],
  ])('%s', (_, zone, said) => {
    expect(why(zone)).toContain(said);
  });
  it('and this one can', () => expect(why({})).toBe('served'));
});

describe('names', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,12}$/);
  it('every name of a zone of any size is found, whatever its case, and no other one', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(label, { minLength: 1, maxLength: 300 }),
        fc.array(label, { maxLength: 50 }),
        (hosts, others) => {
          const built = buildZone({ ...ZONE, hosts, records: [] }, REGIONS);
          if (!built.ok) throw new Error(built.error);
          const names = new Names(built.value);
          const query = new Query();
          const found = (name: string) => {
            readQuery(queryOf(name, 'A'), query);
            return names.find(query)?.steered === true;
          };
          for (const host of hosts) expect(found(`${host.toUpperCase()}.Shop.Example`)).toBe(true);
          for (const other of others) expect(found(`${other}.shop.example`)).toBe(hosts.includes(other));
          for (const host of hosts) expect(found(`${host}.shop.example.org`)).toBe(false);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('the zone of a name is the longest one above it', () => {
    const zones = ['shop.example', 'eu.shop.example', 'example.org'];
    const built = zones.flatMap((name) => {
      const nodes = buildZone(
        { ...ZONE, name, contact: `a.${name}`, nameservers: [{ name: `ns.${name}`, addresses: [] }] },
        REGIONS,
      );
      if (!nodes.ok) throw new Error(nodes.error);
      return nodes.value;
    });
    const names = new Names(built);
    const query = new Query();
    const zoneOf = (name: string) => {
      readQuery(queryOf(name, 'A'), query);
      const zone = names.zoneOf(query);
      return zone === null
        ? null
        : zones.find((it) => labelsOf(zone.name) === it.split('.').length && nameIs(zone.name, it));
    };
    expect(zoneOf('a.b.shop.example')).toBe('shop.example');
    expect(zoneOf('a.eu.shop.example')).toBe('eu.shop.example');
    expect(zoneOf('eu.shop.example')).toBe('eu.shop.example');
    expect(zoneOf('a.example.org')).toBe('example.org');
    expect(zoneOf('example')).toBeNull();
    expect(zoneOf('aeu.shop.example')).toBe('shop.example');
  });

  const nameIs = (wire: Uint8Array, text: string): boolean => {
    const other = wireName(text);
    return other.ok && Buffer.from(wire).equals(other.value);
  };
});

it('a time to live is never shorter than 5 s: a resolver that asks for every request helps nobody', () => {
  const built = buildZone(ZONE, REGIONS);
  if (!built.ok) throw new Error(built.error);
  const [node] = built.value;
  if (node === undefined) throw new Error('no names');
  const bodies = steeredBodies(ZONE, [['192.0.2.1']], 1, node.zone.noData);
  expect(Buffer.from(bodies.a[0]?.bytes ?? []).readUInt32BE(6)).toBe(5);
});

it('a text longer than 255 bytes becomes several strings', () => {
  const rdata = rdataOfStatic('TXT', 'x'.repeat(600));
  expect(rdata.ok && [rdata.value[0], rdata.value[256], rdata.value[512], rdata.value.length]).toEqual([
    255, 255, 90, 603,
  ]);
});
