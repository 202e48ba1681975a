/**
 * Reads what a client sent, and nothing else: one pass, no allocation, no exception. Every length that the packet claims is
 * held against what is really there before it is used.
 */
import {
  CLASS_IN,
  FLAG,
  HEADER_BYTES,
  LABEL_BYTES_MAX,
  NAME_BYTES_MAX,
  OPCODE_MASK,
  OPT_BYTES,
  OPTION,
  PLAIN_UDP_BYTES,
  RCODE,
  TYPE,
} from './codes.ts';

/** The packet gets no answer: it is no query. An answer to an answer is how two servers keep each other busy for ever. */
export const DROP = -1;

/** What was asked. One object per server, filled anew by each `readQuery`; nothing in it outlives the next one. */
export class Query {
  flags = 0;
  /** In small letters, in wire form; `nameBytes` of it are valid. */
  readonly name = new Uint8Array(NAME_BYTES_MAX);
  nameBytes = 0;
  /** Where each label begins in `name`; `labels` of them are valid. */
  readonly labelAt = new Uint8Array(128);
  labels = 0;
  hash = 0;
  type = 0;
  class = 0;
  /** Where the question ends in the packet; 0 when it could not be read. */
  questionEnd = 0;
  /** Did it carry an OPT record that could be read? */
  edns = false;
  /** How long an answer by UDP may be, as the client says. */
  udpBytes = PLAIN_UDP_BYTES;
  dnssecOk = false;
  wantsNsid = false;
  wantsKeepalive = false;
  /** 0: no client subnet (RFC 7871) in the query. Else 1 or 2; or 3 for "none of your business" without a family. */
  subnetFamily = 0;
  subnetBits = 0;
  /** The subnet's address; four bytes or sixteen, zeros behind what was sent. */
  readonly subnet = new Uint8Array(16);
}

export const FAMILY_NONE = 3;

/** Returns `DROP` or the rcode with which the answer begins. Only after NOERROR and BADVERS everything in `query` is valid. */
export function readQuery(packet: Uint8Array, query: Query): number {
  query.questionEnd = 0;
  query.edns = false;
  query.udpBytes = PLAIN_UDP_BYTES;
  query.dnssecOk = false;
  query.wantsNsid = false;
  query.wantsKeepalive = false;
  query.subnetFamily = 0;
  query.subnetBits = 0;
  if (packet.length < HEADER_BYTES) return DROP;
  const flags = u16(packet, 2);
  query.flags = flags;
  if ((flags & FLAG.QR) !== 0) return DROP;
  if ((flags & OPCODE_MASK) !== 0) return RCODE.NOTIMP;
  // One question, no answer (RFC 9619).
  if (u16(packet, 4) !== 1 || u16(packet, 6) !== 0) return RCODE.FORMERR;
  const end = readQuestion(packet, query);
  if (end === 0) return RCODE.FORMERR;
  query.questionEnd = end;
  const authorities = u16(packet, 8);
  const additionals = u16(packet, 10);
  if (authorities === 0 && additionals === 0) return end === packet.length ? RCODE.NOERROR : RCODE.FORMERR;
  return readRecords(packet, end, authorities, additionals, query);
}

/** Returns where the question ends, 0 when it is none. A pointer in it could only lead to itself, so there is none. */
function readQuestion(packet: Uint8Array, query: Query): number {
  const { name, labelAt } = query;
  let at = HEADER_BYTES;
  let length = 0;
  let labels = 0;
  let hash = 0x811c9dc5;
  for (;;) {
    if (at >= packet.length) return 0;
    const bytes = packet[at] ?? 0;
    if (bytes > LABEL_BYTES_MAX) return 0;
    if (length + bytes + 1 > NAME_BYTES_MAX || at + bytes >= packet.length) return 0;
    if (bytes !== 0) {
      labelAt[labels] = length;
      labels += 1;
    }
    name[length] = bytes;
    hash = Math.imul(hash ^ bytes, 0x01000193);
    length += 1;
    at += 1;
    if (bytes === 0) break;
    const stop = at + bytes;
    while (at < stop) {
      let byte = packet[at] ?? 0;
      if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
      name[length] = byte;
      hash = Math.imul(hash ^ byte, 0x01000193);
      length += 1;
      at += 1;
    }
  }
  if (at + 4 > packet.length) return 0;
  query.nameBytes = length;
  query.labels = labels;
  query.hash = hash >>> 0;
  query.type = u16(packet, at);
  query.class = u16(packet, at + 2);
  return at + 4;
}

/** What follows the question: skipped, but for the one OPT record. */
function readRecords(packet: Uint8Array, from: number, authorities: number, additionals: number, query: Query): number {
  let at = from;
  let optAt = 0;
  for (let i = 0; i < authorities + additionals; i += 1) {
    const start = at;
    at = skipName(packet, at);
    if (at === 0 || at + 10 > packet.length) return RCODE.FORMERR;
    const type = u16(packet, at);
    at += 10 + u16(packet, at + 8);
    if (at > packet.length) return RCODE.FORMERR;
    if (type !== TYPE.OPT) continue;
    // Once, of the root, among the additional records (RFC 6891 §6.1.1).
    if (optAt !== 0 || i < authorities || packet[start] !== 0) return RCODE.FORMERR;
    optAt = start;
  }
  if (at !== packet.length) return RCODE.FORMERR;
  return optAt === 0 ? RCODE.NOERROR : readOpt(packet, optAt, query);
}

/** Returns where a name ends that may be compressed, 0 when it is none. Pointers are not followed. */
function skipName(packet: Uint8Array, from: number): number {
  for (let at = from; at < packet.length; ) {
    const bytes = packet[at] ?? 0;
    if (bytes === 0) return at + 1;
    if (bytes >= 0xc0) return at + 2;
    if (bytes > LABEL_BYTES_MAX || at - from > NAME_BYTES_MAX) return 0;
    at += 1 + bytes;
  }
  return 0;
}

/** Its bounds were checked by `readRecords`. Unknown options and flags are ignored (RFC 6891 §6.1.2, §6.1.4). */
function readOpt(packet: Uint8Array, at: number, query: Query): number {
  const end = at + OPT_BYTES + u16(packet, at + 9);
  query.udpBytes = Math.max(PLAIN_UDP_BYTES, u16(packet, at + 3));
  query.dnssecOk = ((packet[at + 7] ?? 0) & 0x80) !== 0;
  query.edns = true;
  // Another version may mean something else by its options.
  if (packet[at + 6] !== 0) return RCODE.BADVERS;
  for (let option = at + OPT_BYTES; option < end; ) {
    if (option + 4 > end) return RCODE.FORMERR;
    const code = u16(packet, option);
    const bytes = u16(packet, option + 2);
    const data = option + 4;
    option = data + bytes;
    if (option > end) return RCODE.FORMERR;
    if (code === OPTION.CLIENT_SUBNET) {
      if (!readSubnet(packet, data, bytes, query)) return RCODE.FORMERR;
    } else if (code === OPTION.NSID) query.wantsNsid = true;
    else if (code === OPTION.TCP_KEEPALIVE) query.wantsKeepalive = true;
  }
  return RCODE.NOERROR;
}

/**
 * Client subnet (RFC 7871 §6): family, source and scope bits, then as many bytes of the address as the bits need, zero behind
 * them. False when it is not that.
 */
function readSubnet(packet: Uint8Array, at: number, bytes: number, query: Query): boolean {
  if (bytes < 4) return false;
  const family = u16(packet, at);
  const bits = packet[at + 2] ?? 0;
  const isNone = family === 0 && bits === 0;
  if (!isNone && family !== 1 && family !== 2) return false;
  if (bits > (family === 1 ? 32 : 128) || packet[at + 3] !== 0) return false;
  const addressBytes = (bits + 7) >>> 3;
  if (bytes !== 4 + addressBytes) return false;
  const { subnet } = query;
  subnet.fill(0);
  for (let i = 0; i < addressBytes; i += 1) subnet[i] = packet[at + 4 + i] ?? 0;
  const spare = addressBytes * 8 - bits;
  if (addressBytes > 0 && ((subnet[addressBytes - 1] ?? 0) & ((1 << spare) - 1)) !== 0) return false;
  query.subnetFamily = isNone ? FAMILY_NONE : family;
  query.subnetBits = bits;
  return true;
}

export const isInternet = (query: Query): boolean => query.class === CLASS_IN;

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
