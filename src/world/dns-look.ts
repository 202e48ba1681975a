import { Resolver } from 'node:dns/promises';
import type { PlaceId } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import type { DnsLook } from '../ports/status.ts';
import { HOST, type WorldLayout } from './layout.ts';

const TIMEOUT_MS = 1_000;

/** Asks the DNS server of a world where it leads somebody on this machine. Null: there is none. Never rejects. */
export async function askDns({ dns, places }: WorldLayout): Promise<DnsLook | null> {
  const port = places.find((place) => place.id === dns?.place)?.ports.dns;
  // A world that was laid out by an earlier version has no such field.
  if (dns === null || dns === undefined || port === undefined) return null;
  const [first = '@'] = dns.hosts;
  const host = first === '@' ? dns.zone : `${first}.${dns.zone}`;
  const said = { place: dns.place, zone: dns.zone, host, server: `${HOST}:${port}` };
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  resolver.setServers([said.server]);
  try {
    const addresses = await resolver.resolve4(host);
    const regionOf = (address: string): PlaceId | null => places.find((it) => it.address === address)?.id ?? null;
    return { ...said, addresses, region: regionOf(addresses[0] ?? ''), why: null };
  } catch (error) {
    return { ...said, addresses: [], region: null, why: messageOf(error) };
  }
}
