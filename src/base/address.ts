/** An IP address: one 32-bit word, or four, each unsigned. */
export type Address =
  | { readonly family: 4; readonly words: readonly [number] }
  | { readonly family: 6; readonly words: readonly [number, number, number, number] };

/** Reads `203.0.113.9`, `2001:db8::1`, `::ffff:203.0.113.9`, also with a zone (`fe80::1%eth0`). Null: not an address. */
export function parseAddress(text: string): Address | null {
  if (!text.includes(':')) {
    const word = parseIPv4(text);
    return word === null ? null : { family: 4, words: [word] };
  }
  const groups = parseGroups(text);
  if (groups === null) return null;
  const word = (index: number) => (((groups[index] ?? 0) << 16) | (groups[index + 1] ?? 0)) >>> 0;
  return { family: 6, words: [word(0), word(2), word(4), word(6)] };
}

/**
 * The IPv4 address inside an IPv6 one that only carries it: mapped (RFC 4291), NAT64 (6052), 6to4 (3056), Teredo (4380: the
 * client's address, inverted). Others come back as they are: the network of the tunnel says nothing about the client's place.
 */
export function canonical(address: Address): Address {
  if (address.family === 4) return address;
  const [a, b, c, d] = address.words;
  if (isMapped(address)) return { family: 4, words: [d] };
  if (a === 0x0064ff9b && b === 0 && c === 0) return { family: 4, words: [d] };
  if (a >>> 16 === 0x2002) return { family: 4, words: [((a << 16) | (b >>> 16)) >>> 0] };
  if (a === 0x20010000) return { family: 4, words: [~d >>> 0] };
  return address;
}

const isMapped = ({ words: [a, b, c] }: Address): boolean => a === 0 && b === 0 && c === 0xffff;

export interface Network {
  readonly address: Address;
  /** Bits that count: 0 to 32, or 0 to 128. */
  readonly length: number;
}

/**
 * Reads `203.0.113.0/24`. Null when it is none, or has bits behind its length: then it is a mistake, not a network. Of mapped
 * addresses (`::ffff:203.0.113.0/120`) it is the network of those that they carry.
 */
export function parseNetwork(text: string): Network | null {
  const slash = text.lastIndexOf('/');
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === null) return null;
  const most = address.family === 4 ? 32 : 128;
  const digits = slash === -1 ? String(most) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits) || Number(digits) > most) return null;
  const length = Number(digits);
  const clean = address.words.every((word, index) => (word & ~maskOf(length - 32 * index)) >>> 0 === 0);
  if (!clean) return null;
  return isMapped(address) && length >= 96 ? { address: canonical(address), length: length - 96 } : { address, length };
}

/** Is an address (as `canonical` gives it) in a network? */
export function inNetwork({ address, length }: Network, other: Address): boolean {
  const own = canonical(address);
  return (
    own.family === other.family &&
    own.words.every((word, i) => ((word ^ (other.words[i] ?? 0)) & maskOf(length - 32 * i)) === 0)
  );
}

/** The mask of one word of which `bits` count; fewer than 0 and more than 32 are none and all. */
export const maskOf = (bits: number): number =>
  bits <= 0 ? 0 : bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;

function parseIPv4(text: string): number | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let word = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    word = word * 256 + Number(part);
  }
  return word;
}

function parseGroups(text: string): readonly number[] | null {
  const zone = text.indexOf('%');
  const halves = (zone === -1 ? text : text.slice(0, zone)).split('::');
  if (halves.length > 2) return null;
  const [front, back] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const head = groupsOf(front ?? [], back === undefined);
  const tail = back === undefined ? [] : groupsOf(back, true);
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (back === undefined ? missing !== 0 : missing < 1) return null;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** The last of them may be an IPv4 address, when it ends the text. */
function groupsOf(parts: readonly string[], atEnd: boolean): number[] | null {
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const word = atEnd && index === parts.length - 1 ? parseIPv4(part) : null;
      if (word === null) return null;
      groups.push(word >>> 16, word & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}
