/** A zone of the configuration, turned into packets. */
import { err, ok, type Result } from '../../base/result.ts';
import type { DnsConfig, DnsZone } from '../../ports/dns.ts';
import { type Body, negative, positive } from './wire/body.ts';
import { RCODE, TYPE } from './wire/codes.ts';
import { hashOfName, labelsOf, wireName, type WireName } from './wire/name.ts';
import { type Query } from './wire/query.ts';
import {
  RDATA_MINIMAL_ANY,
  type Rdata,
  rdataOfAddress,
  rdataOfHttps,
  rdataOfSoa,
  rdataOfStatic,
} from './wire/rdata.ts';

/** What a name has. */
export interface NameNode {
  readonly name: WireName;
  readonly hash: number;
  readonly zone: Zone;
  /** Is its address a matter of routing? */
  readonly steered: boolean;
  /** By type. Never changes while the server runs. */
  readonly fixed: ReadonlyMap<number, Body>;
  /** A name with a CNAME has nothing else. */
  readonly alias: Body | null;
}

/** By region in the order of the configuration; the last one is the answer when nobody may be named. */
export interface Steered {
  readonly a: readonly Body[];
  readonly aaaa: readonly Body[];
  readonly https: readonly Body[];
}

export interface Zone {
  readonly name: WireName;
  readonly labels: number;
  readonly noData: Body;
  readonly noName: Body;
  readonly any: Body;
  /** Replaced as a whole when addresses or the time to live change. */
  steered: Steered;
}

/** RFC 1912 §2.2. Nobody transfers this zone yet; secondaries will read these. */
const REFRESH_SEC = 14_400;
const RETRY_SEC = 3_600;
const EXPIRE_SEC = 1_209_600;
/** A negative answer is short-lived too: a name that is added must not stay away for an hour. */
const TTL_MIN_SEC = 5;

/** Addresses of each region as they are now, in the order of the configuration. */
export type RegionAddresses = readonly (readonly string[])[];

export function steeredBodies(zone: DnsZone, addresses: RegionAddresses, ttlSec: number, noData: Body): Steered {
  const ttl = Math.max(TTL_MIN_SEC, ttlSec);
  const all = addresses.map((texts) =>
    texts.flatMap((text) => {
      const rdata = rdataOfAddress(text);
      return rdata.ok ? [rdata.value] : [];
    }),
  );
  const of = (type: number, pick: (rdatas: readonly Rdata[]) => readonly Rdata[]): readonly Body[] => [
    ...all.map((rdatas) => {
      const picked = pick(rdatas);
      return picked.length === 0 ? noData : positive(type, ttl, picked);
    }),
    noData,
  ];
  return {
    a: of(TYPE.A, (rdatas) => rdatas.filter((it) => it.length === 4)),
    aaaa: of(TYPE.AAAA, (rdatas) => rdatas.filter((it) => it.length === 16)),
    https: of(TYPE.HTTPS, (rdatas) =>
      zone.alpn.length === 0 || rdatas.length === 0 ? [] : [rdataOfHttps(zone.alpn, rdatas)],
    ),
  };
}

interface Draft {
  steered: boolean;
  readonly rdatas: Map<number, Rdata[]>;
}

/** Why a zone cannot be served, in one sentence, or the zone and every name in it. */
export function buildZone(config: DnsZone, regions: DnsConfig['regions']): Result<readonly NameNode[], string> {
  const apex = wireName(config.name);
  const contact = wireName(config.contact);
  if (!apex.ok) return apex;
  if (!contact.ok) return contact;
  if (apex.value.length === 1) return err('the root is not a zone of ours');
  const names = new Map<string, Draft>();
  const draftOf = (name: WireName): Draft => {
    const key = keyOf(name);
    const draft = names.get(key) ?? { steered: false, rdatas: new Map<number, Rdata[]>() };
    names.set(key, draft);
    return draft;
  };
  const add = (name: WireName, type: number, rdata: Rdata): void => {
    const { rdatas } = draftOf(name);
    rdatas.set(type, [...(rdatas.get(type) ?? []), rdata]);
  };

  const glue: { owner: WireName; type: number; rdata: Rdata }[] = [];
  const servers: WireName[] = [];
  for (const { name, addresses } of config.nameservers) {
    const server = wireName(name);
    if (!server.ok) return server;
    servers.push(server.value);
    add(apex.value, TYPE.NS, server.value);
    for (const text of addresses) {
      const rdata = rdataOfAddress(text);
      if (!rdata.ok) return rdata;
      // Addresses of a server in somebody else's zone are theirs to say.
      if (!isWithin(server.value, apex.value)) continue;
      const type = rdata.value.length === 4 ? TYPE.A : TYPE.AAAA;
      add(server.value, type, rdata.value);
      glue.push({ owner: server.value, type, rdata: rdata.value });
    }
  }
  const [primary] = servers;
  if (primary === undefined) return err(`zone ${config.name} names no server`);

  for (const { name, type, value } of config.records) {
    const owner = absolute(name, config.name);
    if (!owner.ok) return owner;
    if (!isWithin(owner.value, apex.value)) return err(`"${name}" is not in zone ${config.name}`);
    const rdata = rdataOfStatic(type, value);
    if (!rdata.ok) return err(`${name} ${type}: ${rdata.error}`);
    add(owner.value, TYPE[type], rdata.value);
  }
  for (const host of config.hosts) {
    const owner = absolute(host, config.name);
    if (!owner.ok) return owner;
    if (!isWithin(owner.value, apex.value)) return err(`"${host}" is not in zone ${config.name}`);
    const draft = draftOf(owner.value);
    draft.steered = true;
    if ([TYPE.A, TYPE.AAAA, TYPE.CNAME].some((type) => draft.rdatas.has(type)))
      return err(`"${host}" is led by routing and has an address or alias of its own too`);
  }
  // A name between two others exists, with nothing of its own (RFC 8020).
  for (const key of names.keys()) {
    let name = Uint8Array.from(Buffer.from(key, 'latin1'));
    while (name.length > apex.value.length) {
      draftOf(name);
      name = name.subarray(1 + (name[0] ?? 0));
    }
  }

  const soa = rdataOfSoa({
    primary,
    contact: contact.value,
    serial: config.serial,
    refreshSec: REFRESH_SEC,
    retrySec: RETRY_SEC,
    expireSec: EXPIRE_SEC,
    negativeSec: config.negativeTtlSec,
  });
  add(apex.value, TYPE.SOA, soa);
  const noData = negative(RCODE.NOERROR, config.negativeTtlSec, soa);
  const zone: Zone = {
    name: apex.value,
    labels: labelsOf(apex.value),
    noData,
    noName: negative(RCODE.NXDOMAIN, config.negativeTtlSec, soa),
    any: positive(TYPE.HINFO, config.staticTtlSec, [RDATA_MINIMAL_ANY]),
    steered: steeredBodies(
      config,
      regions.map((region) => region.addresses),
      config.ttlSec,
      noData,
    ),
  };
  const nodes: NameNode[] = [];
  for (const [key, draft] of names) {
    const name = Uint8Array.from(Buffer.from(key, 'latin1'));
    const node = nodeOf(name, draft, zone, config.staticTtlSec, glue);
    if (!node.ok) return node;
    nodes.push(node.value);
  }
  return ok(nodes);
}

function nodeOf(
  name: WireName,
  { steered, rdatas }: Draft,
  zone: Zone,
  ttlSec: number,
  glue: Parameters<typeof positive>[3],
): Result<NameNode, string> {
  const aliases = rdatas.get(TYPE.CNAME) ?? [];
  // RFC 2181 §10.1: a name with a CNAME has nothing else, and the apex always has more.
  if (aliases.length > 0 && (rdatas.size > 1 || aliases.length > 1))
    return err(
      `${keyOf(name)}: a CNAME stands beside other records; only a host led by routing may be the zone itself`,
    );
  const fixed = new Map(
    [...rdatas].map(([type, all]) => [type, positive(type, ttlSec, all, type === TYPE.NS ? glue : [])] as const),
  );
  const [alias] = aliases;
  return ok({
    name,
    hash: hashOfName(name, 0, name.length),
    zone,
    steered,
    fixed,
    alias: alias === undefined ? null : positive(TYPE.CNAME, ttlSec, [alias]),
  });
}

const keyOf = (name: WireName): string => Buffer.from(name).toString('latin1');

/** `@` is the zone itself; a name with a dot at its end is absolute, another one is below the zone. */
function absolute(name: string, zone: string): Result<WireName, string> {
  if (name === '@') return wireName(zone);
  return wireName(name.endsWith('.') ? name : `${name}.${zone}`);
}

function isWithin(name: WireName, zone: WireName): boolean {
  const from = name.length - zone.length;
  if (from < 0 || !zone.every((byte, i) => name[from + i] === byte)) return false;
  let at = 0;
  while (at < from) at += 1 + (name[at] ?? 0);
  return at === from;
}

/** Every name of every zone. Looked up once per packet, so it is one flat table beside the names themselves. */
export class Names {
  readonly #slots: (NameNode | undefined)[];
  readonly #mask: number;
  /** Zones by their number of labels, most first: the zone of a name is the longest one above it. */
  readonly #apexes: readonly { readonly labels: number; readonly node: NameNode }[];

  constructor(nodes: readonly NameNode[]) {
    let size = 16;
    while (size < nodes.length * 2) size *= 2;
    this.#mask = size - 1;
    this.#slots = Array.from({ length: size });
    for (const node of nodes) {
      let slot = node.hash & this.#mask;
      while (this.#slots[slot] !== undefined) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = node;
    }
    this.#apexes = nodes
      .filter((node) => node.name.length === node.zone.name.length)
      .map((node) => ({ labels: node.zone.labels, node }))
      .sort((a, b) => b.labels - a.labels);
  }

  find(query: Query): NameNode | undefined {
    return this.#lookUp(query.name, query.nameBytes, query.hash);
  }

  /** The zone that a name is in; null: none of ours. */
  zoneOf(query: Query): Zone | null {
    const { name, nameBytes, labels, labelAt } = query;
    for (const apex of this.#apexes) {
      if (apex.labels > labels) continue;
      const zone = apex.node.name;
      const from = apex.labels === labels ? 0 : (labelAt[labels - apex.labels] ?? 0);
      if (nameBytes - from === zone.length && isSame(name, from, zone)) return apex.node.zone;
    }
    return null;
  }

  #lookUp(name: Uint8Array, bytes: number, hash: number): NameNode | undefined {
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const node = this.#slots[slot];
      if (node === undefined) return undefined;
      if (node.hash === hash && node.name.length === bytes && isSame(name, 0, node.name)) return node;
    }
  }
}

function isSame(name: Uint8Array, from: number, other: WireName): boolean {
  for (let i = 0; i < other.length; i += 1) if (name[from + i] !== other[i]) return false;
  return true;
}
