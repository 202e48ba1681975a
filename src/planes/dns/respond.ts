/**
 * A packet in, a packet out. Everything that is the same for many clients was made before (`zone.ts`); what is left is to find
 * it, to choose the region, and to copy three pieces behind each other: header, the client's own question byte for byte (so its
 * mixed case comes back, and nobody can slip in an answer to another question), and the prepared body.
 */
import type { Address } from '../../base/address.ts';
import { addressOfBytes, carrierBits } from './network.ts';
import type { Body } from './wire/body.ts';
import {
  EDNS_UDP_BYTES,
  FLAG,
  HEADER_BYTES,
  OPCODE_MASK,
  OPT_BYTES,
  OPTION,
  PLAIN_UDP_BYTES,
  RCODE,
  TYPE,
} from './wire/codes.ts';
import { DROP, FAMILY_NONE, isInternet, Query, readQuery } from './wire/query.ts';
import type { NameNode, Names } from './zone.ts';

/** Leads a client to a region, by the address that is known of him. Runs for every packet. */
export interface Compass {
  /** The region's index in the configuration; the number of regions: nobody; more: not known yet. */
  lead(client: Address): number;
  /**
   * How many leading bits all addresses share for which the same is answered. For an IPv6 address that only carries an IPv4
   * one: those of that one.
   */
  scopeOf(client: Address): number;
}

export interface ResponderOptions {
  readonly names: Names;
  readonly compass: Compass;
  /** Tells which server answered, to those who ask (RFC 5001). Null: nobody is told. */
  readonly nsid: string | null;
  /** What TCP clients are told about how long an idle connection stays (RFC 7828). */
  readonly tcpIdleMs: number;
}

/** How the answer travels: `slip` is a datagram that only says "ask again by TCP". */
export type Transport = 'udp' | 'tcp' | 'slip';

const EMPTY = new Uint8Array(0);
const KEEPALIVE_UNIT_MS = 100;

export class Responder {
  readonly #names: Names;
  readonly #compass: Compass;
  readonly #nsid: Uint8Array | null;
  readonly #tcpIdle: number;
  readonly #query = new Query();
  /** Of the answer that is being made: the scope of a client subnet. */
  #scope = 0;
  /** By rcode, since the start. */
  readonly rcodes = new Float64Array(24);
  #dropped = 0;
  #truncated = 0;

  constructor({ names, compass, nsid, tcpIdleMs }: ResponderOptions) {
    this.#names = names;
    this.#compass = compass;
    this.#nsid = nsid === null ? null : Buffer.from(nsid, 'utf8');
    this.#tcpIdle = Math.floor(tcpIdleMs / KEEPALIVE_UNIT_MS);
  }

  get dropped(): number {
    return this.#dropped;
  }

  get truncated(): number {
    return this.#truncated;
  }

  /** @param client the address it came from. Returns null when there must be no answer. */
  respond(packet: Uint8Array, client: Address, transport: Transport): Buffer | null {
    const query = this.#query;
    const read = readQuery(packet, query);
    if (read === DROP) {
      this.#dropped += 1;
      return null;
    }
    this.#scope = 0;
    if (read !== RCODE.NOERROR) return this.#write(packet, read, null, transport);
    if (!isInternet(query)) return this.#write(packet, RCODE.REFUSED, null, transport);
    const refusal = refusalOf(query.type);
    if (refusal !== RCODE.NOERROR) return this.#write(packet, refusal, null, transport);
    const node = this.#names.find(query);
    if (node !== undefined) {
      const body = this.#bodyOf(node, query, client);
      if (body === null) return this.#write(packet, RCODE.SERVFAIL, null, transport);
      return this.#write(packet, body.rcode, body, transport, node.zone.name.length);
    }
    const zone = this.#names.zoneOf(query);
    if (zone === null) return this.#write(packet, RCODE.REFUSED, null, transport);
    return this.#write(packet, RCODE.NXDOMAIN, zone.noName, transport, zone.name.length);
  }

  /** Null: it is not known where anybody may be led. */
  #bodyOf(node: NameNode, query: Query, client: Address): Body | null {
    const { type } = query;
    const { zone } = node;
    if (node.steered) {
      const bodies =
        type === TYPE.A
          ? zone.steered.a
          : type === TYPE.AAAA
            ? zone.steered.aaaa
            : type === TYPE.HTTPS
              ? zone.steered.https
              : null;
      if (bodies !== null) return bodies[this.#lead(query, client)] ?? null;
    }
    if (node.alias !== null) return node.alias;
    return node.fixed.get(type) ?? (type === TYPE.ANY ? zone.any : zone.noData);
  }

  /** The client subnet decides, when there is one and it says anything; else the address the query came from. */
  #lead(query: Query, client: Address): number {
    const { subnetFamily, subnetBits } = query;
    if (subnetFamily === 0 || subnetFamily === FAMILY_NONE || subnetBits === 0) return this.#compass.lead(client);
    const subnet = addressOfBytes(query.subnet, subnetFamily === 1 ? 4 : 6);
    const scope = this.#compass.scopeOf(subnet);
    // The carrier's own prefix is part of the scope, unless the answer is the same for everybody.
    this.#scope = scope === 0 ? 0 : scope + carrierBits(subnet);
    return this.#compass.lead(subnet);
  }

  #write(packet: Uint8Array, rcode: number, body: Body | null, transport: Transport, zoneBytes = 0): Buffer {
    const query = this.#query;
    // A refusal holds nothing that the client did not send, so it is never longer than the query.
    if (body === null) query.wantsNsid = false;
    this.rcodes[rcode] = (this.rcodes[rcode] ?? 0) + 1;
    // A question that could not be read is not sent back.
    const questionEnd = query.questionEnd === 0 ? HEADER_BYTES : query.questionEnd;
    const optBytes = query.edns ? this.#optBytes(query, transport) : 0;
    const room = transport === 'tcp' ? 0xffff : query.edns ? Math.min(query.udpBytes, EDNS_UDP_BYTES) : PLAIN_UDP_BYTES;
    let records = body?.bytes ?? EMPTY;
    let isCut = false;
    if (transport === 'slip' || questionEnd + records.length + optBytes > room) {
      records = EMPTY;
      isCut = true;
      this.#truncated += 1;
    }
    const out = Buffer.allocUnsafe(questionEnd + records.length + optBytes);
    out[0] = packet[0] ?? 0;
    out[1] = packet[1] ?? 0;
    const isOurs = body !== null;
    const flags =
      FLAG.QR |
      (query.flags & (OPCODE_MASK | FLAG.RD | FLAG.CD)) |
      (isOurs ? FLAG.AA : 0) |
      (isCut ? FLAG.TC : 0) |
      (rcode & 0xf);
    out[2] = flags >>> 8;
    out[3] = flags & 0xff;
    out[4] = 0;
    out[5] = questionEnd === HEADER_BYTES ? 0 : 1;
    const answers = isCut || body === null ? 0 : body.answers;
    const authorities = isCut || body === null ? 0 : body.authorities;
    const additionals = (isCut || body === null ? 0 : body.additionals) + (query.edns ? 1 : 0);
    out[6] = answers >>> 8;
    out[7] = answers & 0xff;
    out[8] = 0;
    out[9] = authorities;
    out[10] = additionals >>> 8;
    out[11] = additionals & 0xff;
    for (let i = HEADER_BYTES; i < questionEnd; i += 1) out[i] = packet[i] ?? 0;
    if (records.length > 0) {
      out.set(records, questionEnd);
      if (body?.negative === true) {
        const owner = 0xc000 | (HEADER_BYTES + query.nameBytes - zoneBytes);
        out[questionEnd] = owner >>> 8;
        out[questionEnd + 1] = owner & 0xff;
      }
    }
    if (query.edns) this.#writeOpt(out, questionEnd + records.length, rcode, transport);
    return out;
  }

  #optBytes(query: Query, transport: Transport): number {
    let bytes = OPT_BYTES;
    if (query.subnetFamily !== 0) bytes += 8 + ((query.subnetBits + 7) >>> 3);
    if (query.wantsNsid && this.#nsid !== null) bytes += 4 + this.#nsid.length;
    if (query.wantsKeepalive && transport === 'tcp') bytes += 6;
    return bytes;
  }

  #writeOpt(out: Buffer, at: number, rcode: number, transport: Transport): void {
    const query = this.#query;
    out[at] = 0;
    put16(out, at + 1, TYPE.OPT);
    put16(out, at + 3, EDNS_UDP_BYTES);
    out[at + 5] = rcode >>> 4;
    out[at + 6] = 0;
    out[at + 7] = query.dnssecOk ? 0x80 : 0;
    out[at + 8] = 0;
    put16(out, at + 9, out.length - at - OPT_BYTES);
    let next = at + OPT_BYTES;
    if (query.subnetFamily !== 0) {
      const addressBytes = (query.subnetBits + 7) >>> 3;
      put16(out, next, OPTION.CLIENT_SUBNET);
      put16(out, next + 2, 4 + addressBytes);
      put16(out, next + 4, query.subnetFamily === FAMILY_NONE ? 0 : query.subnetFamily);
      out[next + 6] = query.subnetBits;
      out[next + 7] = this.#scope;
      for (let i = 0; i < addressBytes; i += 1) out[next + 8 + i] = query.subnet[i] ?? 0;
      next += 8 + addressBytes;
    }
    if (query.wantsNsid && this.#nsid !== null) {
      put16(out, next, OPTION.NSID);
      put16(out, next + 2, this.#nsid.length);
      out.set(this.#nsid, next + 4);
      next += 4 + this.#nsid.length;
    }
    if (query.wantsKeepalive && transport === 'tcp') {
      put16(out, next, OPTION.TCP_KEEPALIVE);
      put16(out, next + 2, 2);
      put16(out, next + 4, this.#tcpIdle);
    }
  }
}

/** Types that are no data: transfers, signatures of messages, and the OPT record itself. */
function refusalOf(type: number): number {
  if (type === TYPE.OPT) return RCODE.FORMERR;
  if (type < TYPE.TKEY || type >= TYPE.ANY) return RCODE.NOERROR;
  return type === TYPE.AXFR || type === TYPE.IXFR ? RCODE.REFUSED : RCODE.NOTIMP;
}

function put16(out: Buffer, at: number, value: number): void {
  out[at] = value >>> 8;
  out[at + 1] = value & 0xff;
}
