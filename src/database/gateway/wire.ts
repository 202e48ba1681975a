/** The PostgreSQL wire protocol, version 3: the parts a gateway reads and writes. Pure: bytes in, values out. */

/** Codes in the place where a StartupMessage has its version. */
const SSL_REQUEST = 80_877_103;
const GSSENC_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
/** PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH). */
export const MAX_STARTUP_BYTES = 10_000;
/** The first byte of a TLS handshake record: `sslnegotiation=direct` of PostgreSQL 17. */
const TLS_HANDSHAKE = 0x16;

/** Bytes that are not the protocol. The connection ends with 08P01. */
export class ProtocolError extends Error {}

/** What the first packet of a client asks for. */
export type FirstPacket =
  | { readonly kind: 'ssl' | 'gss' | 'direct-tls' }
  /** The key of the connection to cancel: pid and secret as they were sent, 4 + 4 bytes or longer (protocol 3.2). */
  | { readonly kind: 'cancel'; readonly key: string; readonly packet: Buffer }
  | { readonly kind: 'startup'; readonly packet: Buffer; readonly parameters: ReadonlyMap<string, string> };

/**
 * Parses the first packet when all of it has arrived. Returns null when more bytes are needed.
 * @throws ProtocolError when this cannot become a packet, however many bytes follow.
 */
export function parseFirstPacket(bytes: Buffer): { readonly value: FirstPacket; readonly used: number } | null {
  if (bytes.length > 0 && bytes[0] === TLS_HANDSHAKE) return { value: { kind: 'direct-tls' }, used: 0 };
  if (bytes.length < 8) return null;
  const length = bytes.readInt32BE(0);
  if (length < 8 || length > MAX_STARTUP_BYTES) throw new ProtocolError('invalid length of startup packet');
  if (bytes.length < length) return null;
  const packet = bytes.subarray(0, length);
  return { value: interpretFirstPacket(packet), used: length };
}

function interpretFirstPacket(packet: Buffer): FirstPacket {
  const code = packet.readInt32BE(4);
  if (code === SSL_REQUEST) return { kind: 'ssl' };
  if (code === GSSENC_REQUEST) return { kind: 'gss' };
  if (code === CANCEL_REQUEST) return { kind: 'cancel', key: packet.toString('hex', 8), packet };
  if (code >>> 16 !== 3) throw new ProtocolError(`unsupported frontend protocol ${code >>> 16}.${code & 0xffff}`);
  return { kind: 'startup', packet, parameters: parseParameters(packet) };
}

function parseParameters(packet: Buffer): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  let at = 8;
  while (at < packet.length && packet[at] !== 0) {
    const nameEnd = packet.indexOf(0, at);
    const valueEnd = nameEnd < 0 ? -1 : packet.indexOf(0, nameEnd + 1);
    if (valueEnd < 0) throw new ProtocolError('invalid startup packet layout: expected a terminator');
    parameters.set(packet.toString('utf8', at, nameEnd), packet.toString('utf8', nameEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
  if (at !== packet.length - 1)
    throw new ProtocolError('invalid startup packet layout: expected terminator as last byte');
  return parameters;
}

/** The same StartupMessage with one more parameter. PostgreSQL takes the last value of a name. */
export function withParameter(packet: Buffer, name: string, value: string): Buffer {
  const grown = Buffer.concat([packet.subarray(0, packet.length - 1), Buffer.from(`${name}\0${value}\0\0`)]);
  grown.writeInt32BE(grown.length, 0);
  return grown;
}

/** ErrorResponse with severity FATAL, as PostgreSQL sends it before it closes a connection. */
export function fatal(sqlState: string, message: string, hint?: string): Buffer {
  const fields = `SFATAL\0VFATAL\0C${sqlState}\0M${message}\0${hint === undefined ? '' : `H${hint}\0`}\0`;
  const body = Buffer.from(fields, 'utf8');
  const packet = Buffer.allocUnsafe(5 + body.length);
  packet[0] = 0x45;
  packet.writeInt32BE(4 + body.length, 1);
  body.copy(packet, 5);
  return packet;
}

/**
 * One field of an ErrorResponse or NoticeResponse that lies in `bytes[start, end)` with its header.
 * `field` is the protocol's letter: C = SQLSTATE, V = severity, M = message, R = routine.
 */
export function fieldOf(bytes: Buffer, start: number, end: number, field: string): string | null {
  const wanted = field.charCodeAt(0);
  let at = start + 5;
  while (at < end && bytes[at] !== 0) {
    const valueEnd = bytes.indexOf(0, at + 1);
    if (valueEnd < 0 || valueEnd >= end) return null;
    if (bytes[at] === wanted) return bytes.toString('utf8', at + 1, valueEnd);
    at = valueEnd + 1;
  }
  return null;
}

/** The text up to the next zero byte, and where the byte after it is. Null when there is no zero byte before `end`. */
export function cString(
  bytes: Buffer,
  at: number,
  end: number,
): { readonly text: string; readonly next: number } | null {
  const zero = bytes.indexOf(0, at);
  if (zero < 0 || zero >= end) return null;
  return { text: bytes.toString('latin1', at, zero), next: zero + 1 };
}
