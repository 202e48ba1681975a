/** Numbers of the DNS that this server uses. Source: IANA, "Domain Name System (DNS) Parameters". */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  HTTPS: 65,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  CAA: 257,
} as const;

export const CLASS_IN = 1;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Sixteen: its upper bits travel in the OPT record. */
  BADVERS: 16,
} as const;

export const OPTION = { NSID: 3, CLIENT_SUBNET: 8, TCP_KEEPALIVE: 11 } as const;

/** Bits of the second header word. */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  Z: 0x0040,
  AD: 0x0020,
  CD: 0x0010,
} as const;
export const OPCODE_MASK = 0x7800;

export const HEADER_BYTES = 12;
/** Root, type, class, TTL and length of an OPT record without options. */
export const OPT_BYTES = 11;
export const NAME_BYTES_MAX = 255;
export const LABEL_BYTES_MAX = 63;
/** Without EDNS (RFC 1035 §4.2.1). */
export const PLAIN_UDP_BYTES = 512;
/** With EDNS: what passes every path without fragments (DNS flag day 2020). */
export const EDNS_UDP_BYTES = 1_232;
