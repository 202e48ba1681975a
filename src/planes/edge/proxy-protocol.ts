import { parseAddress } from '../../base/address.ts';

/**
 * The PROXY protocol (haproxy.org, `doc/proxy-protocol.txt`), versions 1 and 2: what a proxy writes in front of a connection to
 * say for whom it opened it. The receiver must know that a header comes; it must never guess, or anybody could forge one.
 */
export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'bad'; readonly why: string }
  /** `source` null: the proxy speaks for itself (a health check), or does not know. */
  | { readonly kind: 'header'; readonly lengthBytes: number; readonly source: string | null };

const V1_MOST_BYTES = 107;
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD_BYTES = 16;
/** Addresses and what proxies add (TLS details, ids) fit well; more is no header that anybody sends. */
const V2_MOST_BYTES = 4_096;
const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };

/** Reads the header at the beginning of `bytes`; asked again with more of them while it is incomplete. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return INCOMPLETE;
  if (bytes[0] === 0x0d) return parseV2(bytes);
  if (bytes[0] === 0x50) return parseV1(bytes);
  return bad('it does not begin with a PROXY header');
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_MOST_BYTES).indexOf('\r\n');
  if (end === -1) return bytes.length >= V1_MOST_BYTES ? bad('its PROXY line has no end') : INCOMPLETE;
  const words = bytes.toString('latin1', 0, end).split(' ');
  const [proxy, protocol, source = '', target = '', ...ports] = words;
  const lengthBytes = end + 2;
  if (proxy !== 'PROXY') return bad('it does not begin with a PROXY header');
  // What stands behind UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return { kind: 'header', lengthBytes, source: null };
  const family = protocol === 'TCP4' ? 4 : protocol === 'TCP6' ? 6 : 0;
  const isRight = [source, target].every((text) => parseAddress(text)?.family === family) && !source.includes('%');
  if (!isRight || ports.length !== 2 || !ports.every(isPort)) return bad('its PROXY line is malformed');
  return { kind: 'header', lengthBytes, source };
}

const isPort = (text: string): boolean => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;

function parseV2(bytes: Buffer): ProxyHeader {
  const had = Math.min(bytes.length, V2_SIGNATURE.length);
  if (!bytes.subarray(0, had).equals(V2_SIGNATURE.subarray(0, had)))
    return bad('it does not begin with a PROXY header');
  if (bytes.length < V2_HEAD_BYTES) return INCOMPLETE;
  const [version, command] = [(bytes[12] ?? 0) >> 4, (bytes[12] ?? 0) & 15];
  if (version !== 2 || command > 1) return bad(`its PROXY header is of version ${version}, command ${command}`);
  const restBytes = bytes.readUInt16BE(14);
  if (restBytes > V2_MOST_BYTES) return bad(`its PROXY header is ${restBytes} bytes long`);
  const lengthBytes = V2_HEAD_BYTES + restBytes;
  if (bytes.length < lengthBytes) return INCOMPLETE;
  // LOCAL: whatever the addresses say, the proxy speaks for itself.
  if (command === 0) return { kind: 'header', lengthBytes, source: null };
  return sourceInV2(bytes, restBytes, lengthBytes);
}

function sourceInV2(bytes: Buffer, restBytes: number, lengthBytes: number): ProxyHeader {
  const [family, transport] = [(bytes[13] ?? 0) >> 4, (bytes[13] ?? 0) & 15];
  if (family === 1 && transport === 1) {
    if (restBytes < 12) return bad('its PROXY header is too short for its addresses');
    const source = [...bytes.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + 4)].join('.');
    return { kind: 'header', lengthBytes, source };
  }
  if (family === 2 && transport === 1) {
    if (restBytes < 36) return bad('its PROXY header is too short for its addresses');
    const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(V2_HEAD_BYTES + 2 * i).toString(16));
    return { kind: 'header', lengthBytes, source: groups.join(':') };
  }
  // A socket of the proxy's machine, or unspecified: it does not say who is behind it.
  if (family === 0 || family === 3) return { kind: 'header', lengthBytes, source: null };
  return bad('its PROXY header is not about a TCP connection');
}

const bad = (why: string): ProxyHeader => ({ kind: 'bad', why });
